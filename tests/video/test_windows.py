"""Windows cover a video once, in order, without crumbs."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.video.windows import TAIL, windows

durations = st.floats(0.01, 2000)
lengths = st.floats(5, 600)


@given(duration=durations, length=lengths)
def test_windows_tile_the_video(duration: float, length: float) -> None:
    cut = windows(duration, length)
    assert cut[0].start == 0
    assert cut[-1].end == duration
    assert all(left.end == right.start for left, right in itertools.pairwise(cut))


@given(duration=durations, length=lengths)
def test_windows_are_about_as_long_as_asked(duration: float, length: float) -> None:
    cut = windows(duration, length)
    assert all(window.duration == pytest.approx(length) for window in cut[:-1])
    if len(cut) > 1:
        assert length * TAIL * 0.999 <= cut[-1].duration <= length * (1 + TAIL) * 1.001


@pytest.mark.parametrize(
    ("duration", "edges"),
    [(3.0, [0, 3]), (10.0, [0, 10]), (12.4, [0, 12.4]), (12.5, [0, 10, 12.5]), (20.0, [0, 10, 20])],
)
def test_known_cuts(duration: float, edges: list[float]) -> None:
    cut = windows(duration, 10.0)
    assert [cut[0].start, *(window.end for window in cut)] == edges


def test_no_length_means_the_whole_video() -> None:
    assert len(windows(5000.0, None)) == 1


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan"), float("inf")])
def test_a_video_lasts(duration: float) -> None:
    with pytest.raises(ValueError, match="duration must be positive"):
        windows(duration)


def test_a_clip_lasts() -> None:
    with pytest.raises(ValueError, match="length must be positive"):
        windows(5.0, -1.0)
