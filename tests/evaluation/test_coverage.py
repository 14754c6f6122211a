"""How often the 95 % intervals hold the truth, by simulation: small samples, extreme shares,
captions of one video.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy.special import gammaln

from finereel.statistics.intervals import (
    PERCENT,
    RANK,
    SHARE,
    Interval,
    difference_interval,
    mean_interval,
    median_interval,
)


def coverage(
    truth: float, samples: int, interval: Callable[[np.random.Generator], Interval], seed: int = 0
) -> float:
    rng = np.random.default_rng(seed)
    found = [interval(rng) for _ in range(samples)]
    return float(np.mean([one.low - 1e-9 <= truth <= one.high + 1e-9 for one in found]))


def hits(
    rng: np.random.Generator, clusters: int, size: int, share: float, alike: float
) -> np.ndarray:
    """100 or 0 of every caption; alike: correlation within a cluster (beta-binomial)."""
    shares = np.full(clusters, share)
    if alike:
        shares = rng.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, clusters)
    return np.where(rng.random((clusters, size)) < shares[:, None], 100.0, 0.0).ravel()


def recall_coverage(clusters: int, size: int, share: float, alike: float, samples: int) -> float:
    labels = np.repeat(np.arange(clusters), size)
    return coverage(
        100 * share,
        samples,
        lambda rng: mean_interval(hits(rng, clusters, size, share, alike), labels, PERCENT),
    )


def exact_coverage(queries: int, share: float) -> float:
    """The probability that the printed interval holds the truth: every possible count of hits by
    its binomial probability.
    """
    counts = np.arange(queries + 1)
    chance = np.exp(
        gammaln(queries + 1)
        - gammaln(counts + 1)
        - gammaln(queries - counts + 1)
        + counts * np.log(share)
        + (queries - counts) * np.log1p(-share)
    )
    held = np.zeros(len(counts))
    for count in np.flatnonzero(chance > 1e-9):
        values = np.where(np.arange(queries) < count, 100.0, 0.0)
        found = mean_interval(values, None, PERCENT)
        held[count] = found.low <= 100 * share <= found.high
    return float(chance @ held)


def test_none_or_all_of_n_still_say_how_little_is_known() -> None:
    for queries in (8, 60, 1000):
        none, every = (mean_interval(np.full(queries, v), None, PERCENT) for v in (0.0, 100.0))
        assert none.low == pytest.approx(0.0)
        assert 250 / queries < none.high < 400 / queries  # the rule of three
        assert (every.low, every.high) == pytest.approx((100 - none.high, 100.0))


@pytest.mark.parametrize(("queries", "share"), [(8, 0.1), (30, 0.97), (50, 0.1)])
def test_where_the_percentile_bootstrap_failed(queries: int, share: float) -> None:
    assert 0.92 <= recall_coverage(queries, 1, share, 0.0, 1000) <= 0.98


def test_captions_of_one_video() -> None:
    assert 0.92 <= recall_coverage(200, 20, 0.4, 0.3, 300) <= 0.98


@pytest.mark.slow
def test_recall_over_the_grid() -> None:
    """92 to 98 % where queries are independent (exactly, over every count of hits); with clusters,
    never below 90 %.
    """
    shares = (0.03, 0.1, 0.3, 0.5, 0.9, 0.97)
    single = {
        (n, p): exact_coverage(n, p)
        for n, p in product((8, 30, 50, 100, 300, 1000), (*shares, 0.7))
    }
    assert min(single.values()) >= 0.92, single
    assert max(single.values()) <= 0.98, single
    assert 0.94 <= np.mean(list(single.values())) <= 0.96
    grouped = {
        (k, p, alike): recall_coverage(k, 20, p, alike, 400)
        for k, p, alike in product((8, 30, 200), shares, (0.05, 0.3, 0.7))
    }
    assert min(grouped.values()) >= 0.90, grouped
    assert 0.94 <= np.mean(list(grouped.values())) <= 0.975


def heavy(rng: np.random.Generator, count: int) -> np.ndarray:
    """Ranks as retrieval gives them: half of them 1, a long tail, at most 200."""
    tail = np.clip(np.ceil(np.exp(rng.normal(2.5, 1.4, count))), 1, 200)
    return np.where(rng.random(count) < 0.5, 1.0, tail)


TRUTH = heavy(np.random.default_rng(9), 2_000_000)


@pytest.mark.parametrize(("count", "least"), [(100, 0.86), (300, 0.9)])
def test_ranks(count: int, least: float) -> None:
    assert (
        coverage(TRUTH.mean(), 400, lambda rng: mean_interval(heavy(rng, count), scale=RANK))
        >= least
    )
    assert coverage(np.median(TRUTH), 400, lambda rng: median_interval(heavy(rng, count))) >= 0.92
    mrr = coverage(
        (1 / TRUTH).mean(), 400, lambda rng: mean_interval(1 / heavy(rng, count), scale=SHARE)
    )
    assert 0.92 <= mrr <= 0.98


@pytest.mark.parametrize(
    ("count", "up", "down"), [(30, 0.3, 0.1), (100, 0.1, 0.05), (1000, 0.02, 0.02)]
)
def test_paired_differences(count: int, up: float, down: float) -> None:
    def drawn(rng: np.random.Generator) -> Interval:
        chance = rng.random(count)
        values = np.where(chance < up, 100.0, np.where(chance < up + down, -100.0, 0.0))
        return difference_interval(values, largest=100.0)

    assert 0.92 <= coverage(100 * (up - down), 500, drawn) <= 0.99
