"""The request for reading a video (ClipPlan, Limits) and its result (Clip, VideoInfo)."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from finereel.errors import ConfigError, unknown_name
from finereel.types import Frames, Window

# DURATION -> WINDOWS: how a video is cut into the clips that are searched.
TAIL = 0.25
"""A rest shorter than this share of the length joins the window before it: a clip of three frames
finds nothing.
"""


def windows(duration: float, length: float | None = 10.0) -> list[Window]:
    """Cut [0, duration) seconds into windows of `length` seconds; the last one is shorter, or
    longer by a short rest.

    A video no longer than `length` is one window, and so is any video when `length` is None.

    >>> [(w.start, w.end) for w in windows(24.0)]
    [(0.0, 10.0), (10.0, 20.0), (20.0, 24.0)]
    >>> [(w.start, w.end) for w in windows(21.5)]
    [(0.0, 10.0), (10.0, 21.5)]
    """
    if not 0 < duration < float("inf"):
        raise ValueError(f"duration must be positive seconds, got {duration}")
    if length is None or duration <= length:
        return [Window(0.0, float(duration))]
    if not length > 0:
        raise ValueError(f"length must be positive seconds, got {length}")
    count = int(duration // length)
    if duration - count * length >= TAIL * length:
        count += 1
    edges = [index * length for index in range(count)] + [float(duration)]
    return [Window(start, end) for start, end in itertools.pairwise(edges)]


MODES: dict[str, str] = {
    "auto": "keyframes where every wanted time has one within a frame spacing, otherwise as exact "
    "but without pictures that no other is made of and nobody asks for, and with wanted times "
    "moved to a keyframe within half a frame spacing where that spares decoding; "
    "keyframes too where "
    "decoding every frame takes too long",
    "exact": "keep the frame on screen at each wanted time; pictures that no other is made of and "
    "nobody asks for are left out where every picture is shown equally long, all others are decoded",
    "sequential": "the same as exact, its former name",
    "keyframes": "decode only the keyframes nearest to the wanted times: fast, coarse in time",
}


@dataclass(frozen=True)
class ClipPlan:
    """How a video is cut into clips and which frames of a clip are taken.

    length: seconds per clip, None for the whole video as one clip. num_frames: frames wanted per
    clip (fewer come back where a clip has fewer distinct ones). mode: see MODES. size: the shorter
    side of the pictures in pixels (smaller videos stay as they are). sampling: see
    `finereel.video.plan.SAMPLERS`. windows: only these, ascending; empty means all of the video.

    >>> ClipPlan(num_frames=0)
    Traceback (most recent call last):
    finereel.errors.ConfigError: num_frames must be at least 1, got 0
    """

    length: float | None = 10.0
    num_frames: int = 12
    mode: str = "auto"
    size: int = 256
    sampling: str = "centres"
    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        if self.length is not None and not 0 < self.length < float("inf"):
            raise ConfigError(
                f"length must be positive seconds, or None for the whole video, got {self.length}"
            )
        if self.num_frames < 1:
            raise ConfigError(f"num_frames must be at least 1, got {self.num_frames}")
        if not 16 <= self.size <= 4096:
            raise ConfigError(f"size must be 16 to 4096 pixels, got {self.size}")
        if self.mode not in MODES:
            raise unknown_name("decode mode", self.mode, MODES)
        if self.sampling not in SAMPLERS:
            raise unknown_name("sampling", self.sampling, SAMPLERS)
        starts = [window.start for window in self.windows]
        if starts != sorted(starts):
            raise ConfigError(f"windows must ascend by start, got starts {starts}")


@dataclass(frozen=True)
class Limits:
    """How far an untrusted file may go before it is given up with VideoLimitError.

    deadline_s: longest wait for the next clip of a file, or within a long clip for further seconds
    of it (the time the caller spends between clips does not count). After a third of it, mode
    `auto` goes on with keyframes.
    memory_mib: address space of the decoding process. max_pixels: of one coded picture.
    max_duration_s: claimed or measured length of a video. max_streams: in one file.
    files_per_worker: files after which the process is replaced.
    """

    deadline_s: float = 30.0
    memory_mib: int = 2048
    max_pixels: int = 2**26
    max_duration_s: float = 86_400.0
    max_streams: int = 256
    files_per_worker: int = 200

    def __post_init__(self) -> None:
        for name in (
            "deadline_s",
            "max_pixels",
            "max_duration_s",
            "max_streams",
            "files_per_worker",
        ):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        if self.memory_mib < 512:
            raise ConfigError(
                "memory_mib must be at least 512 (the decoder itself needs that), got "
                f"{self.memory_mib}"
            )


@dataclass(frozen=True)
class CutOrder:
    """What to cut out of a video into a new file. start, end: seconds. exact: encode it again, H.264
    and AAC, instead of copying it from the keyframe at or before the start on. form: FFmpeg's name
    of the new file's format. new_sound: encode the sound again although the pictures are copied.
    draft: encode fast and small, with at most DRAFT_SIDE pixels on the shorter side and DRAFT_RATE
    pictures a second.
    """

    start: float
    end: float
    exact: bool
    form: str
    new_sound: bool = False
    draft: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < float("inf"):
            raise ConfigError(
                f"a part needs 0 <= start < end in seconds, got {self.start} and {self.end}"
            )


DRAFT_SIDE, DRAFT_RATE = 360, 30
PIECE_BYTES = 2**20
"""Bytes of a new file that are handed over at a time, at most."""
SAMPLE_RATE = 16_000
"""Samples of sound per second, as transcribers take them."""
MOST_SAMPLES = 30 * SAMPLE_RATE
"""Samples of sound that are handed over at a time."""


@dataclass(frozen=True)
class Clip:
    """One window of a video and its frames. The last clip of a damaged file ends where its frames
    end.
    """

    window: Window
    frames: Frames


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video file. duration in seconds; width and height upright, in square pixels.

    rotation: degrees clockwise the stored pictures were turned to be upright (0, 90, 180, 270).
    frames: as the file claims, None where it does not say. mode: the decode mode that was used
    ("sequential" or "keyframes"). audio_codec: the codec of the first sound stream, None where there
    is no sound. taken_at: when it was recorded as the file says, in seconds since 1970 UTC; None
    where it does not say.
    """

    duration: float
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    container: str
    frames: int | None
    has_audio: bool
    mode: str = "sequential"
    audio_codec: str | None = None
    taken_at: float | None = None


# WINDOW -> TIMES: which frames of a window stand for it. Arithmetic only; nothing here touches a
# file.
Times = Float64[np.ndarray, " F"]
Sampler = Callable[[Window, int], Times]


def frame_times(window: Window, num_frames: int) -> Times:
    """The centres of `num_frames` equal parts of a window, in seconds.

    >>> frame_times(Window(10.0, 14.0), 4).tolist()
    [10.5, 11.5, 12.5, 13.5]
    """
    return window.start + (np.arange(num_frames) + 0.5) * (window.duration / num_frames)


def whole_seconds(window: Window) -> Times:
    """The published first step: one frame at each whole second from the start, the end not
    included.

    >>> whole_seconds(Window(2.0, 5.5)).tolist()
    [2.0, 3.0, 4.0, 5.0]
    """
    seconds: Times = window.start + np.arange(math.ceil(window.duration), dtype=np.float64)
    return seconds


def spread(count: int, num_frames: int) -> Int[np.ndarray, " n"]:
    """The published choice of frames out of `count` (slice_framepos 2): evenly spread, first and
    last included.

    All of them when there are no more than wanted. Fractions are cut off, as in the published
    loader.

    >>> spread(30, 12).tolist()
    [0, 2, 5, 7, 10, 13, 15, 18, 21, 23, 26, 29]
    """
    if count <= num_frames:
        return np.arange(count, dtype=np.int64)
    return np.linspace(0, count - 1, num_frames).astype(np.int64)


def _seconds_spread(window: Window, num_frames: int) -> Times:
    seconds = whole_seconds(window)
    chosen: Times = seconds[spread(len(seconds), num_frames)]
    return chosen


def _seconds_head(window: Window, num_frames: int) -> Times:
    return whole_seconds(window)[:num_frames]


def _seconds_tail(window: Window, num_frames: int) -> Times:
    return whole_seconds(window)[-num_frames:]


SAMPLERS: dict[str, Sampler] = {
    "centres": frame_times,
    "seconds": _seconds_spread,
    "seconds-head": _seconds_head,
    "seconds-tail": _seconds_tail,
}
"""`centres` is ours; the others are the protocol of CLIP4Clip and its successors (slice_framepos 2,
0 and 1).
"""
