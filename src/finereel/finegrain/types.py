"""The types of fine-grained negatives: `Negative` and its parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from finereel.data.base import Caption

PartOfSpeech = Literal["noun", "verb", "adjective", "adverb", "preposition"]
PARTS_OF_SPEECH: tuple[PartOfSpeech, ...] = get_args(PartOfSpeech)
Change = PartOfSpeech | Literal["phrase", "other", "swap"]
"""What was changed: one word, of a part of speech; a phrase of several; `other`, which a foreign
file left open; or `swap`, two words exchanged, where the span reaches from one to the other.
"""
CHANGES: tuple[Change, ...] = (*PARTS_OF_SPEECH, "phrase", "other", "swap")


@dataclass(frozen=True, slots=True)
class Negative:
    """A caption with one span changed so that its video contradicts it, and where that came from.

    start, end: characters of `caption` that were replaced; `caption[start:end]` is `source`, and
    `replacement` is what stands there in `negative` (an article before it may have changed as
    well).
    method: the rule that proposed it. sense: what was looked up (WordNet ids, names of word sets).
    pair: what was swapped for what, in either order, for balancing: "cat|dog".
    generator: name and version of the maker.
    extra: what a foreign file says besides (JSON values); it belongs to the form that `generator`
    names, so that writing that form again loses nothing.
    """

    id: str
    video_id: str
    caption_id: str
    caption: str
    negative: str
    pos: Change
    start: int
    end: int
    source: str
    replacement: str
    method: str
    lemma: str = ""
    replacement_lemma: str = ""
    tag: str = ""
    sense: tuple[str, ...] = ()
    pair: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    generator: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Caption, start: int, end: int, **fields: Any) -> "Negative":
        """A negative of `row` in which `caption[start:end]` was replaced.

        fields: those that do not follow from this; `pair` follows from the two lemmas, where they
        are given.

        >>> row = Caption("v#0", "v", "a dog runs")
        >>> texts = {"negative": "a cat runs", "replacement": "cat", "lemma": "dog", "replacement_lemma": "cat"}
        >>> made = Negative.of(row, 2, 5, id="v#0/0", pos="noun", method="set", **texts)
        >>> made.source, made.pair
        ('dog', 'cat|dog')
        """
        return cls(
            video_id=row.video_id,
            caption_id=row.id,
            caption=row.text,
            start=start,
            end=end,
            source=row.text[start:end],
            pair=pair_of(fields["lemma"], fields["replacement_lemma"]) if "lemma" in fields else "",
            **fields,
        )


def label_of(row: Negative) -> str:
    """What a row counts under: its part of speech; its method where a foreign set leaves
    that open, and of two exchanged words.
    """
    return row.method or row.pos if row.pos in ("other", "swap") else row.pos


def pair_of(first: str, second: str) -> str:
    """What was swapped for what, in either order.

    >>> pair_of("dog", "cat"), pair_of("cat", "dog")
    ('cat|dog', 'cat|dog')
    """
    return "|".join(sorted((first, second)))
