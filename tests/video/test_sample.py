"""Which frames stand for a window: our centres, and the published protocol number for number."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.types import Window
from finereel.video.sample import SAMPLERS, frame_times, spread, whole_seconds
from places import GOLDEN

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
