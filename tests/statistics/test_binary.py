"""Logistic regression and the quality of probabilities, against slow references."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finereel.statistics.binary import (
    auroc,
    calibration_error,
    false_positive_rate,
    fit_logistic,
    sigmoid,
)

NUMBERS = st.lists(st.floats(-5, 5).map(lambda x: round(x, 1)), min_size=1, max_size=12)


def test_the_fit_finds_the_weights_that_made_the_data() -> None:
    random = np.random.default_rng(0)
    inputs = np.c_[random.normal(size=(20000, 2)), np.ones(20000)]
    truth = np.array([1.5, -0.5, 0.3])
    right = random.random(20000) < sigmoid(inputs @ truth)
    np.testing.assert_allclose(fit_logistic(inputs, right, 0.01), truth, atol=0.08)


def test_no_small_step_makes_the_penalised_loss_smaller() -> None:
    random = np.random.default_rng(1)
    inputs, right = random.normal(size=(40, 3)), random.random(40) < 0.4
    start = np.array([0.5, -1.0, 2.0])

    def loss(weights: np.ndarray) -> float:
        signed = np.where(right, 1, -1) * (inputs @ weights)
        return float(np.logaddexp(0, -signed).sum() + 0.7 / 2 * ((weights - start) ** 2).sum())

    found = fit_logistic(inputs, right, 0.7, start)
    for step in np.vstack([np.eye(3), -np.eye(3)]) * 1e-3:
        assert loss(found) < loss(found + step)


def test_without_data_that_decide_the_start_remains() -> None:
    start = np.array([1.0, 0.0])
    inputs, right = np.zeros((2, 2)), np.array([True, False])
    np.testing.assert_allclose(fit_logistic(inputs, right, 1.0, start), start)


@given(NUMBERS, NUMBERS)
def test_auroc_counts_pairs(positive: list[float], negative: list[float]) -> None:
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    found = auroc(np.array(positive), np.array(negative))
    assert abs(found - sum(pairs) / len(pairs)) < 1e-9


def test_auroc_of_nothing_is_not_a_number() -> None:
    assert np.isnan(auroc(np.array([]), np.array([1.0])))


@given(NUMBERS, NUMBERS)
def test_the_limit_keeps_the_share_and_no_higher_one_does(
    positive: list[float], negative: list[float]
) -> None:
    limits = [limit for limit in positive if np.mean(np.array(positive) >= limit) >= 0.95]
    expected = np.mean(np.array(negative) >= max(limits))
    assert false_positive_rate(np.array(positive), np.array(negative)) == expected


def test_a_perfect_forecast_has_no_calibration_error_and_a_bold_one_has() -> None:
    predicted = np.repeat([0.2, 0.8], 50)
    right = np.r_[np.arange(50) < 10, np.arange(50) < 40]
    assert calibration_error(predicted, right, bins=2) < 1e-12
    assert abs(calibration_error(np.repeat([0.0, 1.0], 50), right, bins=2) - 0.2) < 1e-12
