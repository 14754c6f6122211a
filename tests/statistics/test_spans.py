"""Metrics of moments, against values worked out by hand with the published formulas."""

import pytest

from finereel.statistics.spans import (
    average_precision,
    first_overlap,
    mean_average_precision,
    overlap,
)


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0.0, 10.0), (5.0, 15.0)) == pytest.approx(1 / 3)
    assert overlap((0.0, 1.0), (1.0, 2.0)) == 0
    assert overlap((0.0, 1.0), (5.0, 6.0)) == 0
    assert overlap((3.0, 4.0), (3.0, 4.0)) == 1


def test_the_first_span_counts_against_the_nearest_right_one() -> None:
    right = [(0.0, 10.0), (20.0, 30.0)]
    assert first_overlap([(20.0, 28.0), (0.0, 10.0)], right) == pytest.approx(0.8)
    assert first_overlap([(12.0, 18.0), (0.0, 10.0)], right) == 0
    assert first_overlap([], right) == 0


def test_average_precision_by_hand() -> None:
    right = [(0.0, 10.0), (20.0, 30.0)]
    # True, false, true: precision 1, 1/2, 2/3; recall 1/2, 1/2, 1. Interpolated: 1/2 + 1/2 * 2/3.
    found = [(0.0, 10.0), (12.0, 18.0), (20.0, 30.0)]
    assert average_precision(found, right, 0.5) == pytest.approx(0.5 + 0.5 * 2 / 3)
    # False, true: precision 0, 1/2 at recall 1/2.
    assert average_precision(found[1:], right, 0.5) == pytest.approx(0.25)
    assert average_precision([], right, 0.5) == 0


def test_a_right_span_is_taken_once() -> None:
    right = [(0.0, 10.0)]
    assert average_precision([(0.0, 10.0), (0.0, 10.0)], right, 0.5) == 1
    two = [(0.0, 10.0), (1.0, 11.0)]
    # Both overlap the first one more; the second span takes what is left.
    assert average_precision([(0.0, 10.0), (0.2, 10.2)], two, 0.5) == 1


def test_the_mean_is_over_ten_overlaps() -> None:
    # IoU 0.72: true at 0.5, 0.55, 0.6, 0.65 and 0.7.
    assert mean_average_precision([(0.0, 7.2)], [(0.0, 10.0)]) == pytest.approx(0.5)
    assert mean_average_precision([(0.0, 10.0)], [(0.0, 10.0)]) == 1
