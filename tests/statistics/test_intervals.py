"""Intervals: known values, coverage, determinism, clusters, paired comparison."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError, DataError
from finereel.statistics.intervals import (
    PERCENT,
    RANK,
    SHARE,
    Confidence,
    Scale,
    difference_interval,
    mean_interval,
    median_interval,
    paired_difference,
    student,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_has_the_textbook_values(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson_interval(successes, trials)
    assert (interval.low, interval.high) == (
        pytest.approx(low, abs=5e-5),
        pytest.approx(high, abs=5e-5),
    )


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.999))
def test_wilson_holds_the_share_and_stays_a_proportion(
    trials: int, share: float, level: float
) -> None:
    interval = wilson_interval(share * trials, trials, level)
    assert 0 <= interval.low <= share + 1e-12
    assert share - 1e-12 <= interval.high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(DataError, match="successes"):
        wilson_interval(successes, trials)


def test_a_mean_between_the_ends_is_about_two_standard_errors() -> None:
    values = np.random.default_rng(0).uniform(0.3, 0.7, 400)
    interval = mean_interval(values, scale=SHARE)
    error = values.std() / 20
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


@given(st.integers(1, 400), st.integers(0, 400))
def test_hits_of_single_queries_have_wilsons_interval(queries: int, right: int) -> None:
    hits = np.where(np.arange(queries) < right, 100.0, 0.0)
    found, expected = mean_interval(hits), wilson_interval(min(right, queries), queries)
    assert (found.low, found.high) == (
        pytest.approx(100 * expected.low),
        pytest.approx(100 * expected.high),
    )


def test_captions_that_answer_alike_count_as_one() -> None:
    answers = np.arange(40) % 2 * 100.0
    alone, alike = (
        mean_interval(answers),
        mean_interval(np.repeat(answers, 20), np.repeat(np.arange(40), 20)),
    )
    assert alike.low == pytest.approx(alone.low, abs=2)
    assert alike.high == pytest.approx(alone.high, abs=2)
    apart = mean_interval(
        np.tile(answers, 20), np.repeat(np.arange(40), 20)
    )  # as many right in every cluster
    assert apart.high - apart.low < 0.5 * (alone.high - alone.low)
    assert mean_interval(np.repeat(answers, 20)).high < 54


def test_none_and_all_right_are_not_certain() -> None:
    for queries in (1, 8, 60, 1000):
        assert mean_interval(np.zeros(queries)).high > 100 / queries / 2
        assert mean_interval(np.full(queries, 100.0)).low < 100 - 100 / queries / 2
        assert mean_interval(np.ones(queries), scale=RANK).high > 1 + 1 / queries
    one_video = mean_interval(np.zeros(20), np.zeros(20))
    assert (one_video.low, one_video.high) == (0.0, 100.0)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(1, 5))
def test_intervals_hold_their_statistic_and_stay_on_the_scale(found: list[int], size: int) -> None:
    ranks, clusters = np.array(found, dtype=np.float64), np.arange(len(found)) // size
    for values, scale in (
        (ranks, RANK),
        (1 / ranks, SHARE),
        (np.where(ranks == 1, 100.0, 0.0), PERCENT),
    ):
        interval = mean_interval(values, clusters, scale)
        assert scale.low <= interval.low <= values.mean() + 1e-9
        assert values.mean() - 1e-9 <= interval.high <= scale.high
    median = median_interval(ranks, clusters)
    assert median.low <= np.median(ranks) <= median.high


def test_an_interval_depends_on_nothing_but_the_values() -> None:
    values, clusters = np.random.default_rng(2).integers(1, 50, 60) * 1.0, np.arange(60) % 20
    order = np.random.default_rng(3).permutation(60)
    for scale in (RANK, Scale(1.0, 50.0)):
        first, other = (
            mean_interval(values, clusters, scale),
            mean_interval(values[order], clusters[order] + 7, scale),
        )
        assert (first.low, first.high) == (pytest.approx(other.low), pytest.approx(other.high))


def test_a_higher_level_is_wider() -> None:
    values = np.arange(1.0, 40.0)
    for scale in (RANK, Scale(1.0, 40.0)):
        narrow, wide = (
            mean_interval(values, scale=scale, confidence=Confidence(level))
            for level in (0.8, 0.99)
        )
        assert wide.low < narrow.low < narrow.high < wide.high
        assert wide.level == 0.99


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1.0, 12.706), (2.0, 4.303), (3.0, 3.182), (7.0, 2.365), (100.0, 1.984)],
)
def test_quantiles_of_student_are_those_of_the_tables(freedom: float, quantile: float) -> None:
    assert student(freedom) == pytest.approx(quantile, rel=5e-3)
    assert student(0.0) == np.inf


def test_paired_comparison_uses_the_pairing() -> None:
    rng = np.random.default_rng(3)
    difficulty = rng.standard_normal(300) * 10
    better = difficulty + 0.5 + 0.1 * rng.standard_normal(300)
    comparison = paired_difference(better, difficulty)
    assert comparison.distinguishable
    assert comparison.difference == pytest.approx(0.5, abs=0.05)
    assert not paired_difference(difficulty, rng.permutation(difficulty)).distinguishable
    assert not paired_difference(difficulty, difficulty).distinguishable


def test_systems_that_agree_on_few_queries_are_not_certain_to_be_equal() -> None:
    same = difference_interval(np.zeros(8), largest=100.0)
    assert -50 < same.low < -10
    assert 10 < same.high < 50
    assert difference_interval(np.zeros(8)).high == 0
    never = difference_interval(np.full(3, 100.0), largest=100.0)
    assert never.high == 100


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
        Confidence(level=1.0)
    with pytest.raises(DataError, match="values from 0 to 1, got 0 to 100"):
        mean_interval(np.array([0.0, 100.0]), scale=SHARE)


def test_one_cluster_with_the_only_hits_leaves_the_others_their_weight() -> None:
    values, clusters = np.zeros(500), np.repeat(np.arange(100), 5)
    values[:5] = 100.0
    found, alone = mean_interval(values, clusters), mean_interval(values[::5])
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    values[1:5] = 0.0
    assert 0 < mean_interval(values, clusters).high < found.high
