"""BERT's WordPiece tokenizer: [CLS], the pieces of the text, [SEP], then [PAD].

Its vocabulary may be pruned: a word that no piece of the vocabulary spells becomes [UNK].
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, processors

from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.io.foreign_files import ForeignFileError, brief, read_json_object, read_text
from finereel.text.base import BaseTokenizer
from finereel.text.tokenize import MOST_BYTES, checked_vocabulary

START_TOKEN, END_TOKEN, PAD_TOKEN, UNKNOWN_TOKEN = "[CLS]", "[SEP]", "[PAD]", "[UNK]"
_NEEDED = (START_TOKEN, END_TOKEN, PAD_TOKEN, UNKNOWN_TOKEN)
_LONGEST_WORD = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class WordPieceRules:
    """How a text becomes pieces; the defaults are those of uncased BERT.

    Attributes:
        lowercase: Whether case is dropped.
        strip_accents: Whether accents are dropped; None to do so where case is.
        split_chinese: Whether every Chinese character is a word.
        clean_text: Whether control characters are dropped.
        longest_word: Words of more characters become [UNK].
        continuation: What marks a piece that continues a word.
    """

    lowercase: bool = True
    strip_accents: bool | None = None
    split_chinese: bool = True
    clean_text: bool = True
    longest_word: int = 100
    continuation: str = "##"


class WordPieceTokenizer(BaseTokenizer):
    """WordPiece as in BERT.

    Args:
        vocab: Pieces and their ids; it must hold [CLS], [SEP], [PAD] and [UNK].
        rules: How a text becomes pieces.

    Raises:
        CheckpointError: If a special token is missing.

    Example:
        >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "dog", "run", "##s", "!"]
        >>> tokenizer = WordPieceTokenizer({piece: number for number, piece in enumerate(pieces)})
        >>> tokenizer.encode(["Dog runs!"], max_words=8).ids.tolist()
        [[2, 4, 5, 6, 7, 3, 0, 0]]
        >>> [word.text for word in tokenizer.words("Dog runs!", max_words=8)]
        ['Dog', 'runs', '!']
    """

    def __init__(self, vocab: Mapping[str, int], rules: WordPieceRules | None = None) -> None:
        missing = [token for token in _NEEDED if token not in vocab]
        if missing:
            raise CheckpointError(
                f"not a WordPiece vocabulary: expected the tokens {', '.join(_NEEDED)}, "
                f"{missing[0]} is missing among {len(vocab)}; copy the tokenizer again"
            )
        self.rules = rules or WordPieceRules()
        super().__init__(
            _word_pieces(dict(vocab), self.rules),
            max(vocab.values()) + 1,
            (vocab[START_TOKEN],),
            (vocab[END_TOKEN],),
            vocab[PAD_TOKEN],
        )

    @classmethod
    def load(cls, directory: str | Path) -> "WordPieceTokenizer":
        """Read the tokenizer of a model directory.

        Args:
            directory: The folder, with `tokenizer.json`, or with `vocab.txt` and perhaps
                `tokenizer_config.json`.

        Returns:
            The tokenizer.

        Raises:
            ModelNotFoundError: If neither file is there.
            CheckpointError: If the file does not read, or is not BERT's kind.
        """
        folder = Path(directory)
        try:
            if (folder / "tokenizer.json").exists():
                stored = read_json_object(folder / "tokenizer.json", MOST_BYTES)
                return cls(*_described(stored))
            return cls(_listed(folder / "vocab.txt"), _configured(folder))
        except FileNotFoundError:
            raise ModelNotFoundError(
                f"no tokenizer in {folder}: expected tokenizer.json or vocab.txt; copy it from "
                "where the model came from"
            ) from None
        except ForeignFileError as error:
            raise CheckpointError(
                f"the tokenizer in {folder} cannot be read as WordPiece ({error}); expected BERT's"
            ) from error

    def _entries(self, text: str, official: bool) -> tuple[list[int], list[tuple[int, int]]]:
        found = self._pipeline.encode(without_surrogates(text), add_special_tokens=False)
        return list(found.ids), list(found.offsets)


def without_surrogates(text: str) -> str:
    """Half characters, which the tokenizers library does not take, as replacement characters.

    >>> without_surrogates("a\\ud800b") == "a\\ufffdb"
    True
    """
    return _SURROGATE.sub("\ufffd", text)


def _word_pieces(vocab: dict[str, int], rules: WordPieceRules) -> tokenizers.Tokenizer:
    model = models.WordPiece(
        vocab=vocab,
        unk_token=UNKNOWN_TOKEN,
        max_input_chars_per_word=rules.longest_word,
        continuing_subword_prefix=rules.continuation,
    )
    pieces = tokenizers.Tokenizer(model)
    pieces.normalizer = normalizers.BertNormalizer(
        clean_text=rules.clean_text,
        handle_chinese_chars=rules.split_chinese,
        strip_accents=rules.strip_accents,
        lowercase=rules.lowercase,
    )
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.BertProcessing(
        (END_TOKEN, vocab[END_TOKEN]), (START_TOKEN, vocab[START_TOKEN])
    )
    return pieces


def _described(stored: Mapping[str, Any]) -> tuple[dict[str, int], WordPieceRules]:
    """Vocabulary and rules of a `tokenizer.json`."""
    model = stored.get("model")
    if not isinstance(model, dict) or model.get("type") != "WordPiece":
        raise ForeignFileError("it describes no WordPiece model")
    if model.get("unk_token", UNKNOWN_TOKEN) != UNKNOWN_TOKEN:
        raise ForeignFileError(
            f"its unknown token is {brief(model.get('unk_token'))}, expected {UNKNOWN_TOKEN}"
        )
    normalizer = stored.get("normalizer")
    if not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        raise ForeignFileError("its normalizer is not BertNormalizer")
    splitter = stored.get("pre_tokenizer")
    if not isinstance(splitter, dict) or splitter.get("type") != "BertPreTokenizer":
        raise ForeignFileError("its pre_tokenizer is not BertPreTokenizer")
    vocab = checked_vocabulary(model.get("vocab"), stored.get("added_tokens"))
    return vocab, WordPieceRules(
        _flag(normalizer, "lowercase", True),
        _optional_flag(normalizer, "strip_accents"),
        _flag(normalizer, "handle_chinese_chars", True),
        _flag(normalizer, "clean_text", True),
        _word_length(model.get("max_input_chars_per_word", 100)),
        _prefix(model.get("continuing_subword_prefix", "##")),
    )


def _listed(path: Path) -> dict[str, int]:
    """The vocabulary of a `vocab.txt`: a piece a line."""
    lines = read_text(path, MOST_BYTES).rstrip("\n").split("\n")  # some pieces are line separators
    return checked_vocabulary({line: number for number, line in enumerate(lines)}, None)


def _configured(folder: Path) -> WordPieceRules:
    """The rules that `tokenizer_config.json` states beside a `vocab.txt`."""
    path = folder / "tokenizer_config.json"
    stated = read_json_object(path, MOST_BYTES) if path.exists() else {}
    return WordPieceRules(
        _flag(stated, "do_lower_case", True),
        _optional_flag(stated, "strip_accents"),
        _flag(stated, "tokenize_chinese_chars", True),
    )


def _flag(values: Mapping[str, Any], name: str, otherwise: bool) -> bool:
    value = values.get(name, otherwise)
    if not isinstance(value, bool):
        raise ForeignFileError(f"{name} must be true or false, got {brief(value)}")
    return value


def _optional_flag(values: Mapping[str, Any], name: str) -> bool | None:
    return None if values.get(name) is None else _flag(values, name, True)


def _word_length(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _LONGEST_WORD:
        raise ForeignFileError(
            f"max_input_chars_per_word must be from 1 to {_LONGEST_WORD}, got {brief(value)}"
        )
    return value


def _prefix(value: Any) -> str:
    if not isinstance(value, str):
        raise ForeignFileError(f"continuing_subword_prefix must be a text, got {brief(value)}")
    return value
