"""Ranks among negatives: against a slow reference, at chance, with ties; brittleness by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.finegrain.evaluate.results import (
    METRICS,
    Triples,
    chance,
    group_ranks,
    per_caption,
    point_metrics,
    triple_metrics,
)

GROUPS = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=5), min_size=1, max_size=5)


def flat(groups: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([float(score) for row in groups for score in row]), np.array(
        [len(row) for row in groups]
    )


def slow(row: list[int]) -> dict[str, float]:
    """The mean over every order in which ties could fall."""
    found = []
    for order in itertools.permutations(range(len(row))):
        ranked = sorted(range(len(row)), key=lambda place: (-row[place], order[place]))
        rank = ranked.index(0) + 1
        found.append(
            (100.0 * (rank == 1), 1 / rank, float(rank), 100.0 * (len(row) - rank) / (len(row) - 1))
        )
    return dict(zip(METRICS, np.mean(found, axis=0), strict=True))


@settings(max_examples=30)
@given(GROUPS)
def test_every_metric_is_its_mean_over_the_orders_of_ties(groups: list[list[int]]) -> None:
    scores, sizes = flat(groups)
    found = per_caption(group_ranks(scores, sizes), sizes)
    for number, row in enumerate(groups):
        expected = slow(row)
        assert {name: found[name][number] for name in METRICS} == pytest.approx(expected)


@settings(max_examples=30)
@given(st.lists(st.integers(2, 30), min_size=1, max_size=6))
def test_a_model_that_ties_everything_is_at_chance(sizes: list[int]) -> None:
    array = np.array(sizes)
    metrics = point_metrics(group_ranks(np.ones(array.sum()), array), array)
    assert {name: metrics[name] for name in METRICS} == pytest.approx(chance(array))
    assert metrics["tie_share"] == 1.0


def test_random_scores_are_at_chance() -> None:
    sizes = np.full(4000, 21)
    metrics = point_metrics(
        group_ranks(np.random.default_rng(0).standard_normal(sizes.sum()), sizes), sizes
    )
    assert metrics["MRR"] == pytest.approx(0.1736, abs=0.01)
    assert metrics["R@1"] == pytest.approx(4.76, abs=1)
    assert metrics["pair_accuracy"] == pytest.approx(50, abs=1)


def test_the_bounds_say_what_ties_could_make_of_it() -> None:
    sizes = np.array([3, 3])
    metrics = point_metrics(group_ranks(np.array([1.0, 1.0, 0.0, 2.0, 1.0, 1.0]), sizes), sizes)
    assert (metrics["R@1_pessimistic"], metrics["R@1"], metrics["R@1_optimistic"]) == (
        50.0,
        75.0,
        100.0,
    )
    assert (metrics["MRR_pessimistic"], metrics["MRR"], metrics["MRR_optimistic"]) == (
        0.75,
        0.875,
        1.0,
    )
    assert metrics["tie_share"] == 0.5


@settings(max_examples=30)
@given(GROUPS, st.integers(0, 1000))
def test_the_order_of_negatives_does_not_matter(groups: list[list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = [[row[0], *rng.permutation(row[1:]).tolist()] for row in groups]
    one, other = (
        point_metrics(group_ranks(*flat(rows)), flat(rows)[1]) for rows in (groups, shuffled)
    )
    assert one == other


@pytest.mark.parametrize(
    ("scores", "sizes"),
    [([1.0, 2.0], [3]), ([1.0], [1]), ([], []), ([1.0, np.nan], [2]), ([1.0, 2.0, 3.0], [2])],
)
def test_what_cannot_be_ranked_is_refused(scores: list[float], sizes: list[int]) -> None:
    with pytest.raises(DataError):
        group_ranks(np.array(scores, dtype=np.float64), np.array(sizes, dtype=np.int64))


def test_brittleness_sees_a_negative_between_two_captions_of_one_meaning() -> None:
    rows = np.array([(3, 2, 1), (1, 2, 3), (3, 1, 2), (1, 3, 2), (2, 2, 1)], dtype=np.float64)
    found = triple_metrics(Triples(*rows.T, np.arange(5)))
    assert found["brittleness"].tolist() == [100, 100, 0, 0, 0]
    assert found["both_right"].tolist() == [0, 0, 100, 0, 0]


def test_captions_count_alike_however_many_triples_they_have() -> None:
    scores = np.array([(3, 2, 1), (3, 1, 2), (3, 1, 2), (3, 2, 1)], dtype=np.float64)
    found = triple_metrics(Triples(*scores.T, np.array([7, 7, 7, 9])))
    assert found["brittleness"].tolist() == pytest.approx([100 / 3, 100])


def test_triples_must_be_whole() -> None:
    one, none = np.ones(1), np.ones(0)
    with pytest.raises(DataError, match="three scores"):
        Triples(none, none, none, np.zeros(0, dtype=np.int64))
    with pytest.raises(DataError, match="NaN"):
        Triples(one, one * np.nan, one, np.zeros(1, dtype=np.int64))
