"""A plan that cannot be carried out is refused when it is made."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.types import Window
from finereel.video.plan import (
    SAMPLERS,
    TAIL,
    ClipPlan,
    Limits,
    frame_times,
    spread,
    whole_seconds,
    windows,
)
from places import GOLDEN


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"length": 0.0}, "length must be positive"),
        ({"length": float("nan")}, "length must be positive"),
        ({"num_frames": 0}, "at least 1, got 0"),
        ({"size": 8}, "16 to 4096 pixels, got 8"),
        ({"mode": "fast"}, "expected one of auto, exact, keyframes, sequential"),
        ({"sampling": "random"}, "expected one of centres, seconds"),
        ({"windows": (Window(5.0, 6.0), Window(1.0, 2.0))}, "ascend"),
    ],
)
def test_plan_refuses(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ClipPlan(**fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"deadline_s": 0.0}, "deadline_s must be positive"), ({"memory_mib": 100}, "at least 512")],
)
def test_limits_refuse(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Limits(**fields)


# Windows cover a video once, in order, without crumbs.
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


# Which frames stand for a window: our centres, and the published protocol number for number.
GOLDEN = json.loads((GOLDEN / "frame_sampling.json").read_text())


@pytest.mark.parametrize(("case", "indices"), GOLDEN["linspace_frame_indices"].items())
def test_spread_is_the_published_choice(case: str, indices: list[int]) -> None:
    count, wanted = (int(number) for number in case.split("->"))
    assert spread(count, wanted).tolist() == indices


@given(start=st.floats(0, 1e4), duration=st.floats(0.1, 1e3), count=st.integers(1, 64))
def test_centres_are_even_and_inside(start: float, duration: float, count: int) -> None:
    window = Window(start, start + duration)
    times = frame_times(window, count)
    assert len(times) == count
    assert window.start < times[0]
    assert times[-1] < window.end
    np.testing.assert_allclose(np.diff(times), window.duration / count, rtol=1e-6)
    np.testing.assert_allclose(times.mean(), (window.start + window.end) / 2)


@given(
    duration=st.floats(0.1, 300), count=st.integers(1, 64), name=st.sampled_from(sorted(SAMPLERS))
)
def test_every_sampler_gives_ascending_times_of_the_window(
    duration: float, count: int, name: str
) -> None:
    times = SAMPLERS[name](Window(7.0, 7.0 + duration), count)
    assert 1 <= len(times) <= count
    assert (np.diff(times) > 0).all()
    assert times[0] >= 7.0
    assert times[-1] < 7.0 + duration


def test_the_published_loader_takes_whole_seconds() -> None:
    window = Window(0.0, 29.3)
    assert whole_seconds(window).tolist() == list(range(30))
    assert SAMPLERS["seconds"](window, 12).tolist() == [0, 2, 5, 7, 10, 13, 15, 18, 21, 23, 26, 29]
    assert SAMPLERS["seconds-head"](window, 3).tolist() == [0, 1, 2]
    assert SAMPLERS["seconds-tail"](window, 3).tolist() == [27, 28, 29]
