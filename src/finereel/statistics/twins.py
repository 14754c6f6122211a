"""Accuracy on counterfactual twins: two videos and two captions that differ in one word.

The Winoground scheme (Thrush et al., CVPR 2022, arXiv 2204.03162) on video: a twin caption is
certainly false of the original video and certainly true of its twin, so both directions and the
whole group can be scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Shaped

from finereel.errors import DataError
from finereel.statistics.intervals import SHARE, Interval, mean_interval

ALL = "all"


@dataclass(frozen=True)
class TwinScores:
    """Scores of N twin pairs, each (N,): video v with caption c, twin video v' with twin caption
    c'.
    """

    own: np.ndarray
    """s(v, c)"""
    twin_caption: np.ndarray
    """s(v, c')"""
    twin_video: np.ndarray
    """s(v', c)"""
    twin_own: np.ndarray
    """s(v', c')"""

    def __post_init__(self) -> None:
        columns = (self.own, self.twin_caption, self.twin_video, self.twin_own)
        if len({column.shape for column in columns}) > 1 or len(self.own) == 0:
            raise DataError(
                "expected four score arrays of one length, got "
                f"{[column.shape for column in columns]}"
            )
        if not all(np.isfinite(column).all() for column in columns):
            raise DataError(
                "expected finite twin scores; find the clip or caption whose features are broken"
            )


@dataclass(frozen=True)
class Accuracy:
    """Percent right, its 95 % interval in percent, and the share (0 to 1) of pairs that a tie
    decides.
    """

    percent: float
    interval: Interval
    tie_share: float


@dataclass(frozen=True)
class TwinAccuracy:
    """Accuracies of one part of speech.

    text: the true caption beats the twin caption on v (chance 50). video: v beats its twin for c
    (chance 50).
    group: all four comparisons hold, text and video, from both sides: s(v,c) > s(v,c'), s(v',c') >
    s(v',c), s(v,c) > s(v',c), s(v',c') > s(v,c') (chance 1/6: the two true pairings are the best
    two of four).
    """

    pairs: int
    text: Accuracy
    video: Accuracy
    group: Accuracy


def twin_accuracy(
    scores: TwinScores, pos: Sequence[str], clusters: np.ndarray | None = None
) -> dict[str, TwinAccuracy]:
    """Accuracy per part of speech, in alphabetical order, and over all pairs under `all`.

    pos: (N,) part of speech of the changed word. A tied comparison counts one half (in the group,
    each of the four is decided by its own fair coin) and is reported. clusters: (N,) the scene
    behind every pair; pairs of one scene are not independent, so with clusters Wilson's interval
    counts scenes that answer alike as one.

    >>> one = TwinScores(np.array([2.0]), np.array([1.0]), np.array([2.0]), np.array([3.0]))
    >>> accuracy = twin_accuracy(one, ["verb"])["verb"]
    >>> accuracy.text.percent, accuracy.video.percent, accuracy.group.percent
    (100.0, 50.0, 50.0)
    """
    labels = np.asarray(pos, dtype=str)
    if labels.shape != scores.own.shape or (
        clusters is not None and clusters.shape != labels.shape
    ):
        sizes = (labels.shape, None if clusters is None else clusters.shape)
        raise DataError(
            f"expected one part of speech and cluster for each of {len(scores.own)} pairs, got "
            f"{sizes}"
        )
    if ALL in labels:
        raise DataError(f"{ALL!r} is the name of the total; give the part of speech of every pair")
    credits = _credits(scores)
    selections = {str(name): labels == name for name in np.unique(labels)} | {
        ALL: np.ones(len(labels), dtype=bool)
    }
    return {name: _accuracies(credits, chosen, clusters) for name, chosen in selections.items()}


def _credits(scores: TwinScores) -> dict[str, Float64[np.ndarray, "C N"]]:
    """Per accuracy, its comparisons: 1 right, 0.5 tied, 0 wrong."""
    text = _credit(scores.own, scores.twin_caption)
    video = _credit(scores.own, scores.twin_video)
    twin_text = _credit(scores.twin_own, scores.twin_video)
    twin_video = _credit(scores.twin_own, scores.twin_caption)
    return {
        "text": np.stack([text]),
        "video": np.stack([video]),
        "group": np.stack([text, twin_text, video, twin_video]),
    }


def _credit(
    right: Float[np.ndarray, " N"], wrong: Float[np.ndarray, " N"]
) -> Float64[np.ndarray, " N"]:
    return np.where(right == wrong, 0.5, np.where(right > wrong, 1.0, 0.0))


def _accuracies(
    credits: dict[str, Float64[np.ndarray, "C N"]],
    chosen: np.ndarray,
    clusters: Shaped[np.ndarray, " N"] | None,
) -> TwinAccuracy:
    within = None if clusters is None else clusters[chosen]
    text, video, group = (
        _accuracy(credits[name][:, chosen], within) for name in ("text", "video", "group")
    )
    return TwinAccuracy(int(chosen.sum()), text, video, group)


def _accuracy(
    comparisons: Float64[np.ndarray, "C N"], clusters: Shaped[np.ndarray, " N"] | None
) -> Accuracy:
    credit = comparisons.prod(axis=0)
    tie_share = float(((comparisons == 0.5).any(axis=0) & (credit > 0)).mean())
    share = mean_interval(credit, clusters, SHARE)
    percent = Interval(100 * share.low, 100 * share.high, share.level)
    return Accuracy(100.0 * float(credit.mean()), percent, tie_share)
