"""Types shared by all layers that need no tensors, and the names of tensor axes.

These names are used everywhere:

    T texts   V videos (clips)   W words   F frames   P patches per video
    N tokens per frame   D dimensions

Types with tensors (TextFeatures, VideoFeatures, Scores) are in `finereel.models.features`, so that
decoding never imports torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, UInt8


@dataclass(frozen=True)
class Window:
    """An interval of one video, in seconds.

    Attributes:
        start: Start in seconds of the file's own time.
        end: End in seconds, exclusive.

    Raises:
        ValueError: Unless 0 <= start < end.

    Example:
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
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class Frames:
    """Decoded RGB frames of one clip, upright, in display order.

    Attributes:
        pixels: (F, H, W, 3), 0 to 255.
        seconds: (F,), the presentation time of each frame in seconds of the file's own time.

    Raises:
        ValueError: If shapes or types differ from these, or F is 0.
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

    def thinned(self, most: int) -> "Frames":
        """Keep frames at even distances.

        Args:
            most: The largest number of frames to keep, at least 1.

        Returns:
            All frames where there are no more.
        """
        kept = np.linspace(0, len(self) - 1, min(len(self), most)).round().astype(int)
        return Frames(self.pixels[kept], self.seconds[kept])


@dataclass(frozen=True)
class Hit:
    """A clip that matches a query, or the moment at which it does.

    Attributes:
        video: Path of the video file.
        start: Start in seconds: of the clip, or of the moment where `window` is given.
        end: End in seconds.
        score: Fused score, the sum of `parts`. Scores order clips; they are not probabilities.
        parts: Score of each granularity, with weights and normalization applied.
        best_frame: Time of the best frame in seconds.
        clip_id: Identifier of the clip in the library.
        thumbnail: A small picture of a frame of the clip, as WebP (JPEG in libraries of former
            versions).
        copies: Paths of other files of the library with the same content.
        window: Start and end of the clip (of a sequence: of its clips) where `start` and `end` are
            those of a moment; else None.
        moments: Start and end of up to three moments of the video, the strongest first, where
            moments were asked for.
        fits: Of texts that were compared, the one that the clip fits, or `either`; else empty.
        source: `seen` where the picture found the clip, `said` where only its words did, `both`
            where both did.
        said: Lines of what is said in the clip, with the words of the query; empty where these did
            not find it.
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
    window: tuple[float, float] | None = None
    moments: tuple[tuple[float, float], ...] = ()
    fits: str = ""
    source: str = "seen"
    said: str = ""


STRONG, POSSIBLE = 0.05, 0.20
"""The largest p-values of an answer that fits clearly, and of one that may."""


@dataclass(frozen=True)
class MatchConfidence:
    """How clearly the best hit of a search fits, compared with unrelated texts.

    It is no probability that the hit is right: it tells how often texts about something else find
    as good a clip in the same library.

    Attributes:
        p: Share of the unrelated texts whose best clip scores at least as high as the best hit,
            counted with the query itself: (1 + number of these) / (1 + number of texts).
        texts: Number of unrelated texts.
        right: Probability that the best hit is right; None where that is not known.
        by: What tells `right`: `feedback`, what people said about hits of this library, or the
            videos on which `finereel evaluate --calibrate` counted.

    Raises:
        ValueError: Unless 0 < p <= 1 and there is a text.

    Example:
        >>> sure = MatchConfidence(p=3 / 401, texts=400)
        >>> sure.level, sure.stronger_than
        ('strong', 99)
    """

    p: float
    texts: int
    right: float | None = None
    by: str = ""

    def __post_init__(self) -> None:
        if not (0 < self.p <= 1 and self.texts >= 1):
            raise ValueError(
                f"a confidence needs 0 < p <= 1 and a text, got p={self.p}, texts={self.texts}"
            )

    @property
    def level(self) -> str:
        """`strong` up to p = 0.05, `possible` up to 0.20, else `none`: nothing clearly fits."""
        if self.p <= STRONG:
            return "strong"
        return "possible" if self.p <= POSSIBLE else "none"

    @property
    def stronger_than(self) -> int:
        """Whole percent of the unrelated texts whose best clip scores lower, rounded down."""
        lower = self.texts + 1 - round(self.p * (self.texts + 1))
        return 100 * lower // self.texts


@dataclass(frozen=True)
class CaptionHit:
    """A caption ranked for a video.

    Attributes:
        caption: The text.
        index: Its position in the given list, from 0.
        score: Fused score, the sum of `parts`.
        parts: Score of each granularity.
    """

    caption: str
    index: int
    score: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Problem:
    """A problem that `finereel doctor` lists.

    Attributes:
        path: The file concerned.
        error: What is wrong and what to do.
    """

    path: str
    error: str


OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def no_progress(what: str, done: int, total: int) -> None:
    """Default progress callback: does nothing.

    Args:
        what: What is being done.
        done: How much of it is done.
        total: How much there is.
    """
