"""Text-only baselines: how well a scorer that sees no video can tell a caption from its negatives."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64

from finereel.data.base import Caption
from finereel.errors import DataError, unknown_name
from finereel.finegrain.blind.learned import (
    FOLDS,
    Differences,
    context_differences,
    differences,
    held_out_margins,
)
from finereel.finegrain.blind.ngrams import NGrams
from finereel.finegrain.blind.others import blocks, captions_of_rows, parts_of
from finereel.finegrain.types import Negative


# Scores of captions and of their negatives, and what they say: AUC of pairs, R@1 and MRR of one
# true among n false.
@dataclass(frozen=True)
class TextOnlyScores:
    """A scorer's opinion of R rows: of the caption and of its negative; the higher, the more it
    takes it for true.
    """

    positive: Float64[np.ndarray, " R"]
    negative: Float64[np.ndarray, " R"]

    @property
    def gap(self) -> Float64[np.ndarray, " R"]:
        """How much the caption is preferred to its negative."""
        return np.asarray(self.positive - self.negative)

    def __getitem__(self, rows: np.ndarray) -> "TextOnlyScores":
        return TextOnlyScores(self.positive[rows], self.negative[rows])


@dataclass(frozen=True)
class BlindResult:
    """Results of a text-only scorer. All shares are from 0 to 1.

    auc: share of pairs where the caption beats its negative, ties half. r1, mrr: the caption among
    its negatives of one part of speech, ties in expectation over random orders (so a scorer that
    ties everything is exactly at chance).
    chance_r1, chance_mrr: of a random order, given how many negatives each caption has. ties: share
    of tied pairs.
    """

    auc: float
    r1: float
    mrr: float
    chance_r1: float
    chance_mrr: float
    ties: float
    pairs: int
    groups: int

    def as_dict(self) -> dict[str, float]:
        """Under the fields' names."""
        return asdict(self)


def group_numbers(rows: Iterable[Negative]) -> Int64[np.ndarray, " R"]:
    """Rows of one caption and one part of speech have one number, from 0 in the order of
    appearance.
    """
    return _numbered((row.video_id, row.caption_id, row.pos) for row in rows)


def measure(rows: Sequence[Negative], scores: TextOnlyScores) -> BlindResult:
    """Pair AUC, R@1 and MRR of the scores of `rows`. Raises DataError without rows or when a score
    is NaN.
    """
    return measure_groups(group_numbers(rows), scores)


def measure_groups(groups: Int64[np.ndarray, " R"], scores: TextOnlyScores) -> BlindResult:
    """The same for rows that are only numbers: `groups` says which caption a row belongs to.

    >>> scores = TextOnlyScores(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    >>> result = measure_groups(np.array([0, 0]), scores)
    >>> result.auc, result.mrr, round(result.chance_mrr, 4)
    (0.5, 0.5, 0.6111)
    """
    if not len(groups):
        raise DataError("text-only scores need at least one negative, got none")
    gap = scores.gap
    if np.isnan(gap).any():
        raise DataError(
            f"a score is not a number, first in row {int(np.flatnonzero(np.isnan(gap))[0]) + 1}"
        )
    sizes = np.bincount(groups)
    present = sizes > 0
    above = np.bincount(groups, weights=gap < 0)[present].astype(np.int64)
    tied = np.bincount(groups, weights=gap == 0)[present].astype(np.int64)
    sizes = sizes[present]
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, sizes.max() + 2))])
    return BlindResult(
        auc=float(((gap > 0) + (gap == 0) / 2).mean()),
        r1=float(((above == 0) / (tied + 1)).mean()),
        mrr=float(((harmonic[above + tied + 1] - harmonic[above]) / (tied + 1)).mean()),
        chance_r1=float((1 / (sizes + 1)).mean()),
        chance_mrr=float((harmonic[sizes + 1] / (sizes + 1)).mean()),
        ties=float((gap == 0).mean()),
        pairs=len(gap),
        groups=len(sizes),
    )


def _numbered(keys: Iterable[Hashable]) -> Int64[np.ndarray, " R"]:
    numbers: dict[Hashable, int] = {}
    return np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64)


__all__ = [
    "CLASSIFIERS",
    "SCORERS",
    "TEXT_SCORERS",
    "BlindResult",
    "NGrams",
    "TextOnlyScores",
    "Train",
    "blind_scores",
    "group_numbers",
    "measure",
    "measure_groups",
    "remembering",
    "score_pairs",
    "text_scorer",
]


@runtime_checkable
class TextScorer(Protocol):
    """Says of texts how likely each is to be true of some video; the higher, the likelier."""

    def score(self, texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        """A finite number per text."""
        ...


class Shortness:
    """Takes the shorter text, in characters, for the true one."""

    def __init__(self, captions: Iterable[str] = ()) -> None: ...

    def score(self, texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        """Minus the length."""
        return -np.fromiter(map(len, texts), np.float64, len(texts))


TEXT_SCORERS: dict[str, Callable[[Iterable[str]], TextScorer]] = {
    "unigram": partial(NGrams, order=1),
    "trigram": partial(NGrams, order=3),
    "length": Shortness,
}
CLASSIFIERS: dict[str, Callable[[Sequence[str], Sequence[str]], Differences]] = {
    "learned": differences,
    "context": context_differences,
}
"""What a classifier sees of captions and their negatives."""
SCORERS = (*TEXT_SCORERS, *CLASSIFIERS)
"""The text scorers learn from captions alone, the classifiers from negatives of other videos."""
Train = Callable[[str, Sequence[str]], TextScorer]
"""A scorer by its name that has read some captions."""


def text_scorer(name: str, captions: Iterable[str]) -> TextScorer:
    """A scorer that has read `captions`. Raises ConfigError for a name that TEXT_SCORERS lacks."""
    if name not in TEXT_SCORERS:
        raise unknown_name("text-only scorer", name, TEXT_SCORERS)
    return TEXT_SCORERS[name](captions)


def remembering(most: int = 16) -> Train:
    """`text_scorer` which keeps what it trained last, for portions of rows that learn from the same
    captions.
    """
    kept = lru_cache(maxsize=most)(text_scorer)
    return lambda name, captions: kept(name, tuple(captions))


def blind_scores(
    rows: Sequence[Negative],
    captions: Sequence[Caption] = (),
    names: Sequence[str] = ("trigram",),
    train: Train = text_scorer,
) -> dict[str, TextOnlyScores]:
    """What each scorer says of every row, having learned from other videos only (see
    `others.blocks`).

    captions: of the whole collection; without them the captions of the rows are all there is to
    learn from. Classifiers are trained on the rows themselves, five folds by video: give them one
    part of speech at a time. Raises ConfigError for a name that SCORERS lacks.
    """
    for name in names:
        if name not in SCORERS:
            raise unknown_name("text-only scorer", name, SCORERS)
    results = {name: TextOnlyScores(np.zeros(len(rows)), np.zeros(len(rows))) for name in names}
    texts = [name for name in names if name in TEXT_SCORERS]
    for block in blocks(rows, captions or captions_of_rows(rows)) if texts else ():
        for name in texts:
            scored = score_pairs(train(name, block.train), [rows[index] for index in block.rows])
            results[name].positive[block.rows] = scored.positive
            results[name].negative[block.rows] = scored.negative
    return results | {name: _classified(rows, name) for name in names if name in CLASSIFIERS}


def score_pairs(scorer: TextScorer, rows: Sequence[Negative]) -> TextOnlyScores:
    """One scorer's opinion of every row; a caption is read once."""
    places: dict[str, int] = {}
    which = np.fromiter(
        (places.setdefault(row.caption, len(places)) for row in rows), np.int64, len(rows)
    )
    return TextOnlyScores(
        scorer.score(list(places))[which], scorer.score([row.negative for row in rows])
    )


def _classified(rows: Sequence[Negative], name: str) -> TextOnlyScores:
    pairs = CLASSIFIERS[name]([row.caption for row in rows], [row.negative for row in rows])
    margins = held_out_margins(pairs, parts_of([row.video_id for row in rows], FOLDS))
    return TextOnlyScores(np.zeros(len(rows)), -margins)
