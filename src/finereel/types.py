"""Types shared by all layers that need no tensors. Names of tensor axes, used everywhere:

    T texts   V videos (clips)   W words   F frames   P patches per video   N tokens per frame   D
    dimensions

Tensor nouns (TextFeatures, VideoFeatures, Scores) live in `finereel.models.features`, so that
decoding never imports torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, UInt8


@dataclass(frozen=True)
class Window:
    """A stretch of one video, in seconds of the file's own time; `end` is exclusive.

    >>> Window(2.0, 12.0).duration
    10.0
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start) and np.isfinite(self.end) and 0 <= self.start < self.end):
            raise ValueError(
                f"a window needs 0 <= start < end in seconds, got start={self.start}, "
                f"end={self.end}"
            )

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Frames:
    """Decoded RGB frames of one clip, upright, in display order.

    pixels: UInt8 (F, H, W, 3); seconds: Float64 (F,), the presentation time of each frame in the
    file's own time.
    """

    pixels: UInt8[np.ndarray, "F H W 3"]
    seconds: Float64[np.ndarray, " F"]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[-1] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"frames are UInt8 (F, H, W, 3), got {self.pixels.dtype} {self.pixels.shape}"
            )
        if len(self.pixels) == 0 or self.seconds.shape != (len(self.pixels),):
            raise ValueError(
                f"one time per frame and at least one frame: {self.pixels.shape=}, "
                f"{self.seconds.shape=}"
            )

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Hit:
    """One answer to a query: a clip of a video, its fused score and the score of every granularity.

    start, end, best_frame are seconds in the video. `parts` sum to `score` (weights and
    normalisation applied).
    copies: other files of the library with the same content, by path.
    """

    video: str
    start: float
    end: float
    score: float
    parts: dict[str, float]
    best_frame: float
    clip_id: str
    thumbnail: bytes = field(default=b"", repr=False)
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaptionHit:
    """One caption ranked for a video: its place in the given list, its fused score and the parts of
    it.
    """

    caption: str
    index: int
    score: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Problem:
    """A file that could not be indexed, as `finereel doctor` lists it."""

    path: str
    error: str


OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Default progress callback: does nothing."""
