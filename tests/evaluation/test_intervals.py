"""Intervals: known values, coverage, determinism, clusters, paired comparison."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError, DataError
from finereel.evaluation.intervals import (
    Bootstrap,
    Interval,
    bootstrap_intervals,
    mean_interval,
    paired_difference,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_has_the_textbook_values(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson_interval(successes, trials)
    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_holds_the_share_and_stays_a_proportion(trials: int, share: float, level: float) -> None:
    interval = wilson_interval(share * trials, trials, level)
    assert 0 <= interval.low <= share + 1e-12
    assert share - 1e-12 <= interval.high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(DataError, match="successes"):
        wilson_interval(successes, trials)


def test_bootstrap_of_a_mean_is_about_two_standard_errors() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    interval = mean_interval(values)
    error = values.std() / 20
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        interval = mean_interval(rng.exponential(size=60), settings=Bootstrap(samples=300, level=0.9))
        covered += interval.low <= 1.0 <= interval.high
    assert 0.8 < covered / 200 < 0.96


def test_bootstrap_is_deterministic_and_seeded() -> None:
    values = np.random.default_rng(2).standard_normal(50)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, settings=Bootstrap(seed=1))


def test_clusters_are_drawn_whole() -> None:
    values, clusters = np.repeat([0.0, 1.0], 50), np.repeat(["a", "b"], 50)
    seen = set()
    bootstrap_intervals(values, lambda drawn: np.array([seen.add(drawn.mean()) or 0.0]), clusters, Bootstrap(200))
    assert seen == {0.0, 0.5, 1.0}
    assert mean_interval(values, clusters) == Interval(0.0, 1.0)
    one_each = np.random.default_rng(5).permutation(100)
    same = mean_interval(values, one_each)
    assert same.high - same.low == pytest.approx(2 * 1.96 * 0.05, abs=0.03)


def test_every_statistic_has_its_interval() -> None:
    values = np.arange(101.0)
    mean, peak = bootstrap_intervals(values, lambda drawn: np.array([drawn.mean(), drawn.max()]))
    assert mean.low < 50 < mean.high
    assert peak.high == 100


def test_paired_comparison_uses_the_pairing() -> None:
    rng = np.random.default_rng(3)
    difficulty = rng.standard_normal(300) * 10
    better = difficulty + 0.5 + 0.1 * rng.standard_normal(300)
    comparison = paired_difference(better, difficulty)
    assert comparison.distinguishable
    assert comparison.difference == pytest.approx(0.5, abs=0.05)
    assert not paired_difference(difficulty, rng.permutation(difficulty)).distinguishable
    assert not paired_difference(difficulty, difficulty).distinguishable


def test_values_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="at least one value"):
        mean_interval(np.array([]))
    with pytest.raises(DataError, match="no NaN"):
        mean_interval(np.array([np.nan]))
    with pytest.raises(DataError, match="one cluster label for each of 3"):
        mean_interval(np.zeros(3), np.zeros(2))
    with pytest.raises(DataError, match="same queries"):
        paired_difference(np.zeros(3), np.zeros(2))
    with pytest.raises(ConfigError, match="0 < level < 1"):
        Bootstrap(level=1.0)
    with pytest.raises(ConfigError, match="samples"):
        Bootstrap(samples=0)
