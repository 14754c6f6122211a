"""Ranks of a model and of its baselines to one row of results for every part of speech, with
intervals by video.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from finereel.errors import DataError
from finereel.evaluation.record import RunFacts
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.groups import ALL, Group, GroupCoverage, groups_hash
from finereel.finegrain.evaluate.metrics import (
    METRICS,
    Triples,
    chance,
    group_ranks,
    per_caption,
    point_metrics,
    triple_metrics,
)
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
    """Of the mean of every column, by video."""
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
