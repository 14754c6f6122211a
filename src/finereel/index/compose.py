"""Scores of composed queries: NOT, OR, AND, VERSUS, THEN and paragraphs, from the scores of single texts.

A contrastive model hardly reads a "not" in a sentence, and a difference of two scores forgets what
was asked for. So every text is scored by itself, its scores become standard scores z over the
library, and p = sigmoid(3 (z - 2)) says whether the text is true of a clip: the parts of a query
multiply as if they were independent.

Source: splitting a query into what is wanted and what is not, as in DEO (arXiv 2603.09185); paths
through later moments, as Cineast and other systems of the Video Browser Showdown search them.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Bool, Float64, Int64

from finereel.errors import DataError

STEEPNESS, MIDDLE = 3.0, 2.0
"""p = sigmoid(STEEPNESS (z - MIDDLE))."""
LEAST = 2.0
"""The smallest z of the better text with which a clip is shown for one of several texts."""
EITHER = 0.5
"""Where the two best texts are closer than this in z, a clip fits either."""
WITHIN = 30.0
"""Seconds within which the next text of a sequence follows."""


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of the scores of T texts over a library."""

    mean: Float64[np.ndarray, " T"]
    deviation: Float64[np.ndarray, " T"]

    @classmethod
    def of(cls, scores: Float64[np.ndarray, "T N"]) -> "Spread":
        """Of the scores of N clips or frames. Raises DataError where there is none."""
        if not scores.shape[1]:
            raise DataError("expected the scores of at least one clip, got none")
        return cls(scores.mean(1), scores.std(1))

    def standard(self, scores: Float64[np.ndarray, "T N"]) -> Float64[np.ndarray, "T N"]:
        """The standard scores z; all 0 for a text that scores the same everywhere.

        >>> Spread(np.array([1.0, 5.0]), np.array([2.0, 0.0])).standard(np.array([[5.0], [5.0]]))
        array([[2.],
               [0.]])
        """
        flat = self.deviation <= 1e-9 * np.maximum(np.abs(self.mean), 1.0)
        scale = np.where(flat, 1.0, self.deviation)[:, None]
        z: Float64[np.ndarray, "T N"] = (scores - self.mean[:, None]) / scale
        z[flat] = 0.0
        return z


def log_true(z: Float64[np.ndarray, "*N"]) -> Float64[np.ndarray, "*N"]:
    """log p(z): the text is true.

    >>> float(np.exp(log_true(np.array(2.0))))
    0.5
    """
    return np.asarray(-np.logaddexp(0.0, -STEEPNESS * (z - MIDDLE)))


def log_false(z: Float64[np.ndarray, "*N"]) -> Float64[np.ndarray, "*N"]:
    """log (1 - p(z)): the text is not true."""
    return np.asarray(-np.logaddexp(0.0, STEEPNESS * (z - MIDDLE)))


@dataclass(frozen=True)
class Composition:
    """How the T texts of a query belong together, by their numbers.

    Attributes:
        any_of: One of these is true (OR).
        all_of: Each of these is true as well (AND).
        none_of: None of these is true (NOT).
    """

    any_of: Sequence[int]
    all_of: Sequence[int] = ()
    none_of: Sequence[int] = ()

    def parts(self, z: Float64[np.ndarray, "T N"]) -> Float64[np.ndarray, "P N"]:
        """What the score of N clips adds up from: the best of `any_of`, then each of `all_of` and
        of `none_of`.

        Args:
            z: (T, N), standard scores.

        Returns:
            (1 + number of `all_of` + number of `none_of`, N), logarithms of probabilities.
        """
        return np.stack(
            [
                log_true(z[list(self.any_of)].max(0)),
                *(log_true(z[row]) for row in self.all_of),
                *(log_false(z[row]) for row in self.none_of),
            ]
        )


@dataclass(frozen=True)
class Contrasted:
    """Which of T texts each of N clips fits better.

    Attributes:
        best: (N,), number of the best text; of equal ones the first.
        second: (N,), number of the best of the others.
        margin: (N,), difference of their standard scores.
    """

    best: Int64[np.ndarray, " N"]
    second: Int64[np.ndarray, " N"]
    margin: Float64[np.ndarray, " N"]

    @property
    def either(self) -> Bool[np.ndarray, " N"]:
        """(N,), whether the two are too close to say which one it is."""
        return self.margin < EITHER


def contrasted(z: Float64[np.ndarray, "T N"]) -> Contrasted:
    """Compare T >= 2 texts on each of N clips.

    >>> found = contrasted(np.array([[3.0, 0.0], [1.0, 2.5]]))
    >>> found.best.tolist(), found.margin.tolist()
    ([0, 1], [2.0, 2.5])
    """
    order = np.argsort(-z, axis=0, kind="stable")
    best, second = order[0], order[1]
    columns = np.arange(z.shape[1])
    return Contrasted(best, second, z[best, columns] - z[second, columns])


@dataclass(frozen=True)
class Path:
    """The best moments for texts that follow one another.

    Attributes:
        score: Sum of the standard scores at the moments.
        frames: Number of the frame of each text, in the order of the texts.
    """

    score: float
    frames: tuple[int, ...]


def best_path(
    z: Float64[np.ndarray, "T N"], seconds: Float64[np.ndarray, " N"], within: float = WITHIN
) -> Path | None:
    """The frames of one video at which T texts come true one after the other.

    Each text comes later than the one before it, by at most `within` seconds. Of equal paths it is
    the one that ends first; its moments before that, from the last one back, are the earliest of
    the best. One pass over the frames for each text, by a maximum over a window that moves along.

    Args:
        z: (T, N), standard scores of the frames.
        seconds: (N,), times of the frames, none before the one before it.
        within: Most seconds between two texts that follow each other.

    Returns:
        The best path, or None where the video has no frames so close to one another.

    Raises:
        DataError: If the times decrease.

    Example:
        >>> z = np.array([[9.0, 0.0, 5.0, 0.0], [0.0, 2.0, 0.0, 3.0]])
        >>> best_path(z, np.array([0.0, 50.0, 100.0, 110.0]))
        Path(score=8.0, frames=(2, 3))
    """
    if (np.diff(seconds) < 0).any():
        raise DataError("expected times of frames that do not decrease")
    score = z[0].copy()
    origins = []
    for row in z[1:]:
        before, origin = _best_before(score, seconds, within)
        score = before + row
        origins.append(origin)
    if not len(score) or not np.isfinite(score.max()):
        return None
    frames = [int(score.argmax())]
    for origin in reversed(origins):
        frames.append(int(origin[frames[-1]]))
    return Path(float(score.max()), tuple(reversed(frames)))


def best_gathering(
    z: Float64[np.ndarray, "T N"], seconds: Float64[np.ndarray, " N"], within: float = WITHIN
) -> Path | None:
    """The frames of one video at which T texts come true in any order, close to one another.

    All frames lie in a stretch of (T - 1) · `within` seconds, as long as a path can be; two texts
    may share a frame. Of equal stretches it is the first, and in it the first of equal frames.

    Args:
        z: (T, N), standard scores of the frames.
        seconds: (N,), times of the frames, none before the one before it.
        within: Seconds for each text but the first.

    Returns:
        The best frames, or None where the video has none.

    Raises:
        DataError: If the times decrease.

    Example:
        >>> z = np.array([[0.0, 5.0, 0.0], [2.0, 0.0, 9.0]])
        >>> best_gathering(z, np.array([0.0, 10.0, 50.0]))
        Path(score=9.0, frames=(2, 2))
        >>> best_gathering(z, np.array([0.0, 10.0, 40.0]))
        Path(score=14.0, frames=(1, 2))
    """
    if (np.diff(seconds) < 0).any():
        raise DataError("expected times of frames that do not decrease")
    if not len(seconds):
        return None
    stops = np.searchsorted(seconds, seconds + within * (len(z) - 1), side="right")
    # Pairs of a first frame and the one after the last; a column more keeps every stop in range.
    edges = np.stack([np.arange(len(seconds)), stops], axis=1).ravel()
    padded = np.concatenate([z, np.full((len(z), 1), -np.inf)], axis=1)
    sums = np.maximum.reduceat(padded, edges, axis=1)[:, ::2].sum(0)
    first = int(sums.argmax())
    frames = first + z[:, first : stops[first]].argmax(1)
    return Path(float(sums[first]), tuple(frames.tolist()))


def _best_before(
    score: Float64[np.ndarray, " N"], seconds: Float64[np.ndarray, " N"], within: float
) -> tuple[Float64[np.ndarray, " N"], Int64[np.ndarray, " N"]]:
    """For every frame, the largest score of the frames before it by more than 0 and at most
    `within` seconds, -inf where there is none, and which frame that is; of equal ones the first.
    """
    best = np.full(len(score), -np.inf)
    origin = np.zeros(len(score), dtype=np.int64)
    # Frames that may still be the best: times ascend, scores never rise.
    waiting: deque[int] = deque()
    for _, group in groupby(range(len(score)), key=seconds.__getitem__):
        now = list(group)
        while waiting and seconds[waiting[0]] < seconds[now[0]] - within:
            waiting.popleft()
        if waiting:
            best[now], origin[now] = score[waiting[0]], waiting[0]
        for frame in now:
            while waiting and score[waiting[-1]] < score[frame]:
                waiting.pop()
            waiting.append(frame)
    return best, origin
