"""Rows of negatives -> what can be said of them, part of speech by part of speech."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.blind import (
    CLASSIFIERS,
    TEXT_SCORERS,
    BlindResult,
    TextOnlyScores,
    Train,
    blind_scores,
    measure,
    remembering,
)
from finereel.finegrain.blind.others import blocks, captions_of_rows, part_of
from finereel.finegrain.make.window import Encode, clip_ids
from finereel.finegrain.report.grammar import GrammarCheck
from finereel.finegrain.types import CHANGES, PARTS_OF_SPEECH, Change, Negative, PartOfSpeech
from finereel.types import OnProgress, no_progress

# Shares of rows in which something is wrong with the words, without any model.
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


GAP_EDGES = tuple(float(edge) for edge in range(-12, 13))
_TOP = 12
_LEARNED_ROWS = 100_000


@dataclass(frozen=True)
class ReportSettings:
    """max_words: row length of the text encoder, start and end token among them. encode: its
    tokens, uncut and without start and end (None: CLIP's). words: the dictionary; None leaves
    wrong_pos and nonword out. grammar: a parser, or None. examples: how many rows to show of each
    part of speech.
    """

    max_words: int = 32
    encode: Encode | None = None
    words: Words | None = None
    grammar: GrammarCheck | None = None
    examples: int = 12

    def __post_init__(self) -> None:
        if self.max_words < 3:
            raise ConfigError(
                f"row of the text encoder: expected 3 tokens or more, got {self.max_words}"
            )


@dataclass(frozen=True)
class PartReport:
    """What can be said of the negatives of one part of speech. Shares from 0 to 1, None where
    nothing was measured.

    coverage: captions with a negative among all captions. blind: by scorer. gaps: rows by how much
    the trigram model prefers the caption, between GAP_EDGES, whose ends take in what lies beyond.
    swaps: the most frequent.
    """

    pos: Change
    count: int
    captions: int
    videos: int
    coverage: float | None
    blind: dict[str, BlindResult]
    wrong_pos: float | None
    nonword: float | None
    truncated: float
    grammar: float | None
    methods: dict[str, int]
    swaps: tuple[tuple[str, str, int], ...]
    gaps: tuple[int, ...]
    examples: tuple[Negative, ...]

    def as_dict(self) -> dict[str, Any]:
        """The numbers under the names of the command line; `blind` has every scorer's."""
        trigram = self.blind["trigram"]
        return {
            **{
                "count": self.count,
                "captions": self.captions,
                "videos": self.videos,
                "coverage": self.coverage,
            },
            **{
                "per_caption": self.count / self.captions,
                "blind_mrr": trigram.mrr,
                "chance_mrr": trigram.chance_mrr,
            },
            **{"blind_r1": trigram.r1, "chance_r1": trigram.chance_r1, "blind_auc": trigram.auc},
            **{name: self.blind[name].auc for name in CLASSIFIERS},
            **{"wrong_pos": self.wrong_pos, "nonword": self.nonword},
            **{"truncated": self.truncated, "grammar": self.grammar},
            "blind": {name: result.as_dict() for name, result in self.blind.items()},
            "methods": self.methods,
        }


@dataclass(frozen=True)
class Report:
    """A report on a file of negatives. protocols: how the language models' captions were chosen
    (blind.others).
    """

    name: str
    parts: dict[str, PartReport]
    protocols: tuple[str, ...]
    collection: int
    settings: ReportSettings

    def as_dict(self) -> dict[str, Any]:
        """By part of speech, as `finereel negatives report --json` prints it."""
        return {name: part.as_dict() for name, part in self.parts.items()}


def report(
    rows: Sequence[Negative],
    captions: Sequence[Caption] = (),
    settings: ReportSettings | None = None,
    name: str = "",
    on_progress: OnProgress = no_progress,
) -> Report:
    """Measure the negatives.

    captions: of the whole collection, for the language models and for coverage; without them the
    captions of the rows are used and coverage is None. on_progress: (parts of speech done, in all).
    Raises DataError without rows.
    """
    if not rows:
        raise DataError("a report needs at least one negative, got none")
    chosen = settings or ReportSettings()
    collection = list(captions) or captions_of_rows(rows)
    by_pos: dict[Change, list[Negative]] = {}
    for row in rows:
        by_pos.setdefault(row.pos, []).append(row)
    order = [pos for pos in CHANGES if pos in by_pos]
    protocols = sorted(
        {block.protocol for pos in order for block in blocks(by_pos[pos], collection)}
    )
    parts: dict[str, PartReport] = {}
    material = _Material(collection, bool(captions), chosen, remembering())
    for pos in order:
        on_progress("parts of speech", len(parts), len(order))
        parts[pos] = _part(pos, by_pos[pos], material)
    on_progress("parts of speech", len(parts), len(order))
    return Report(name, parts, tuple(protocols), len(captions), chosen)


@dataclass(frozen=True)
class _Material:
    """What all parts of speech are measured with. whole: `captions` are those of the whole
    collection. train: the language models; parts of speech of one file mostly learn from the same
    captions.
    """

    captions: Sequence[Caption]
    whole: bool
    settings: ReportSettings
    train: Train


def _part(pos: Change, rows: Sequence[Negative], given: _Material) -> PartReport:
    settings = given.settings
    scores = blind_scores(rows, given.captions, list(TEXT_SCORERS), given.train)
    blind = {name: measure(rows, scored) for name, scored in scores.items()}
    sample = _sample(rows)
    blind |= {
        name: measure(sample, scored)
        for name, scored in blind_scores(sample, names=list(CLASSIFIERS)).items()
    }
    captions = {(row.video_id, row.caption_id) for row in rows}
    return PartReport(
        pos=pos,
        count=len(rows),
        captions=len(captions),
        videos=len({row.video_id for row in rows}),
        coverage=len(captions) / len(given.captions) if given.whole else None,
        blind=blind,
        wrong_pos=None if settings.words is None else wrong_pos(rows, settings.words),
        nonword=None if settings.words is None else nonword(rows, settings.words),
        truncated=truncated(rows, settings.max_words, settings.encode),
        grammar=None if settings.grammar is None else settings.grammar.share(rows),
        methods=dict(Counter(row.method for row in rows).most_common()),
        swaps=_swaps(rows),
        gaps=_gaps(scores["trigram"]),
        examples=_examples(rows, settings.examples),
    )


def _sample(rows: Sequence[Negative]) -> Sequence[Negative]:
    """All rows, or those of as many videos as keep within what the classifiers are given."""
    parts = -(-len(rows) // _LEARNED_ROWS)
    return (
        rows
        if parts == 1
        else [row for row in rows if part_of(f"learned {row.video_id}", parts) == 0] or rows
    )


def _swaps(rows: Sequence[Negative]) -> tuple[tuple[str, str, int], ...]:
    counts = Counter((row.source.lower(), row.replacement.lower()) for row in rows)
    return tuple(
        (source, replacement, count) for (source, replacement), count in counts.most_common(_TOP)
    )


def _gaps(scores: TextOnlyScores) -> tuple[int, ...]:
    inside = np.clip(scores.gap, GAP_EDGES[0], GAP_EDGES[-1])
    counts, _ = np.histogram(inside, bins=np.array(GAP_EDGES))
    return tuple(int(count) for count in counts)


def _examples(rows: Sequence[Negative], wanted: int) -> tuple[Negative, ...]:
    """Rows drawn by a hash of their ids, of different captions as far as there are any; the same
    every time.
    """
    drawn = sorted(rows, key=lambda row: part_of(f"example {row.id}", 1 << 60))
    first = {(row.video_id, row.caption_id): row for row in reversed(drawn)}
    return tuple(
        sorted(first.values(), key=lambda row: part_of(f"example {row.id}", 1 << 60))[:wanted]
    )
