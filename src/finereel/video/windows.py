"""Cut a video into the windows that become searchable clips."""

import itertools

from finereel.types import Window

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
