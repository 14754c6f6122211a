"""Metrics against hand-made matrices and a slow reference that orders every candidate."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.statistics.metrics import RetrievalMetrics, ranks, retrieval_metrics


def first_places(row: list[float], right: set[int]) -> list[int]:
    """The rank of the first right candidate in every order of equal candidates."""
    places = []
    for order in permutations(range(len(row))):
        by_score = sorted(order, key=lambda column: -row[column])
        places.append(1 + next(place for place, column in enumerate(by_score) if column in right))
    return places


def slow_ranks(row: list[float], right: set[int]) -> tuple[float, int, int]:
    """Expected, best and worst rank of the first right candidate over every order of equal
    candidates.
    """
    places = first_places(row, right)
    return sum(places) / len(places), min(places), max(places)


@st.composite
def queries(draw: st.DrawFn) -> tuple[list[list[float]], list[list[int]]]:
    gallery = draw(st.integers(1, 5))
    row = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=gallery, max_size=gallery)
    right = st.lists(st.integers(0, gallery - 1), min_size=1, max_size=gallery, unique=True)
    pairs = draw(st.lists(st.tuples(row, right), min_size=1, max_size=4))
    return [row for row, _ in pairs], [right for _, right in pairs]


@given(queries())
def test_agrees_with_the_slow_reference_with_ties_and_many_right_answers(
    given_queries: tuple[list[list[float]], list[list[int]]],
) -> None:
    rows, right = given_queries
    found = ranks(np.array(rows), right)
    slow = [slow_ranks(row, set(columns)) for row, columns in zip(rows, right, strict=True)]
    np.testing.assert_allclose(found.expected, [expected for expected, _, _ in slow])
    assert found.optimistic.tolist() == [best for _, best, _ in slow]
    assert found.pessimistic.tolist() == [worst for _, _, worst in slow]
    assert found.tie_share == np.mean([best != worst for _, best, worst in slow])


@given(queries())
def test_recall_is_the_share_of_orders_with_a_right_answer_in_front(
    given_queries: tuple[list[list[float]], list[list[int]]],
) -> None:
    rows, right = given_queries
    found = ranks(np.array(rows), right)
    for k in (1, 2, 3, 10):
        expected = [
            np.mean([first <= k for first in first_places(row, set(columns))])
            for row, columns in zip(rows, right, strict=True)
        ]
        np.testing.assert_allclose(found.within(k), expected, atol=1e-12)


@given(st.integers(2, 12), st.integers(0, 2**31))
def test_metrics_without_ties_follow_from_sorting(size: int, seed: int) -> None:
    scores = (
        np.random.default_rng(seed).permutation(size * size).reshape(size, size).astype(np.float32)
    )
    places = [list(np.argsort(-scores[q])).index(q) + 1 for q in range(size)]
    metrics = retrieval_metrics(scores)
    assert metrics.r1 == pytest.approx(100 * np.mean([place <= 1 for place in places]))
    assert metrics.r5 == pytest.approx(100 * np.mean([place <= 5 for place in places]))
    assert metrics.r10 == pytest.approx(100 * np.mean([place <= 10 for place in places]))
    assert (metrics.median_rank, metrics.mean_rank) == (
        np.median(places),
        pytest.approx(np.mean(places)),
    )
    assert metrics.r1_optimistic == metrics.r1 == metrics.r1_pessimistic
    assert (metrics.queries, metrics.tie_share) == (size, 0.0)


def test_a_constant_matrix_earns_the_middle_rank() -> None:
    metrics = retrieval_metrics(np.zeros((9, 9)))
    assert (metrics.r1, metrics.r5, metrics.median_rank, metrics.mean_rank) == (
        pytest.approx(100 / 9),
        pytest.approx(500 / 9),
        5.0,
        5.0,
    )
    assert (metrics.r1_optimistic, metrics.r1_pessimistic, metrics.tie_share) == (100.0, 0.0, 1.0)


def test_targets_in_every_form_mean_the_same() -> None:
    scores = np.random.default_rng(0).standard_normal((4, 6))
    columns = np.array([5, 0, 0, 2])
    relation = np.zeros((4, 6), dtype=bool)
    relation[np.arange(4), columns] = True
    expected = retrieval_metrics(scores, columns)
    for targets in (
        columns.tolist(),
        relation,
        [[column] for column in columns.tolist()],
        columns[:, None],
    ):
        assert retrieval_metrics(scores, targets) == expected
    assert retrieval_metrics(scores[:, columns], np.arange(4)) == retrieval_metrics(
        scores[:, columns]
    )


def test_as_dict_has_the_names_of_the_field() -> None:
    metrics = RetrievalMetrics(30.0, 60.0, 90.0, 2.0, 3.5, 10, 0.1, 40.0, 20.0)
    assert metrics.as_dict() == {
        "R@1": 30.0,
        "R@5": 60.0,
        "R@10": 90.0,
        "MdR": 2.0,
        "MnR": 3.5,
        "mean_recall": 60.0,
        "queries": 10,
        "tie_share": 0.1,
        "R@1_optimistic": 40.0,
        "R@1_pessimistic": 20.0,
    }


def test_infinity_is_an_order() -> None:
    found = ranks(np.array([[-np.inf, 0.0, np.inf], [-np.inf, -np.inf, 0.0]]), [2, 0])
    assert found.expected.tolist() == [1.0, 2.5]


def test_nan_is_refused_and_located() -> None:
    scores = np.eye(3)
    scores[1, 2] = np.nan
    with pytest.raises(DataError, match=r"row 1, column 2 \(1 in all\)"):
        retrieval_metrics(scores)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (None, "square matrix"),
        ([0], "targets for 2 queries"),
        ([0, 3], "query 1: expected column numbers from 0 to 2"),
        ([0, -1], "query 1"),
        ([[0], []], "query 1 has no right column"),
        (np.array([0.5, 1.0]), "column numbers"),
        (np.zeros((2, 3), dtype=bool), "query 0 has no right column"),
        (np.ones((3, 2), dtype=bool), "shape"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        retrieval_metrics(np.zeros((2, 3)), targets)


def test_scores_that_are_no_matrix_are_refused() -> None:
    for scores in (np.zeros(3), np.array([["a"]])):
        with pytest.raises(DataError, match="matrix of numbers"):
            retrieval_metrics(scores)
    with pytest.raises(DataError, match="at least one query"):
        retrieval_metrics(np.zeros((0, 0)))
