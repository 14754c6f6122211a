"""WordPiece: the ids of `transformers`, spans in the text as it was typed, and files that lie."""

import json
from pathlib import Path

import pytest
import torch

from finereel.errors import CheckpointError, ConfigError, ModelNotFoundError
from finereel.text import Tokenizer, WordPieceTokenizer, load_tokenizer, train_tokenizer
from finereel.text.wordpiece import WordPieceRules
from tiny_encoders import PIECES, tiny_word_pieces

TEXTS = [
    "A red CAR jumps over the house!",
    "Caf\u00e9 don't cooking",
    "\u732b a fish\u3002",
    "",
    "  a\tman ,\nis   cooking ",
    "x" * 150 + " car",
    "[SEP] a car",
]


def test_rows_begin_and_end_as_they_should() -> None:
    tokens = tiny_word_pieces().encode(["A red car jumps", "", "a " * 50], max_words=8)
    assert tokens.ids.tolist() == [
        [2, 4, 5, 6, 7, 8, 3, 0],
        [2, 3, 0, 0, 0, 0, 0, 0],
        [2, 4, 4, 4, 4, 4, 4, 3],
    ]
    assert tokens.mask.sum(1).tolist() == [7, 2, 8]
    with pytest.raises(ConfigError, match="at least 2, got 1"):
        tiny_word_pieces().encode(["a"], max_words=1)


def test_ids_are_those_of_transformers(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast

    theirs = BertTokenizerFast(vocab={piece: number for number, piece in enumerate(PIECES)})
    tokens = tiny_word_pieces().encode(TEXTS[:-1], max_words=16)
    expected = theirs(TEXTS[:-1], padding="max_length", truncation=True, max_length=16)
    assert tokens.ids.tolist() == expected["input_ids"]
    assert tokens.mask.astype(int).tolist() == expected["attention_mask"]
    theirs.save_pretrained(tmp_path / "saved")
    loaded = load_tokenizer(tmp_path / "saved")
    assert (
        loaded.encode(TEXTS, 16).ids.tolist() == tiny_word_pieces().encode(TEXTS, 16).ids.tolist()
    )


def test_a_special_token_in_a_text_is_plain_text() -> None:
    row = tiny_word_pieces().encode(["[SEP] a [CLS]"], max_words=16)
    assert row.ids[0, 1:].tolist().count(PIECES.index("[CLS]")) == 0
    assert row.ids[0].tolist().count(PIECES.index("[SEP]")) == 1


def test_spans_lie_in_the_text_as_it_was_typed() -> None:
    text = "\ud800 Caf\u00e9 &amp; RED cars, don\u2019t COOKING"
    tokens = tiny_word_pieces().encode([text], max_words=32)
    assert all(0 <= start <= end <= len(text) for start, end in tokens.spans[0].tolist())
    words = {word.text: word for word in tiny_word_pieces().words(text, max_words=32)}
    assert {"RED", "don\u2019t", "COOKING", "Caf\u00e9"} <= set(words)
    cooking = words["COOKING"]
    assert [PIECES[token] for token in tokens.ids[0, list(cooking.tokens)]] == ["cook", "##ing"]
    assert text[cooking.start : cooking.end] == "COOKING"


def test_rules_change_ids() -> None:
    vocab = {piece: number for number, piece in enumerate(PIECES)}
    cased = WordPieceTokenizer(vocab, WordPieceRules(lowercase=False))
    assert cased.encode(["RED"], 3).ids[0, 1] == PIECES.index("[UNK]")
    assert cased.description != tiny_word_pieces().description


@pytest.mark.parametrize(
    "rules",
    [WordPieceRules(), WordPieceRules(lowercase=False, split_chinese=False, longest_word=4)],
)
def test_what_is_saved_comes_back(tmp_path: Path, rules: WordPieceRules) -> None:
    vocab = {piece: number for number, piece in enumerate(PIECES)}
    tokenizer = WordPieceTokenizer(vocab, rules)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert isinstance(loaded, WordPieceTokenizer)
    assert loaded.rules == rules
    assert loaded.description == tokenizer.description
    assert loaded.encode(TEXTS, 16).spans.tolist() == tokenizer.encode(TEXTS, 16).spans.tolist()


def test_a_plain_vocabulary_is_read_with_its_settings(tmp_path: Path) -> None:
    pieces = [*PIECES, "\u2028", "RED"]
    (tmp_path / "vocab.txt").write_bytes("\n".join(pieces).encode() + b"\n")
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    loaded = load_tokenizer(tmp_path)
    assert loaded.vocab_size == len(pieces)
    assert loaded.encode(["RED"], 3).ids[0, 1] == len(pieces) - 1


def test_the_kind_is_read_from_the_file(tmp_path: Path) -> None:
    train_tokenizer(["a red car"], 520).save(tmp_path / "bpe")
    assert isinstance(load_tokenizer(tmp_path / "bpe"), Tokenizer)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "tokenizer.json").write_text('{"model": {"type": "Odd"}}')
    with pytest.raises(CheckpointError, match="type 'Odd': expected one of BPE, WordPiece"):
        load_tokenizer(tmp_path / "odd")
    with pytest.raises(ModelNotFoundError, match="no tokenizer in"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("model", "vocab"), {"a": 0}, "is missing"),
        (("model", "vocab"), {"a": -1}, "has the id"),
        (("model", "vocab"), ["a"], "expected a vocabulary"),
        (("model", "max_input_chars_per_word"), 10**9, "from 1 to 1000"),
        (("model", "continuing_subword_prefix"), 3, "must be a text"),
        (("model", "unk_token"), "<unk>", "unknown token"),
        (("normalizer", "lowercase"), "yes", "true or false"),
        (("normalizer", "strip_accents"), 1, "true or false"),
        (("normalizer", "type"), "NFC", "not BertNormalizer"),
        (("pre_tokenizer",), None, "not BertPreTokenizer"),
    ],
)
def test_files_that_lie_are_refused(
    tmp_path: Path, place: tuple[str, ...], value: object, said: str
) -> None:
    tiny_word_pieces().save(tmp_path)
    stored = json.loads((tmp_path / "tokenizer.json").read_text())
    inside = stored
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored))
    with pytest.raises(CheckpointError, match=said):
        load_tokenizer(tmp_path)


def test_a_pruned_vocabulary_keeps_its_ids_below_the_rows() -> None:
    kept = {piece: number for number, piece in enumerate(PIECES[:8])}
    ids = torch.from_numpy(WordPieceTokenizer(kept).encode(TEXTS, 16).ids)
    assert int(ids.max()) < 8
