"""Pool the scores of several captions of one video."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from finereel.errors import DataError
from finereel.statistics.metrics import checked_scores


@dataclass(frozen=True)
class PooledCaptions:
    """Best caption per group: `scores` (G, V), and `videos` (G,), the column every group belongs
    to, ascending.
    """

    scores: np.ndarray
    videos: Int64[np.ndarray, " G"]


def pool_captions(scores: np.ndarray, video_of_text: np.ndarray) -> PooledCaptions:
    """The maximum over each video's captions of a (T, V) matrix: the MSVD protocol for
    video-to-text.

    Videos without a caption make no group. A group is easier to find than its captions one by one:
    published MSVD video-to-text R@1 of about 60 is this protocol, about 50 is the same model
    caption by caption.

    >>> pooled = pool_captions(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4]]), np.array([0, 0, 1]))
    >>> pooled.scores.tolist()
    [[0.8, 0.9], [0.3, 0.4]]
    """
    matrix = checked_scores(scores)
    owners = np.asarray(video_of_text)
    if owners.shape != (len(matrix),) or owners.dtype.kind not in "iu":
        raise DataError(
            f"expected one video number for each of {len(matrix)} texts, got {owners.dtype} "
            f"{owners.shape}"
        )
    if len(owners) and (owners.min() < 0 or owners.max() >= matrix.shape[1]):
        raise DataError(
            f"expected video numbers from 0 to {matrix.shape[1] - 1}, got {owners.min()} to "
            f"{owners.max()}"
        )
    videos, group = np.unique(owners, return_inverse=True)
    pooled = np.full((len(videos), matrix.shape[1]), -np.inf)
    np.maximum.at(pooled, group, matrix)
    return PooledCaptions(pooled, videos.astype(np.int64))
