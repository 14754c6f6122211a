"""Frame rates and timecodes of films.

Sources: SMPTE ST 12-1 (drop-frame counting: 2 numbers are left out at 29.97, 4 at 59.94 frames per
second, at every minute but each tenth).
"""

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from finereel.export.moments import ExportMoment

RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(48),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
"""Frames per second that editors know."""

USUAL = Fraction(25)
"""Where nothing is known of a file."""

_SAME = 5e-4
"""Relative difference below which a measured rate is taken for one of RATES: that of 24 to 23.976 is
twice as large.
"""


def rate_of(fps: float | None) -> Fraction:
    """The frame rate of a file as a fraction: one of RATES where it is that, else its own.

    >>> rate_of(29.97), rate_of(12.5), rate_of(None)
    (Fraction(30000, 1001), Fraction(25, 2), Fraction(25, 1))
    """
    if fps is None or not 0.01 <= fps <= 1000:
        return USUAL
    near = min(RATES, key=lambda rate: abs(fps - rate))
    return near if abs(fps - near) <= _SAME * near else Fraction(fps).limit_denominator(1001)


def editing_rate(fps: float) -> Fraction:
    """The rate of RATES that is nearest to `fps`, or to a slow file's doubled rate.

    >>> editing_rate(29.97), editing_rate(14.99), editing_rate(120.0)
    (Fraction(30000, 1001), Fraction(30000, 1001), Fraction(60, 1))
    """
    while 0 < fps < RATES[0] / 1.2:
        fps *= 2
    return min(RATES, key=lambda rate: abs(fps - rate))


def timeline_rate(moments: Sequence[ExportMoment]) -> Fraction:
    """The one rate of a timeline: that of most of its moments, of several the highest."""
    counts = Counter(editing_rate(float(rate_of(moment.facts.fps))) for moment in moments)
    return max(counts, key=lambda rate: (counts[rate], rate), default=USUAL)


def frames_at(seconds: float, rate: Fraction) -> int:
    """The number of the frame nearest to a time.

    >>> frames_at(1.0, Fraction(30000, 1001))
    30
    """
    return round(seconds * rate)


def frame_span(moment: ExportMoment, rate: Fraction) -> tuple[int, int]:
    """First frame and the one after the last of a moment, at least one frame and not past the end of
    its file.
    """
    first, last = frames_at(moment.start, rate), frames_at(moment.end, rate)
    if moment.facts.duration is not None:
        end = max(1, math.ceil(moment.facts.duration * rate - 1e-6))
        first, last = min(first, end - 1), min(last, end)
    return first, max(last, first + 1)


def drops_frames(rate: Fraction) -> bool:
    """Whether the timecode of a rate leaves numbers out, to keep pace with the clock."""
    return rate in (Fraction(30000, 1001), Fraction(60000, 1001))


def timecode(frame: int, rate: Fraction) -> str:
    """The timecode of a frame counted from 00:00:00:00, drop-frame where `drops_frames`.

    >>> timecode(1800, Fraction(30000, 1001)), timecode(17982, Fraction(30000, 1001))
    ('00:01:00;02', '00:10:00;00')
    >>> timecode(90, Fraction(25))
    '00:00:03:15'
    """
    per_second, mark = round(rate), ":"
    if drops_frames(rate):
        left_out, mark = per_second // 15, ";"
        minute = 60 * per_second - left_out
        tens, rest = divmod(frame, 600 * per_second - 9 * left_out)
        frame += 9 * left_out * tens + left_out * max(0, (rest - left_out) // minute)
    seconds, frames = divmod(frame, per_second)
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours % 24:02d}:{minutes:02d}:{seconds % 60:02d}{mark}{frames:02d}"
