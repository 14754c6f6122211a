"""PICTURES -> CLIPS: for each window the pictures at the wanted times. Knows nothing of the decoder."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

from finereel.types import Frames, Window
from finereel.video.plan import Clip, ClipPlan
from finereel.video.sample import SAMPLERS, Times
from finereel.video.windows import windows

SPARSE = 10.0
"""Seconds between wanted frames from which keyframes serve: encoders rarely leave more between two of them."""

SEEK = 5.0
"""Seconds ahead from which jumping to a window beats decoding up to it."""

Rgb = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class Picture:
    """A picture on screen from `seconds` to `end`. `rgb(size)` converts it; None where it turns out to be damaged."""

    seconds: float
    end: float
    rgb: Callable[[int], Rgb | None]


@runtime_checkable
class PictureSource(Protocol):
    """What is read from: `finereel.video.decode.Source`, or a list in a test."""

    duration: float

    def keyframe_times(self) -> Float64[np.ndarray, " n"]: ...
    def pictures(self, start: float = 0.0) -> Iterator[Picture]: ...
    def keyframes(self, start: float = 0.0) -> Iterator[Picture]: ...


class ClipReader:
    """Cuts one source into clips by a plan. After the last clip, `covered` says up to which second pictures went."""

    def __init__(self, source: PictureSource, plan: ClipPlan) -> None:
        self._source = source
        self._plan = plan
        self._windows = plan.windows or tuple(windows(source.duration, plan.length))
        self.mode = _mode(source, plan, self._windows)
        self._reel = self._rewind(0.0)
        self.covered = 0.0

    def __iter__(self) -> Iterator[Clip]:
        for window in self._windows:
            if window.start >= self._source.duration:
                return
            if self._plan.windows and window.start - self._reel.position > SEEK:
                self._reel.close()
                self._reel = self._rewind(window.start)
            clip = self._clip(window)
            if clip is not None:
                yield clip
            if self._reel.ended and self._reel.position <= window.end:
                return

    @property
    def expected(self) -> float:
        """Up to which second pictures were expected."""
        return min(self._windows[-1].end, self._source.duration)

    def _rewind(self, start: float) -> "_Reel":
        if self.mode == "keyframes":
            return _Reel(self._source.keyframes(start), _nearest)
        return _Reel(self._source.pictures(start), _on_screen)

    def _clip(self, window: Window) -> Clip | None:
        times = SAMPLERS[self._plan.sampling](window, self._plan.num_frames)
        frames = self._frames(times)
        self.covered = self._reel.position if self._reel.ended else window.end
        if frames is None:
            return None
        end = window.end
        if self._reel.ended and window.start < self._reel.position < times[-1]:
            end = self._reel.position
        return Clip(Window(window.start, end), frames)

    def _frames(self, times: Times) -> Frames | None:
        """The distinct pictures at the wanted times, in order; None when there is none."""
        pixels: list[Rgb] = []
        seconds: list[float] = []
        last: Picture | None = None
        for time in times:
            picture = self._reel.at(float(time))
            if picture is None or picture is last:
                continue
            last = picture
            rgb = picture.rgb(self._plan.size)
            if rgb is not None and (not pixels or rgb.shape == pixels[0].shape):  # a size change mid-clip is cut off
                pixels.append(rgb)
                seconds.append(picture.seconds)
        return Frames(np.stack(pixels), np.array(seconds)) if pixels else None


def _mode(source: PictureSource, plan: ClipPlan, cut: tuple[Window, ...]) -> str:
    """Resolve "auto": keyframes when every wanted time has one within half the spacing, so that nothing is lost."""
    if plan.mode != "auto":
        return plan.mode
    spacing = min(window.duration for window in cut) / plan.num_frames
    if spacing >= SPARSE:
        return "keyframes"
    keys = source.keyframe_times()
    if len(keys) < plan.num_frames:
        return "sequential"
    times = np.concatenate([SAMPLERS[plan.sampling](window, plan.num_frames) for window in cut])
    after = np.searchsorted(keys, times).clip(1, len(keys) - 1)
    distance = np.minimum(np.abs(times - keys[after - 1]), np.abs(keys[after] - times))
    return "keyframes" if distance.max() <= spacing / 2 else "sequential"


Rule = Callable[[float, Picture, Picture], bool]


def _on_screen(time: float, _current: Picture, following: Picture) -> bool:
    return following.seconds <= time


def _nearest(time: float, current: Picture, following: Picture) -> bool:
    return abs(following.seconds - time) <= abs(time - current.seconds)


class _Reel:
    """Runs forward through pictures, one ahead of the one it shows."""

    def __init__(self, pictures: Iterator[Picture], moves_on: Rule) -> None:
        self._pictures = pictures
        self._moves_on = moves_on
        self._current: Picture | None = None
        self._following: Picture | None = None
        self._started = False
        self.ended = False
        self.position = 0.0

    def close(self) -> None:
        close = getattr(self._pictures, "close", None)
        if close is not None:
            close()

    def at(self, time: float) -> Picture | None:
        """The picture that stands for `time`; None past the end of the last one."""
        if not self._started:
            self._started = True
            self._current, self._following = self._next(), self._next()
        while self._current and self._following and self._moves_on(time, self._current, self._following):
            self._current, self._following = self._following, self._next()
        if self._current is None or (self._following is None and time >= self._current.end):
            return None
        return self._current

    def _next(self) -> Picture | None:
        picture = next(self._pictures, None)
        if picture is None:
            self.ended = True
            return None
        self.position = picture.end if math.isfinite(picture.end) else picture.seconds
        return picture
