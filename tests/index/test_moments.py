"""Moments: the stretch of a video over which a text is seen."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError, DataError
from finereel.index.moments import Moment, MomentSettings, find_moments

FRAMES = st.lists(st.integers(-50, 50), min_size=1, max_size=12)


def times(count: int, rng: np.random.Generator) -> np.ndarray:
    return np.cumsum(rng.integers(1, 5, count)).astype(float)


def reference(scores: np.ndarray, seconds: np.ndarray, span: tuple[float, float]) -> float:
    """The largest sum of any stretch, by trying all of them."""
    edges = [span[0], *((a + b) / 2 for a, b in pairwise(seconds)), span[1]]
    lengths = np.array([b - a for a, b in pairwise(edges)])
    mean = (scores * lengths).sum() / lengths.sum()
    above = (scores - mean - 0.4 * (scores.max() - mean)) * lengths
    return max(
        above[first : last + 1].sum()
        for first in range(len(scores))
        for last in range(first, len(scores))
    )


@given(FRAMES, st.integers(0, 1000))
def test_the_first_moment_is_the_best_of_all_stretches(given: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, seconds = np.array(given, float), times(len(given), rng)
    span = (0.0, float(seconds[-1]) + 2.0)
    found = find_moments(scores, seconds, span)
    if len(set(given)) == 1:
        assert found == (Moment(*span, 0.0),)
        return
    assert found[0].strength == pytest.approx(reference(scores, seconds, span))
    best = seconds[scores.argmax()]
    assert any(moment.start <= best <= moment.end for moment in found)


@given(FRAMES, st.integers(0, 1000), st.floats(0.1, 9), st.floats(-5, 5))
def test_moments_are_apart_inside_the_span_and_free_of_scale(
    given: list[int], seed: int, scale: float, shift: float
) -> None:
    scores, seconds = np.array(given, float), times(len(given), np.random.default_rng(seed))
    span = (0.5, float(seconds[-1]) + 1.0)
    found = find_moments(scores, seconds, span)
    assert 1 <= len(found) <= 3
    assert list(found) == sorted(found, key=lambda moment: -moment.strength)
    for one, other in pairwise(sorted(found, key=lambda moment: moment.start)):
        assert one.end <= other.start
    assert all(span[0] <= moment.start < moment.end <= span[1] for moment in found)
    moved = find_moments(scores * scale + shift, seconds, span)
    assert moved[0].strength == pytest.approx(found[0].strength * scale, abs=1e-6)


def test_a_stretch_with_more_frames_counts_no_more() -> None:
    sparse = find_moments(np.array([0.0, 1, 0, 0.9]), np.array([0.5, 1.5, 2.5, 3.5]), (0.0, 4.0))
    dense = find_moments(
        np.array([0.0, 1, 0, 0.9, 0.9, 0.9, 0.9]),
        np.array([0.5, 1.5, 2.5, 3.125, 3.375, 3.625, 3.875]),
        (0.0, 4.0),
    )
    assert [round(m.start) for m in sparse] == [round(m.start) for m in dense] == [1, 3]


def test_frames_of_two_windows_make_one_moment() -> None:
    """An event from 8 to 13 s, in clips of 10 s."""
    seconds = np.arange(0.5, 20, 1.0)
    scores = np.where((seconds > 8) & (seconds < 13), 1.0, 0.0)
    (moment,) = find_moments(scores, seconds, (0.0, 20.0))
    assert (moment.start, moment.end) == (8.0, 13.0)


def test_at_most_so_many() -> None:
    scores, seconds = np.tile([1.0, 0, 0], 6), np.arange(18.0)
    assert len(find_moments(scores, seconds, (0.0, 18.0))) == 3
    assert len(find_moments(scores, seconds, (0.0, 18.0), MomentSettings(most=5))) == 5


@pytest.mark.parametrize(
    ("scores", "seconds"),
    [([], []), ([1.0, np.nan], [0.0, 1.0]), ([1.0, 2.0], [1.0, 1.0]), ([1.0, 2.0], [0.0, 99.0])],
)
def test_what_cannot_be_cut_is_named(scores: list[float], seconds: list[float]) -> None:
    with pytest.raises(DataError, match="expected"):
        find_moments(np.array(scores), np.array(seconds), (0.0, 10.0))


@pytest.mark.parametrize("settings", [{"factor": 1.0}, {"factor": -0.1}, {"most": 0}])
def test_settings_have_bounds(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        MomentSettings(**settings)
