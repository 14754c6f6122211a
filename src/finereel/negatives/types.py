"""The nouns of fine-grained negatives: captions that come in, negatives that go out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

PartOfSpeech = Literal["noun", "verb", "adjective", "adverb", "preposition"]
PARTS_OF_SPEECH: tuple[PartOfSpeech, ...] = get_args(PartOfSpeech)
Change = PartOfSpeech | Literal["phrase", "other"]
"""What was changed: one word, of a part of speech; a phrase of several; or `other`, which a foreign file left open."""
CHANGES: tuple[Change, ...] = (*PARTS_OF_SPEECH, "phrase", "other")


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One caption: its own id, the video it is true of, its text."""

    id: str
    video_id: str
    caption: str


@dataclass(frozen=True, slots=True)
class Negative:
    """A caption with one span changed so that its video contradicts it, and where that came from.

    start, end: characters of `caption` that were replaced; `caption[start:end]` is `source`, and `replacement` is what
    stands there in `negative` (an article before it may have changed as well).
    method: the rule that proposed it. sense: what was looked up (WordNet ids, names of word sets).
    pair: what was swapped for what, in either order, for balancing: "cat|dog".
    generator: name and version of the maker.
    extra: what a foreign file says besides (JSON values); it belongs to the form that `generator` names, so that
    writing that form again loses nothing.
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
