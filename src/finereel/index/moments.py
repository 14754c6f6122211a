"""Find the moments of a video at which what a text describes is seen.

A clip of a library is a window of fixed length, so an event begins and ends anywhere within one or
across several. A moment is the stretch of time over which the frames' scores, less a threshold
between their mean and their best, sum up to most; then the best of what is left, and so on.

Source: the maximal segment of Kadane (Bentley, "Programming Pearls", CACM 1984), on the scores that
training-free moment retrieval uses (Zheng et al., TFVTG, ECCV 2024).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from finereel.errors import ConfigError, DataError

MOST = 3
"""Moments of a video at most."""


@dataclass(frozen=True)
class Moment:
    """A stretch of a video.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        strength: Sum of the frames' scores above the threshold, times seconds.
    """

    start: float
    end: float
    strength: float


@dataclass(frozen=True)
class MomentSettings:
    """How moments are cut.

    Attributes:
        factor: The threshold lies at mean + factor · (maximum - mean) of the video's frame scores.
        most: Maximum number of moments of a video.
    """

    factor: float = 0.4
    most: int = MOST

    def __post_init__(self) -> None:
        if not 0 <= self.factor < 1 or self.most < 1:
            raise ConfigError(
                f"expected 0 <= factor < 1 and most >= 1, got {self.factor} and {self.most}"
            )


def find_moments(
    scores: Float64[np.ndarray, " N"],
    seconds: Float64[np.ndarray, " N"],
    span: tuple[float, float],
    settings: MomentSettings | None = None,
) -> tuple[Moment, ...]:
    """The moments of one video, the strongest first.

    Every frame stands for the time around it, to the middle between it and the next one, so a
    stretch with many frames counts no more than one with few. Where all frames score the same, the
    whole span is the moment.

    Args:
        scores: (N,), score of every frame with the text, any scale.
        seconds: (N,), times of the frames, increasing.
        span: Start and end of what the frames show, in seconds.
        settings: How moments are cut.

    Returns:
        Between one and `settings.most` moments, which do not overlap.

    Raises:
        DataError: If there is no frame, a score or time is not finite, or the times do not increase
            within the span.

    Example:
        >>> scores, seconds = np.array([0.1, 0.9, 0.8, 0.1]), np.array([0.0, 1.0, 2.0, 3.0])
        >>> [(moment.start, moment.end) for moment in find_moments(scores, seconds, (0.0, 4.0))]
        [(0.5, 2.5)]
    """
    settings = settings or MomentSettings()
    _require_frames(scores, seconds, span)
    edges = np.concatenate([span[:1], (seconds[1:] + seconds[:-1]) / 2, span[1:]])
    lengths = np.diff(edges)
    mean = float(np.average(scores, weights=lengths)) if lengths.sum() else float(scores.mean())
    best = float(scores.max())
    if best - mean <= abs(best) * 1e-12:
        return (Moment(float(span[0]), float(span[1]), 0.0),)
    gains = (scores - (mean + settings.factor * (best - mean))) * lengths
    found: list[Moment] = []
    while len(found) < settings.most:
        first, last, strength = _best_segment(gains)
        if strength <= 0:
            break
        found.append(Moment(float(edges[first]), float(edges[last + 1]), strength))
        gains[first : last + 1] = -np.inf
    return tuple(found)


def _best_segment(gains: Float64[np.ndarray, " N"]) -> tuple[int, int, float]:
    """First and last index and sum of the contiguous segment with the largest sum; of equal ones
    the first, and of those the shortest.

    >>> _best_segment(np.array([1.0, -2.0, 3.0, -1.0, 2.0, -9.0]))
    (2, 4, 4.0)
    """
    best, answer = -np.inf, (0, 0)
    running, begin = -np.inf, 0
    for place, gain in enumerate(gains.tolist()):
        if running > 0:
            running += gain
        else:
            running, begin = gain, place
        if running > best:
            best, answer = running, (begin, place)
    return *answer, float(best)


def _require_frames(
    scores: Float64[np.ndarray, " N"], seconds: Float64[np.ndarray, " N"], span: tuple[float, float]
) -> None:
    if not len(scores):
        raise DataError("expected the scores of at least one frame, got none")
    if not (np.isfinite(scores).all() and np.isfinite(seconds).all()):
        raise DataError("expected finite scores and times of the frames")
    if (np.diff(seconds) <= 0).any() or seconds[0] < span[0] or seconds[-1] > span[1]:
        raise DataError(
            f"expected times that increase within {span[0]:g} to {span[1]:g} s, got "
            f"{seconds[0]:g} to {seconds[-1]:g} s"
        )
