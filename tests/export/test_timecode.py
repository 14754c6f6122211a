"""Frame rates and timecodes, against OpenTimelineIO's own."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.made_moments import facts
from finereel.export.moments import ExportMoment
from finereel.export.timecode import (
    RATES,
    drops_frames,
    frame_span,
    rate_of,
    timecode,
    timeline_rate,
)


def moment(start: float, end: float, fps: float = 25.0, duration: float = 60.0) -> ExportMoment:
    return ExportMoment("/v/a.mp4", start, end, start, 0.5, facts=facts(fps, duration))


@given(st.sampled_from(RATES), st.integers(0, 24 * 3600 * 60 - 1))
def test_timecodes_are_those_of_opentimelineio(rate: Fraction, frame: int) -> None:
    opentime = pytest.importorskip("opentimelineio").opentime
    frame %= 24 * 3600 * 23
    told = timecode(frame, rate)
    assert opentime.from_timecode(told, float(rate)).to_frames() == frame
    assert (";" in told) == drops_frames(rate)


def test_timecode_keeps_pace_with_the_clock_where_frames_are_dropped() -> None:
    rate = Fraction(30000, 1001)
    assert timecode(round(3600 * rate), rate) == "01:00:00;00"
    assert timecode(1799, rate) == "00:00:59;29"
    assert timecode(1800, rate) == "00:01:00;02"
    assert timecode(round(600 * 2 * rate), 2 * rate) == "00:10:00;00"


def test_a_span_has_a_frame_and_ends_with_the_file() -> None:
    assert frame_span(moment(1.0, 2.0), Fraction(25)) == (25, 50)
    assert frame_span(moment(1.0, 1.001), Fraction(25)) == (25, 26)
    assert frame_span(moment(59.0, 75.0), Fraction(25)) == (1475, 1500)
    assert frame_span(moment(60.0, 75.0), Fraction(25)) == (1499, 1500)


def test_rates_of_files_are_told_apart() -> None:
    assert rate_of(23.976) == Fraction(24000, 1001) != rate_of(24.0)
    assert rate_of(59.94) == Fraction(60000, 1001) != rate_of(60.0)
    assert rate_of(0.0) == rate_of(None) == 25


def test_the_timeline_has_the_rate_of_most_moments() -> None:
    moments = [moment(0.0, 1.0, fps) for fps in (25.0, 29.97, 29.97, 60.0)]
    assert timeline_rate(moments) == Fraction(30000, 1001)
    assert timeline_rate(moments[:1] + moments[-1:]) == 60
    assert timeline_rate([]) == 25
