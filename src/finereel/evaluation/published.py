"""The metrics as the published CLIP4Clip-family code computes them, for comparison with published
numbers only.

Use `finereel.statistics.metrics` for results: here a query whose right answer is tied is counted
once *per tied candidate*, so 50 queries can become 214 and R@1 falls (spec of `metrics.py` in
ArrowLuo/CLIP4Clip and its successors).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from finereel.errors import DataError
from finereel.statistics.metrics import (
    checked_scores,
    pool_captions,
    ranks,
    ranks_of_order,
    recall_at,
)


@dataclass(frozen=True)
class PublishedMetrics:
    """R@1, R@5, R@10 in percent, median and mean rank from 1, and the number of entries they were
    taken over.
    """

    r1: float
    r5: float
    r10: float
    median_rank: float
    mean_rank: float
    entries: int


def published_ranks(scores: np.ndarray) -> Int64[np.ndarray, " entries"]:
    """0-based ranks of the diagonal of a square matrix, one entry per candidate tied with the right
    answer.
    """
    matrix = checked_scores(scores)
    if matrix.shape[0] != matrix.shape[1]:
        raise DataError(
            f"the published metrics take the diagonal of a square matrix, got {matrix.shape}"
        )
    descending = -np.sort(-matrix, axis=1)
    return np.nonzero(descending == np.diag(matrix)[:, None])[1].astype(np.int64)


def published_metrics(scores: np.ndarray) -> PublishedMetrics:
    """The published numbers of a square (Q, Q) matrix whose diagonal is right, tie inflation
    included.

    >>> published = published_metrics(np.array([[1.0, 1.0], [0.0, 1.0]]))
    >>> published.entries, round(published.r1, 1)                     # two queries, three entries
    (3, 66.7)
    """
    positions = published_ranks(scores)
    return _summarise(positions, middle=float(np.median(positions)) if len(positions) else 0.0)


def published_multi_caption_metrics(
    scores: np.ndarray, video_of_text: np.ndarray
) -> tuple[PublishedMetrics, PublishedMetrics]:
    """(text_to_video, video_to_text) of the published multi-caption protocol on a (T, V) matrix.

    Text to video: every caption for itself, the *lower* of two middle ranks as median. Video to
    text: the best caption of every video, then as `published_metrics`. video_of_text: (T,) the
    column that is right for every row.
    """
    order_above = ranks(scores, video_of_text).optimistic - 1
    lower_median = float(np.sort(order_above)[(len(order_above) - 1) // 2])
    pooled = pool_captions(scores, video_of_text)
    return _summarise(order_above, middle=lower_median), published_metrics(pooled.scores.T)


def _summarise(positions: Int64[np.ndarray, " entries"], middle: float) -> PublishedMetrics:
    if len(positions) == 0:
        raise DataError("expected at least one query, got none")
    found = ranks_of_order(positions + 1)
    return PublishedMetrics(
        r1=recall_at(found, 1),
        r5=recall_at(found, 5),
        r10=recall_at(found, 10),
        median_rank=middle + 1,
        mean_rank=float(positions.mean()) + 1,
        entries=len(positions),
    )
