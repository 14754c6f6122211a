"""The rank of the true caption among its negatives: R@1, MRR, mean rank and pair accuracy. Uses
numpy only.

The measures of Chen et al. (ACCV 2024, arXiv 2410.12407; MRR is their PosRank) with ties defined:
every metric is its expectation if tied candidates were ordered by chance (the mean rank is then the
middle of the ranks shared), so that a model that ties everything is exactly at chance. The share of
tied captions stands beside every number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from finereel.errors import DataError
from finereel.statistics.metrics import Ranks

METRICS = ("R@1", "MRR", "MnR", "pair_accuracy")
"""Percent, 0 to 1, rank from 1, percent."""


def group_ranks(scores: Float[np.ndarray, " N"], sizes: Int64[np.ndarray, " G"]) -> Ranks:
    """Ranks of G true captions. scores: all candidates, group by group, the true one first; sizes:
    1 + n of each.

    Raises DataError for NaN and for groups without a negative.

    >>> group_ranks(np.array([0.9, 0.1, 0.5, 0.3, 0.3]), np.array([3, 2])).expected.tolist()
    [1.0, 1.5]
    """
    if len(sizes) == 0 or sizes.min() < 2 or sizes.sum() != len(scores):
        raise DataError(
            f"expected groups of 1 + n candidates that make up {len(scores)} scores, got sizes "
            f"{sizes[:5]}"
        )
    if np.isnan(scores).any():
        raise DataError(
            f"expected scores without NaN, got NaN at candidate {int(np.isnan(scores).argmax())}"
        )
    starts = np.cumsum(sizes) - sizes
    true = np.repeat(scores[starts], sizes)
    above = np.add.reduceat((scores > true).astype(np.int64), starts)
    tied = np.add.reduceat((scores == true).astype(np.int64), starts) - 1
    return Ranks(expected=above + 1 + tied / 2, optimistic=above + 1, pessimistic=above + 1 + tied)


def per_caption(
    found: Ranks, sizes: Int64[np.ndarray, " G"]
) -> dict[str, Float64[np.ndarray, " G"]]:
    """Every metric of every caption by itself; their means are the metrics of a set.

    >>> ranks = group_ranks(np.array([1.0, 1.0, 0.0]), np.array([3]))
    >>> {name: values.tolist() for name, values in per_caption(ranks, np.array([3])).items()}
    {'R@1': [50.0], 'MRR': [0.75], 'MnR': [1.5], 'pair_accuracy': [75.0]}
    """
    level = found.pessimistic - found.optimistic + 1
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, sizes.max() + 1))])
    return {
        "R@1": 100.0 * (found.optimistic == 1) / level,
        "MRR": (harmonic[found.pessimistic] - harmonic[found.optimistic - 1]) / level,
        "MnR": found.expected,
        "pair_accuracy": 100.0 * (sizes - found.expected) / (sizes - 1),
    }


def chance(sizes: Int64[np.ndarray, " G"]) -> dict[str, float]:
    """The metrics of guessing, for the group sizes there are: 1/k, H(k)/k, (k + 1)/2 and 50 %.

    >>> {name: round(value, 4) for name, value in chance(np.array([21])).items()}
    {'R@1': 4.7619, 'MRR': 0.1736, 'MnR': 11.0, 'pair_accuracy': 50.0}
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, sizes.max() + 1))])
    return {
        "R@1": float((100 / sizes).mean()),
        "MRR": float((harmonic[sizes] / sizes).mean()),
        "MnR": float((sizes + 1).mean() / 2),
        "pair_accuracy": 50.0,
    }


def point_metrics(found: Ranks, sizes: Int64[np.ndarray, " G"]) -> dict[str, float]:
    """The metrics of a set, the share of tied captions, and what R@1 and MRR would be if every tie
    fell well or ill.
    """
    rows = {name: float(values.mean()) for name, values in per_caption(found, sizes).items()}
    rows["tie_share"] = found.tie_share
    for name, ranks in (("optimistic", found.optimistic), ("pessimistic", found.pessimistic)):
        bound = per_caption(Ranks(ranks.astype(np.float64), ranks, ranks), sizes)
        rows |= {f"{metric}_{name}": float(bound[metric].mean()) for metric in ("R@1", "MRR")}
    return rows


@dataclass(frozen=True)
class Triples:
    """K scores of an original caption, of a negative of it, and of a hard positive (the same
    meaning in other words), and the number of the caption behind each triple.
    """

    original: Float[np.ndarray, " K"]
    negative: Float[np.ndarray, " K"]
    positive: Float[np.ndarray, " K"]
    caption: Int64[np.ndarray, " K"]

    def __post_init__(self) -> None:
        columns = (self.original, self.negative, self.positive, self.caption)
        if len({column.shape for column in columns}) > 1 or len(self.original) == 0:
            raise DataError(
                "expected three scores for each of K >= 1 triples, got "
                f"{[c.shape for c in columns]}"
            )
        if any(np.isnan(column).any() for column in columns[:3]):
            raise DataError("expected scores without NaN; find the broken features")


def triple_metrics(triples: Triples) -> Mapping[str, Float64[np.ndarray, " C"]]:
    """Percent per caption: `brittleness` and `both_right`, means over its triples, captions in
    ascending order.

    brittleness (Kamath et al., ECCV 2024, arXiv 2409.17958): a negative stands between two captions
    that mean the same, s(orig) > s(neg) > s(pos) or the reverse. both_right: the original and the
    hard positive beat the negative.

    >>> one = Triples(np.array([3.0]), np.array([2.0]), np.array([1.0]), np.array([0]))
    >>> {name: values.tolist() for name, values in triple_metrics(one).items()}
    {'brittleness': [100.0], 'both_right': [0.0]}
    """
    low = np.minimum(triples.original, triples.positive)
    high = np.maximum(triples.original, triples.positive)
    credit = {
        "brittleness": (low < triples.negative) & (triples.negative < high),
        "both_right": low > triples.negative,
    }
    _, caption = np.unique(triples.caption, return_inverse=True)
    counts = np.bincount(caption)
    return {
        name: 100.0 * np.bincount(caption, weights=right) / counts for name, right in credit.items()
    }
