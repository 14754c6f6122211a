"""Collect the decoded pictures at the wanted times of each window into clips."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

from finereel.types import Frames, Window
from finereel.video.plan import SAMPLERS, TAIL, Clip, ClipPlan, Times, windows

SPARSE = 10.0
"""Seconds between wanted frames from which keyframes serve: encoders rarely leave more between two
of them.
"""

SEEK = 5.0
"""Seconds ahead from which jumping to a window beats decoding up to it."""

STRIDE, EXACT_STRIDE = 10.0, 1.0
"""Seconds of video after which a long clip counts as getting on; fewer where every frame is asked
for.
"""

Rgb = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class Picture:
    """A picture on screen from `seconds` to `end`. `rgb(size)` converts it; None where it turns out
    to be damaged.
    """

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


@runtime_checkable
class SkippingSource(Protocol):
    """A source that need not decode pictures which no other is made of and nobody asks for, nor
    what lies before the next keyframe.
    """

    @property
    def lead(self) -> float:
        """Seconds by which the index may place a keyframe before it is shown."""
        ...

    def skip_to(self, seconds: float, jump: bool = True) -> None:
        """Pictures that leave the screen before `seconds` are not asked for. Without `jump` every
        picture comes out as if all were decoded.
        """
        ...


@dataclass(frozen=True)
class Pace:
    """How long reading may take.

    patience: seconds for a clip, or for STRIDE seconds of a longer one, after which `auto` goes on
    with keyframes.
    on_progress: called after every such stretch within a clip, and when keyframes are begun with.
    """

    patience: float = math.inf
    on_progress: Callable[[], None] = lambda: None


class ClipReader:
    """Cuts one source into clips by a plan. After the last clip, `covered` says up to which second
    pictures went.

    mode: "keyframes" or "sequential", that of the first clips. note: empty, or that reading went on
    with keyframes.
    """

    def __init__(self, source: PictureSource, plan: ClipPlan, pace: Pace | None = None) -> None:
        self._source = source
        self._plan = plan
        self._pace = pace or Pace()
        self._stride = STRIDE if plan.mode in ("auto", "keyframes") else EXACT_STRIDE
        self._windows = plan.windows or tuple(windows(source.duration, plan.length))
        self._modes = _modes(source, plan, self._windows)
        self._keys, self._lead = np.empty(0), 0.0
        if plan.mode == "auto" and isinstance(source, SkippingSource):
            self._keys, self._lead = source.keyframe_times(), source.lead
        self.mode = self._modes[0]
        self.note = ""
        self.covered = 0.0
        self._reel = self._rewind(0.0, self.mode)
        self._since, self._mark = perf_counter(), self._stride

    def __iter__(self) -> Iterator[Clip]:
        for window, mode in zip(self._windows, self._modes, strict=True):
            if window.start >= self._source.duration:
                return
            mode = "keyframes" if self.note else mode
            jump = self._plan.windows and window.start - self._reel.position > SEEK
            if jump or mode != self._reel.mode:
                self._turn_to(window, mode)
            clip = self._clip(window)
            if clip is not None:
                yield clip
            if self._reel.ended and self._reel.position <= window.end:
                return
        yield from self._beyond()

    def _beyond(self) -> Iterator[Clip]:
        """Clips of pictures that go on after the end that the file's header claims."""
        start = self._windows[-1].end
        while (
            self._plan.length is not None
            and not self._plan.windows
            and self._reel.goes_on_after(start)
        ):
            window = Window(start, start + self._plan.length)
            covered = self.covered
            clip = self._clip(window)
            if clip is None or len(clip.frames) < TAIL * self._plan.num_frames:
                self.covered = covered
                return
            yield clip
            start = window.end

    @property
    def expected(self) -> float:
        """Up to which second pictures were expected."""
        return min(self._windows[-1].end, self._source.duration)

    def _turn_to(self, window: Window, mode: str) -> None:
        self._reel.close()
        self._reel = self._rewind(window.start, mode)

    def _rewind(self, start: float, mode: str) -> "_Reel":
        pictures = (
            self._source.keyframes(start) if mode == "keyframes" else self._source.pictures(start)
        )
        auto = self._plan.mode == "auto" and mode != "keyframes"
        skip_to = None
        if mode != "keyframes" and isinstance(self._source, SkippingSource):
            skip_to = partial(self._source.skip_to, jump=auto)
        return _Reel(self._watched(pictures, auto), mode, skip_to)

    def _watched(self, pictures: Iterator[Picture], impatient: bool) -> Iterator[Picture]:
        """The pictures; raises _TooSlowError where they come too slowly and keyframes may be taken
        instead.
        """
        for picture in pictures:
            now = perf_counter()
            if picture.seconds >= self._mark:
                self._mark, self._since = picture.seconds + self._stride, now
                self._pace.on_progress()
            elif impatient and now - self._since > self._pace.patience:
                raise _TooSlowError
            yield picture

    def _clip(self, window: Window) -> Clip | None:
        self._mark, self._since = window.start + self._stride, perf_counter()
        times = SAMPLERS[self._plan.sampling](window, self._plan.num_frames)
        if self._reel.mode != "keyframes":
            spacing = window.duration / self._plan.num_frames
            times = near_keyframes(times, self._keys, spacing, self._lead)
        try:
            frames = self._frames(times)
        except _TooSlowError:
            self.note = (
                f"read by keyframes only from {window.start:.0f} s on, because decoding every "
                "frame took longer than "
                f"{self._pace.patience:g} s a clip"
            )
            self._pace.on_progress()
            self._turn_to(window, "keyframes")
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
            if rgb is not None and (
                not pixels or rgb.shape == pixels[0].shape
            ):  # a size change mid-clip is cut off
                pixels.append(rgb)
                seconds.append(picture.seconds)
        return Frames(np.stack(pixels), np.array(seconds)) if pixels else None


class _TooSlowError(Exception):
    """Every frame was to be decoded, and that takes too long."""


def _modes(source: PictureSource, plan: ClipPlan, cut: tuple[Window, ...]) -> list[str]:
    """How to read each window. "auto" takes keyframes where every wanted time has one within a
    frame spacing.

    The last window is decided by itself, because it may be short and its frames close together.
    """
    if plan.mode != "auto":
        return ["keyframes" if plan.mode == "keyframes" else "sequential"] * len(cut)
    keys = source.keyframe_times()
    body = cut[:-1] or cut
    if not all(_keyframes_serve(window, plan, keys) for window in body):
        return ["sequential"] * len(cut)
    last = "keyframes" if _keyframes_serve(cut[-1], plan, keys) else "sequential"
    return ["keyframes"] * (len(cut) - 1) + [last]


def _keyframes_serve(window: Window, plan: ClipPlan, keys: Times) -> bool:
    spacing = window.duration / plan.num_frames
    if spacing >= SPARSE:
        return True
    if len(keys) == 0:
        return False
    times = SAMPLERS[plan.sampling](window, plan.num_frames)
    after = np.searchsorted(keys, times)
    before = keys[np.maximum(after - 1, 0)]
    following = keys[np.minimum(after, len(keys) - 1)]
    return bool(np.minimum(np.abs(times - before), np.abs(following - times)).max() <= spacing)


def near_keyframes(
    times: Times, keys: Float64[np.ndarray, " n"], spacing: float, lead: float
) -> Times:
    """Move wanted times within their own equal parts of a clip, where that spares decoding.

    A part in which a keyframe begins is stood for by that keyframe where it comes later than the
    wanted time, or the next part has one too. Of the last part before such a keyframe the first
    instant is taken, since nothing after it is needed.

    Args:
        times: Wanted times in seconds, ascending.
        keys: Times of the keyframes, ascending.
        spacing: Seconds between wanted times.
        lead: Seconds by which `keys` may lie before the pictures are shown.

    Returns:
        The times, ascending.

    >>> near_keyframes(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0.0, 5.5]), 2.0, 0.25).tolist()
    [1.0, 2.0, 5.75, 7.0]
    """
    if not len(keys) or spacing <= 2 * lead:
        return times
    low = np.append(times, times[-1] + spacing) - spacing / 2  # and of the part after the last
    shown = keys + lead
    place = np.searchsorted(shown, low)
    first = shown[np.minimum(place, len(keys) - 1)]
    begins = (place < len(keys)) & (first < low + spacing)
    here, ends = begins[:-1], begins[1:]
    moved = np.where(here & ((first[:-1] > times) | ends), first[:-1], times)
    return np.where(ends & ~here, low[:-1], moved)


Rule = Callable[[float, Picture, Picture], bool]


def _on_screen(time: float, _current: Picture, following: Picture) -> bool:
    return following.seconds <= time


def _nearest(time: float, current: Picture, following: Picture) -> bool:
    return abs(following.seconds - time) <= abs(time - current.seconds)


class _Reel:
    """Runs forward through pictures, one ahead of the one it shows."""

    def __init__(
        self,
        pictures: Iterator[Picture],
        mode: str,
        skip_to: Callable[[float], None] | None = None,
    ) -> None:
        self.mode = mode
        self._skip_to = skip_to or (lambda _seconds: None)
        self._pictures = pictures
        self._moves_on: Rule = _nearest if mode == "keyframes" else _on_screen
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
        self._skip_to(time)
        self._start()
        while (
            self._current
            and self._following
            and self._moves_on(time, self._current, self._following)
        ):
            self._current, self._following = self._following, self._next()
        if self._current is None or (self._following is None and time >= self._current.end):
            return None
        return self._current

    def goes_on_after(self, time: float) -> bool:
        """Whether there are pictures from `time` on; moves up to there."""
        self._skip_to(time)
        self._start()
        while self._following and self._following.seconds < time:
            self._current, self._following = self._following, self._next()
        return self._following is not None

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._current, self._following = self._next(), self._next()

    def _next(self) -> Picture | None:
        picture = next(self._pictures, None)
        if picture is None:
            self.ended = True
            return None
        self.position = picture.end if math.isfinite(picture.end) else picture.seconds
        return picture
