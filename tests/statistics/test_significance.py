"""P-values by sign flips and Holm's correction, against hand-made cases."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import ConfigError, DataError
from finereel.statistics.significance import Flips, holm, paired_test, sign_flip_p_value

RNG = np.random.default_rng(0)
probabilities = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def test_holm_against_a_hand_example() -> None:
    # Holm (1979): sorted 0.005, 0.011, 0.02, 0.04 times 4, 3, 2, 1
    assert holm([0.04, 0.005, 0.02, 0.011]) == pytest.approx([0.04, 0.02, 0.04, 0.033])
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(probabilities)
def test_holm_keeps_the_order_and_lies_between_raw_and_bonferroni(values: list[float]) -> None:
    adjusted = holm(values)
    for raw, corrected in zip(values, adjusted, strict=True):
        assert raw <= corrected <= min(1.0, len(values) * raw) + 1e-12
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


def test_holm_refuses_what_is_no_probability() -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        holm([0.5, float("nan")])


def test_exact_against_all_signs_by_hand() -> None:
    differences = np.array([3.0, -1.0, 2.0, 2.5, 0.0])
    totals = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=5)
    ]
    expected = np.mean([total >= abs(differences.sum()) - 1e-9 for total in totals])
    assert sign_flip_p_value(differences) == pytest.approx(expected)


def test_clusters_are_flipped_whole() -> None:
    """Five captions of one video are one observation."""
    assert sign_flip_p_value(np.ones(5), np.zeros(5)) == 1.0
    assert sign_flip_p_value(np.ones(5)) == pytest.approx(2 / 32)


def test_random_flips_agree_with_all_of_them() -> None:
    differences = RNG.standard_normal(14) + 0.4
    exact = sign_flip_p_value(differences)
    many = sign_flip_p_value(np.concatenate([differences, [1e-9]]), flips=Flips(20_000))
    assert 0.005 < exact < 0.9
    assert many == pytest.approx(exact, abs=0.015)


def test_p_values_of_equal_systems_are_even() -> None:
    found = [
        sign_flip_p_value(RNG.standard_normal(40), flips=Flips(200, seed)) for seed in range(300)
    ]
    assert 0.02 < np.mean([value < 0.05 for value in found]) < 0.09
    assert 0.4 < np.mean(found) < 0.6


def test_never_zero_and_the_same_every_time() -> None:
    values = np.ones(400)
    assert (
        sign_flip_p_value(values, flips=Flips(99))
        == 0.01
        == sign_flip_p_value(values, flips=Flips(99))
    )


@given(st.lists(st.sampled_from([-100.0, 0.0, 100.0]), min_size=1, max_size=10))
@settings(max_examples=40)
def test_order_and_roles_do_not_matter(values: list[float]) -> None:
    differences = np.array(values)
    assert sign_flip_p_value(differences) == sign_flip_p_value(-differences[::-1])


def test_paired_test_has_difference_and_interval() -> None:
    first, second = np.full(30, 100.0), np.array([100.0, 0.0] * 15)
    found = paired_test(first, second)
    assert found.difference == 50
    assert 0 < found.interval.low < 50 < found.interval.high
    assert found.p_value < 0.001
    with pytest.raises(DataError):
        paired_test(first, second[:-1])


def test_empty_input_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        sign_flip_p_value(np.empty(0))
    with pytest.raises(ConfigError):
        Flips(0)
