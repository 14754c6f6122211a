"""What every tokenizer of a model offers: rows of token ids, and the mapping from tokens back to
the words a person typed.
"""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tokenizers
from jaxtyping import Bool, Int64

from finereel.errors import ConfigError
from finereel.io.atomic import replace_file, writes
from finereel.text.clean import clean

# Character classes: w letter, digit or mark; ' apostrophe; space; p anything else.
_WORD = re.compile(r"w+(?:'w+)*|[p']+")


@dataclass(frozen=True)
class Tokens:
    """T texts as rows of W tokens. `spans[t, w]` is the (start, end) of the token in text t as it
    was given; the start, end and padding tokens have the empty span (0, 0).
    """

    ids: Int64[np.ndarray, "T W"]
    mask: Bool[np.ndarray, "T W"]
    spans: Int64[np.ndarray, "T W 2"]


@dataclass(frozen=True)
class Word:
    """A word of a text: its characters [start, end) and the places of its tokens on the
    token axis.
    """

    text: str
    start: int
    end: int
    tokens: range


class BaseTokenizer(ABC):
    """Texts -> rows of tokens: start tokens, the text's own, end tokens, padding.

    Args:
        pipeline: The tokenizer of the tokenizers library that cuts a text.
        vocab_size: One more than the highest id.
        starts: Ids before a text.
        ends: Ids after it; they stay where a long text is cut.
        pad_id: The id that fills a row; only the mask tells it from a token of the text.
    """

    def __init__(
        self,
        pipeline: tokenizers.Tokenizer,
        vocab_size: int,
        starts: Sequence[int],
        ends: Sequence[int],
        pad_id: int,
    ) -> None:
        self._pipeline = pipeline
        self.vocab_size = vocab_size
        self.starts, self.ends = tuple(starts), tuple(ends)
        self.pad_id = pad_id

    @property
    def description(self) -> str:
        """The tokenizer as JSON: equal where two tokenizers give equal ids."""
        described: str = self._pipeline.to_str()
        return described

    @writes("directory")
    def save(self, directory: str | Path) -> None:
        """Write `tokenizer.json`, from which `finereel.text.load_tokenizer` makes the same one."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(folder / "tokenizer.json") as fresh:
            self._pipeline.save(str(fresh))

    @abstractmethod
    def _entries(self, text: str, official: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Token ids of the text and their spans in it, without start and end tokens."""

    @property
    def start_id(self) -> int:
        """The first token of every row."""
        return self.starts[0]

    @property
    def end_id(self) -> int:
        """The last token of every text."""
        return self.ends[-1]

    def encode(self, texts: Sequence[str], max_words: int, *, official: bool = False) -> Tokens:
        """Encode texts as rows of `max_words` tokens.

        A literal special token in a text, such as CLIP's `<|endoftext|>`, is plain text.

        Args:
            texts: T texts.
            max_words: W, the length of a row, start and end tokens included.
            official: CLIP only: a literal `<|endoftext|>` becomes the special token, as in the
                published code (where it moves the sentence vector).

        Returns:
            The rows, their mask, and the span of every token in its text.

        Raises:
            ConfigError: If a row has no room for the start and end tokens.

        Example:
            >>> from finereel.text import train_tokenizer
            >>> tokenizer = train_tokenizer(["a cup"], vocab_size=514)
            >>> tokens = tokenizer.encode(["a cup", ""], max_words=6)
            >>> tokens.mask.sum(1).tolist(), tokens.spans[0, 1].tolist()
            ([6, 2], [0, 1])
        """
        first, around = len(self.starts), len(self.starts) + len(self.ends)
        if max_words < around:
            raise ConfigError(
                f"max_words counts the start and end tokens, so at least {around}, got {max_words}"
            )
        shape = (len(texts), max_words)
        result = Tokens(
            np.full(shape, self.pad_id, np.int64),
            np.zeros(shape, np.bool_),
            np.zeros((*shape, 2), np.int64),
        )
        for row, text in enumerate(texts):
            ids, spans = self._entries(text, official)
            ids = [*self.starts, *ids[: max_words - around], *self.ends]
            spans = spans[: len(ids) - around]
            result.ids[row, : len(ids)] = ids
            result.mask[row, : len(ids)] = True
            if spans:
                result.spans[row, first : first + len(spans)] = spans
        return result

    def words(self, text: str, max_words: int) -> list[Word]:
        """Find the words of a text that have a token in a row.

        "don't" and "2023" are one word, "!" is one too.

        Args:
            text: The text.
            max_words: W, the length of a row.

        Returns:
            The words in the order of the text.

        Example:
            >>> from finereel.text import train_tokenizer
            >>> tokenizer = train_tokenizer(["it don't move"], vocab_size=514)
            >>> tokenizer.words("don't!", max_words=32)[0]
            Word(text="don't", start=0, end=5, tokens=range(1, 6))
        """
        spans = self.encode([text], max_words).spans[0]
        places = np.flatnonzero(spans[:, 1] > spans[:, 0])
        starts, stops = spans[places].T
        cleaned = clean(text)
        words = []
        for match in _WORD.finditer("".join(map(_character_class, cleaned.text))):
            start, end = cleaned.original_span(*match.span())
            # Tokens stand in the order of the text, so a search finds them in a text of any length.
            first, last = (
                int(np.searchsorted(starts, start)),
                int(np.searchsorted(stops, end, side="right")),
            )
            if first < last:
                words.append(
                    Word(
                        text[start:end],
                        start,
                        end,
                        range(int(places[first]), int(places[last - 1]) + 1),
                    )
                )
        return words


def _character_class(character: str) -> str:
    if character.isspace():
        return " "
    if character.isalnum() or unicodedata.category(character).startswith("M"):
        return "w"
    return "'" if character == "'" else "p"
