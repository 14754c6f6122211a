"""Count rows with malformed words, without any model."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from finereel.finegrain.make.window import Encode, clip_ids
from finereel.finegrain.types import PARTS_OF_SPEECH, Negative, PartOfSpeech

_EDGES = ".,!?;:\"'()[]"


@runtime_checkable
class Words(Protocol):
    """What a dictionary must answer; `finereel.finegrain.words.lexicon.Lexicon` does."""

    def is_word(self, form: str) -> bool:
        """Whether it is English."""
        ...

    def has_pos(self, form: str, pos: PartOfSpeech) -> bool:
        """Whether it can be of that part of speech, in any form."""
        ...


def wrong_pos(rows: Sequence[Negative], words: Words) -> float | None:
    """Share of replacements that cannot be of the part of speech they stand for; None where a row
    has none.

    A replacement of several words is right when the whole or one of its words is.
    """
    known: dict[tuple[str, str], bool] = {}

    def is_wrong(row: Negative) -> bool:
        if row.pos not in PARTS_OF_SPEECH:
            return False
        key = (bare(row.replacement), row.pos)
        if key not in known:
            known[key] = not any(words.has_pos(word, row.pos) for word in (key[0], *key[0].split()))
        return known[key]

    return None if any(row.pos not in PARTS_OF_SPEECH for row in rows) else share(rows, is_wrong)


def nonword(rows: Sequence[Negative], words: Words) -> float:
    """Share of replacements with something in them that is no word, such as "andthen" or
    "crack_up".
    """
    known: dict[str, bool] = {}

    def is_no_word(row: Negative) -> bool:
        text = bare(row.replacement)
        if text not in known:
            known[text] = not text or any(
                "_" in word or not words.is_word(word) for word in text.split()
            )
        return known[text]

    return share(rows, is_no_word)


def truncated(rows: Sequence[Negative], max_words: int, encode: Encode | None = None) -> float:
    """Share of negatives that are the caption again once a text encoder has cut both to rows of
    `max_words` tokens, start and end token among them.

    encode: text -> its token ids, uncut and without start and end; None: CLIP's.
    """
    ids, room = encode or clip_ids, max_words - 2
    captions: dict[str, list[int]] = {}

    def is_lost(row: Negative) -> bool:
        if row.caption not in captions:
            captions.clear()
            captions[row.caption] = list(ids(row.caption))
        return captions[row.caption][:room] == list(ids(row.negative))[:room]

    return share(rows, is_lost)


def share(rows: Sequence[Negative], holds: Callable[[Negative], bool]) -> float:
    """The share of rows for which something holds; 0 without rows."""
    return sum(map(holds, rows)) / len(rows) if rows else 0.0


def bare(text: str) -> str:
    """A word without the punctuation around it, in lower case.

    >>> bare("Outside,")
    'outside'
    """
    return text.strip(_EDGES).lower()
