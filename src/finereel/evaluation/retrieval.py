"""Turn a score matrix into result rows: both directions, every granularity and the fused score,
with intervals.

The same matrix is read by rows (text to video) and by columns (video to text). With several
captions per video the published protocol of MSVD and VATEX applies: text to video per caption,
video to text by a video's best caption.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Shaped

from finereel.errors import ConfigError, DataError
from finereel.models.features import Scores
from finereel.ranking import fuse
from finereel.statistics.intervals import (
    DEFAULT_CONFIDENCE,
    PERCENT,
    RANK,
    Confidence,
    Interval,
    mean_interval,
    median_interval,
)
from finereel.statistics.metrics import (
    PooledCaptions,
    Ranks,
    RetrievalMetrics,
    pool_captions,
    ranks,
    summarise,
)

FUSED = "fused"

Relation = np.ndarray | None
"""Which video belongs to which text: (T,) video numbers, a Boolean (T, V) matrix, or None for the
diagonal.
"""


@dataclass(frozen=True)
class DirectionResult:
    """One row of a results table, with what is needed to redo its statistics.

    intervals: those of R@1, R@5, R@10, MdR and MnR. queries: the row (text) or column (video)
    behind every rank, which is also the resampling unit's name. protocol: what normalisation has
    seen.
    """

    metrics: RetrievalMetrics
    ranks: Ranks
    queries: Int64[np.ndarray, " Q"]
    intervals: Mapping[str, Interval]
    protocol: str = "none"

    def as_dict(self) -> dict[str, Any]:
        """The metrics, an interval [low, high] per metric and the protocol, as JSON values."""
        intervals = {
            name: [interval.low, interval.high] for name, interval in self.intervals.items()
        }
        return {**self.metrics.as_dict(), "intervals": intervals, "protocol": self.protocol}


@dataclass(frozen=True)
class RetrievalResult:
    """Both directions; the keys of each are the granularities and `fused`."""

    text_to_video: Mapping[str, DirectionResult]
    video_to_text: Mapping[str, DirectionResult]

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """direction -> granularity -> metrics, as JSON values."""
        both = {"text_to_video": self.text_to_video, "video_to_text": self.video_to_text}
        return {
            way: {name: row.as_dict() for name, row in rows.items()} for way, rows in both.items()
        }


@runtime_checkable
class Correction(Protocol):
    """What changes scores before they are ranked in one direction, such as
    `finereel.normalization.PerGranularity`.
    """

    @property
    def direction(self) -> str:
        """One of `finereel.normalization.DIRECTIONS`."""
        ...

    @property
    def protocol(self) -> str:
        """What it has seen or left out, told beside every number."""
        ...

    def apply(self, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The corrected (T, V) matrix of every granularity."""
        ...


@dataclass(frozen=True)
class EvaluationSettings:
    """How `evaluate_scores` evaluates.

    normalization: fitted normalisers per direction (a missing direction stays raw); each is applied
        per granularity before fusing. confidence: None leaves out the intervals. weights: how plain
        matrices are fused, None for equal weights (the published mean); `Scores` bring their own.
    sentences: (T,) numbers, equal for captions of the same words: a caption then is right for every
        video that has it too, where each caption belongs to one video; None counts its own alone.
    """

    normalization: Mapping[str, Correction] = field(default_factory=dict)
    confidence: Confidence | None = DEFAULT_CONFIDENCE
    weights: Mapping[str, float] | None = None
    sentences: Int64[np.ndarray, " T"] | None = None

    def __post_init__(self) -> None:
        for direction, normalizer in self.normalization.items():
            if normalizer.direction != direction:
                raise ConfigError(
                    f"a {normalizer.direction} normalizer was given for {direction}; build one for "
                    "it"
                )


PLAIN = EvaluationSettings()


def evaluate_scores(
    scores: Scores | Mapping[str, np.ndarray],
    relation: Relation = None,
    settings: EvaluationSettings = PLAIN,
) -> RetrievalResult:
    """Metrics of every granularity and of the fused score, in both directions.

    scores: `Scores`, or one (T, V) array per granularity (fused by `settings.weights`).

    >>> result = evaluate_scores({"video_sentence": np.array([[0.9, 0.2], [0.8, 0.3]])})
    >>> result.text_to_video["fused"].metrics.r1, result.video_to_text["fused"].metrics.r1
    (50.0, 100.0)
    """
    text_to_video, video_to_text = (
        _evaluate_direction(scores, relation, direction, settings)
        for direction in ("text_to_video", "video_to_text")
    )
    return RetrievalResult(text_to_video, video_to_text)


def corrected_scores(
    scores: Scores | Mapping[str, np.ndarray], direction: str, settings: EvaluationSettings = PLAIN
) -> dict[str, np.ndarray]:
    """The (T, V) matrices that `evaluate_scores` ranks in one direction: normalised granularities,
    `fused` last.
    """
    parts, weights = _parts_and_weights(scores, settings.weights)
    normalizer = settings.normalization.get(direction)
    corrected = parts if normalizer is None else normalizer.apply(parts)
    return {**corrected, FUSED: fuse(corrected, weights)}


def _evaluate_direction(
    scores: Scores | Mapping[str, np.ndarray],
    relation: Relation,
    direction: str,
    settings: EvaluationSettings,
) -> dict[str, DirectionResult]:
    rank = rank_videos if direction == "text_to_video" else rank_texts
    normalizer = settings.normalization.get(direction)
    protocol = "none" if normalizer is None else normalizer.protocol
    rows = {}
    for name, matrix in corrected_scores(scores, direction, settings).items():
        ranked = rank(matrix, relation, settings.sentences)
        confidence = settings.confidence
        intervals = (
            {}
            if confidence is None
            else metric_intervals(ranked.ranks, ranked.clusters, confidence)
        )
        rows[name] = DirectionResult(
            summarise(ranked.ranks), ranked.ranks, ranked.queries, intervals, protocol
        )
    return rows


@dataclass(frozen=True)
class Ranked:
    """Ranks of Q queries, the row or column each query is, and which queries are resampled
    together.
    """

    ranks: Ranks
    queries: Int64[np.ndarray, " Q"]
    clusters: Int64[np.ndarray, " Q"]


def rank_videos(
    scores: np.ndarray, relation: Relation = None, sentences: np.ndarray | None = None
) -> Ranked:
    """Text to video on a (T, V) matrix: every caption is a query; captions of one video are one
    cluster.

    sentences: as in `EvaluationSettings`.
    """
    every = np.arange(len(scores), dtype=np.int64)
    owned = relation is None or relation.dtype != bool
    owners = every if relation is None else relation.astype(np.int64) if owned else every
    if owned and sentences is not None:
        right = np.zeros(scores.shape, dtype=bool)
        right[every, owners] = True
        also = also_right(owners, sentences)
        right[also[:, 0], also[:, 1]] = True
        return Ranked(ranks(scores, right), every, owners)
    return Ranked(ranks(scores, relation), every, owners)


def rank_texts(
    scores: np.ndarray, relation: Relation = None, sentences: np.ndarray | None = None
) -> Ranked:
    """Video to text on a (T, V) matrix: every video with a caption is a query.

    With video numbers as relation, the captions of a video are one gallery item with the best of
    their scores (see `pooled_texts`); with a Boolean relation every text is its own item and the
    best-ranked right one counts. sentences: as in `EvaluationSettings`.
    """
    if relation is not None and relation.dtype == bool:
        described = np.flatnonzero(relation.any(axis=0)).astype(np.int64)
        return Ranked(ranks(scores.T[described], relation.T[described]), described, described)
    owners = np.arange(len(scores)) if relation is None else relation
    pooled = pooled_texts(scores, owners, sentences)
    return Ranked(ranks(pooled.scores[:, pooled.videos].T), pooled.videos, pooled.videos)


def also_right(owners: np.ndarray, sentences: np.ndarray) -> Int64[np.ndarray, "N 2"]:
    """(caption, video) for every further video that has a caption of the same words.

    >>> also_right(np.array([0, 1, 2]), np.array([5, 7, 5])).tolist()
    [[0, 2], [2, 0]]
    """
    videos: dict[int, dict[int, None]] = {}
    for owner, sentence in zip(owners.tolist(), sentences.tolist(), strict=True):
        videos.setdefault(sentence, {})[owner] = None
    pairs = [
        (text, other)
        for text, (owner, sentence) in enumerate(
            zip(owners.tolist(), sentences.tolist(), strict=True)
        )
        for other in videos[sentence]
        if other != owner
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def pooled_texts(
    scores: np.ndarray, owners: np.ndarray, sentences: np.ndarray | None = None
) -> PooledCaptions:
    """`pool_captions`. With `sentences`, the group of another video stands against a video without
    the captions that both have, as these are no wrong answer; a group of no other caption has -inf.
    """
    pooled = pool_captions(scores, owners)
    if sentences is None:
        return pooled
    shared: dict[tuple[int, int], list[int]] = {}
    for text, video in also_right(owners, sentences).tolist():
        shared.setdefault((int(owners[text]), video), []).append(text)
    matrix = pooled.scores
    for (group, video), texts in shared.items():
        others = np.setdiff1d(np.flatnonzero(owners == group), texts)
        row = int(np.searchsorted(pooled.videos, group))
        matrix[row, video] = scores[others, video].max(initial=-np.inf)
    return pooled


def metric_intervals(
    found: Ranks,
    clusters: Shaped[np.ndarray, " Q"] | None = None,
    confidence: Confidence = DEFAULT_CONFIDENCE,
) -> dict[str, Interval]:
    """Intervals of R@1, R@5, R@10, MdR and MnR over queries, or over clusters of queries."""
    ranks = found.expected
    hits = {f"R@{k}": 100.0 * found.within(k) for k in (1, 5, 10)}
    return {
        **{
            name: mean_interval(values, clusters, PERCENT, confidence)
            for name, values in hits.items()
        },
        "MdR": median_interval(ranks, clusters, confidence),
        "MnR": mean_interval(ranks, clusters, RANK, confidence),
    }


def _parts_and_weights(
    scores: Scores | Mapping[str, np.ndarray], weights: Mapping[str, float] | None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    if isinstance(scores, Scores):
        parts = {name: part.detach().cpu().double().numpy() for name, part in scores.parts.items()}
        return parts, dict(scores.weights)
    if not scores or FUSED in scores:
        raise DataError(
            f"expected one matrix per granularity and none named {FUSED!r}, got {sorted(scores)}"
        )
    return dict(scores), dict(weights) if weights is not None else {
        name: 1.0 / len(scores) for name in scores
    }
