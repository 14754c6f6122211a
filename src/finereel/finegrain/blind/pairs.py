"""Metrics of a text-only scorer: AUC over pairs, and R@1 and MRR of a caption among its negatives."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float64, Int64

from finereel.errors import DataError
from finereel.finegrain.types import Negative


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
