"""Turn ranks of a model and its baselines into one result row per part of speech, with intervals
over videos.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from finereel.errors import DataError
from finereel.evaluation.record import RunFacts
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.groups import ALL, Group, GroupCoverage, groups_hash
from finereel.statistics.intervals import (
    DEFAULT_CONFIDENCE,
    PERCENT,
    SHARE,
    Confidence,
    Interval,
    Scale,
    difference_interval,
    mean_interval,
)
from finereel.statistics.metrics import Ranks

# The rank of the true caption among its negatives: R@1, MRR, mean rank and pair accuracy of 1 + n.
# Numpy only.
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
        "R@1": 100.0 * found.within(1),
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


@dataclass(frozen=True)
class FineScores:
    """Scores of G groups, candidates flat with the true caption first: N = sum of sizes.

    granularities: the model's, `fused` among them. baselines: scores of the same candidates by
    something that does not see the clip. same: candidates that read to the model as the true
    caption does.
    """

    groups: tuple[Group, ...]
    granularities: Mapping[str, np.ndarray]
    baselines: Mapping[str, np.ndarray]
    same: Bool[np.ndarray, " N"]
    triples: Triples | None = None

    def __post_init__(self) -> None:
        total = int(self.sizes.sum())
        columns = {**self.granularities, **self.baselines, "same": self.same}
        wrong = {name: column.shape for name, column in columns.items() if column.shape != (total,)}
        if (
            FUSED not in self.granularities
            or wrong
            or set(self.granularities) & set(self.baselines)
        ):
            raise DataError(
                f"expected {total} scores per granularity and baseline, {FUSED} among them, got "
                f"{wrong}"
            )

    @property
    def sizes(self) -> Int64[np.ndarray, " G"]:
        """1 + n of every group."""
        return np.array([1 + len(group.negatives) for group in self.groups], dtype=np.int64)


def result_rows(
    scores: FineScores, confidence: Confidence = DEFAULT_CONFIDENCE
) -> dict[str, dict[str, Any]]:
    """One row per part of speech, in alphabetical order, and one over `all` where there are
    several; JSON values.

    Rows hold captions, groups (a caption with its negatives of one part of speech, what is ranked;
    in `all` a caption may have several), videos, negatives, candidates (their mean number),
    truncated (the share of negatives that read to the model as the caption does), chance,
    granularities and baselines (metrics, tie_share, bounds, intervals), gain over each baseline
    (difference of the fused score, its paired interval) and brittleness (None without hard
    positives).
    """
    ranks = {
        name: group_ranks(column, scores.sizes) for name, column in scores.granularities.items()
    }
    blind = {name: group_ranks(column, scores.sizes) for name, column in scores.baselines.items()}
    return {
        name: _row(scores, ranks, blind, chosen, confidence)
        for name, chosen in selections(scores.groups).items()
    }


def selections(groups: Sequence[Group]) -> dict[str, Bool[np.ndarray, " G"]]:
    """The groups of every part of speech, and all of them."""
    labels = np.array([group.pos for group in groups], dtype=str)
    found = {str(name): labels == name for name in np.unique(labels)}
    return found if len(found) == 1 else found | {ALL: np.ones(len(labels), dtype=bool)}


def _row(
    scores: FineScores,
    ranks: Mapping[str, Ranks],
    blind: Mapping[str, Ranks],
    chosen: Bool[np.ndarray, " G"],
    confidence: Confidence,
) -> dict[str, Any]:
    videos = np.array([group.video_id for group in scores.groups])[chosen]
    sizes = scores.sizes[chosen]
    negatives = int(sizes.sum() - len(sizes))
    same = int(scores.same[np.repeat(chosen, scores.sizes)].sum()) - len(sizes)
    systems = {name: _chosen(found, chosen) for name, found in {**ranks, **blind}.items()}
    columns = {name: per_caption(found, sizes) for name, found in systems.items()}
    scales = {
        "R@1": PERCENT,
        "MRR": SHARE,
        "MnR": Scale(1.0, float(sizes.max())),
        "pair_accuracy": PERCENT,
    }
    rows = {
        name: {
            **point_metrics(found, sizes),
            "intervals": _intervals(columns[name], videos, scales, confidence),
        }
        for name, found in systems.items()
    }
    return {
        "captions": _captions(scores.groups, np.flatnonzero(chosen)),
        "groups": len(sizes),
        "videos": len(np.unique(videos)),
        "negatives": negatives,
        "candidates": float(sizes.mean()),
        "truncated": same / negatives,
        "chance": chance(sizes),
        "granularities": {name: rows[name] for name in ranks},
        "baselines": {name: rows[name] for name in blind},
        "gain": {
            name: _gain(columns[FUSED], columns[name], videos, scales, confidence) for name in blind
        },
        "brittleness": _brittleness(scores, chosen, confidence),
    }


def _captions(groups: Sequence[Group], numbers: Int64[np.ndarray, " N"]) -> int:
    """How many captions the groups of these numbers have, of which one may be in several."""
    return len({groups[number].caption_id for number in numbers})


def _chosen(found: Ranks, chosen: Bool[np.ndarray, " G"]) -> Ranks:
    return Ranks(found.expected[chosen], found.optimistic[chosen], found.pessimistic[chosen])


def _intervals(
    columns: Mapping[str, Float64[np.ndarray, " G"]],
    videos: np.ndarray,
    scales: Mapping[str, Scale],
    confidence: Confidence,
) -> dict[str, list[float]]:
    """Compute the interval of the mean of every column, with videos as clusters."""
    found = {
        name: mean_interval(column, videos, scales[name], confidence)
        for name, column in columns.items()
    }
    return {name: _pair(interval) for name, interval in found.items()}


def _pair(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _gain(
    own: Mapping[str, np.ndarray],
    other: Mapping[str, np.ndarray],
    videos: np.ndarray,
    scales: Mapping[str, Scale],
    confidence: Confidence,
) -> dict[str, Any]:
    """Mean paired differences of the metrics, with their intervals."""
    differences = {name: own[name] - other[name] for name in METRICS}
    intervals = {
        name: _pair(
            difference_interval(column, videos, scales[name].high - scales[name].low, confidence)
        )
        for name, column in differences.items()
    }
    return {
        **{name: float(column.mean()) for name, column in differences.items()},
        "intervals": intervals,
    }


def _brittleness(
    scores: FineScores, chosen: Bool[np.ndarray, " G"], confidence: Confidence
) -> dict[str, Any] | None:
    """Over the captions of the chosen groups that have hard positives."""
    triples = scores.triples
    kept = np.zeros(0, dtype=bool) if triples is None else chosen[triples.caption]
    if triples is None or not kept.any():
        return None
    part = Triples(
        triples.original[kept],
        triples.negative[kept],
        triples.positive[kept],
        triples.caption[kept],
    )
    columns = triple_metrics(part)
    here = np.unique(part.caption)
    videos = np.array([scores.groups[number].video_id for number in here])
    intervals = _intervals(columns, videos, dict.fromkeys(columns, PERCENT), confidence)
    means = {name: float(column.mean()) for name, column in columns.items()}
    captions = _captions(scores.groups, here)
    return {"captions": captions, "triples": len(part.caption), **means, "intervals": intervals}


# What a fine-grained result must carry; on disk a folder, see
# `finereel.finegrain.evaluate.record_files`.
@dataclass(frozen=True)
class NegativesFacts:
    """What was asked. hash: of all groups, scored_hash: of those whose clip could be read; captions
    counts those asked for, captions_scored those that were; groups: scored ones per part of speech;
    missing: why, by video id.
    """

    name: str
    hash: str
    scored_hash: str
    captions: int
    captions_scored: int
    groups: Mapping[str, int]
    coverage: str
    missing: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether every video could be scored."""
        return not self.missing

    @classmethod
    def of(cls, name: str, groups: Sequence[Group], coverage: GroupCoverage) -> "NegativesFacts":
        """The facts of the groups that were asked for and their readable part."""
        return cls(
            name=name,
            hash=groups_hash(groups),
            scored_hash=groups_hash(coverage.groups),
            captions=coverage.captions,
            captions_scored=len({group.caption_id for group in coverage.groups}),
            groups=dict(sorted(Counter(group.pos for group in coverage.groups).items())),
            coverage=str(coverage),
            missing=dict(coverage.missing),
        )


@dataclass(frozen=True)
class CoarseFacts:
    """Retrieval by the same model beside the fine result: results as `RetrievalResult.as_dict`."""

    split: str
    split_hash: str
    coverage: str
    captions: int
    results: Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class FineRecord(RunFacts):
    """A fine-grained result and everything about it.

    baselines: how each was made; results: part of speech -> row, see `results.result_rows`; twins:
    part of speech -> accuracies, see `twins.twin_rows`, None without twins; scores: None where they
    were not kept.
    """

    negatives: NegativesFacts
    baselines: Mapping[str, str]
    results: Mapping[str, Mapping[str, Any]]
    coarse: CoarseFacts | None
    twins: Mapping[str, Any] | None
    scores: FineScores | None = field(default=None, repr=False)

    def row(self, pos: str, granularity: str = FUSED) -> Mapping[str, Any]:
        """One line of a table: R@1, MRR, MnR, pair_accuracy, tie_share, bounds, intervals."""
        row: Mapping[str, Any] = self.results[pos]["granularities"][granularity]
        return row
