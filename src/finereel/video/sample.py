"""Choose the times of the frames that represent a window."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int

from finereel.types import Window

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
