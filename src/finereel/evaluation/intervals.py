"""How sure a number is: Wilson and bootstrap intervals, and the paired comparison of two systems. Numpy only.

1,000 queries at R@1 49 % have a 95 % interval of about ±3 points, as large as most published gaps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Int64

from finereel.errors import ConfigError, DataError


@dataclass(frozen=True)
class Interval:
    """low <= high, in the unit of the statistic; `level` is the coverage it aims at."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class Bootstrap:
    """How to resample: how many times, from which seed, for which coverage."""

    samples: int = 2000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 < self.level < 1:
            raise ConfigError(f"a bootstrap needs samples >= 1 and 0 < level < 1, got {self.samples} and {self.level}")


DEFAULT_BOOTSTRAP = Bootstrap()


@dataclass(frozen=True)
class PairedComparison:
    """Mean difference a - b over the same queries; `distinguishable` when its interval leaves out zero."""

    difference: float
    interval: Interval

    @property
    def distinguishable(self) -> bool:
        return not self.interval.low <= 0.0 <= self.interval.high


def wilson_interval(successes: float | int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927), 0 to 1; sound for small counts and at 0 and 100 %.

    `successes` may hold halves for ties.

    >>> interval = wilson_interval(494, 1000)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.463, 0.525)
    """
    if trials < 1 or not 0 <= successes <= trials or not 0 < level < 1:
        raise DataError(f"expected 0 <= successes <= trials, trials >= 1, got {successes} of {trials} at level {level}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / trials + spread / trials / 4))
    return Interval(max(0.0, centre - half), min(1.0, centre + half), level)


def bootstrap_intervals(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    clusters: np.ndarray | None = None,
    settings: Bootstrap = DEFAULT_BOOTSTRAP,
) -> list[Interval]:
    """Percentile bootstrap intervals (Efron 1979) of a vector of statistics, all from the same resamples.

    values: (N,), one per query. statistic: (M,) resampled values to (S,) numbers. clusters: (N,) labels; queries of one
    label (the captions of one video) are drawn together, as they are not independent. Deterministic for a seed.

    >>> [interval] = bootstrap_intervals(np.array([0.0, 1.0] * 50), lambda drawn: np.array([drawn.mean()]))
    >>> interval.low < 0.5 < interval.high
    True
    """
    if values.ndim != 1 or len(values) == 0 or np.isnan(values).any():
        raise DataError(f"expected at least one value per query and no NaN, got shape {values.shape}")
    group = _groups(clusters, len(values))
    rng = np.random.default_rng(settings.seed)
    drawn = np.stack([statistic(np.repeat(values, counts)) for counts in _resamples(group, settings.samples, rng)])
    tail = (1 - settings.level) / 2
    lows, highs = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return [Interval(float(low), float(high), settings.level) for low, high in zip(lows, highs, strict=True)]


def bootstrap_means(
    table: np.ndarray, clusters: np.ndarray | None = None, settings: Bootstrap = DEFAULT_BOOTSTRAP
) -> list[Interval]:
    """Intervals of the mean of every column of (N, K) values, from the resamples of `bootstrap_intervals`.

    Means need only the sums of every cluster, so that 100,000 rows take seconds.

    >>> [interval] = bootstrap_means(np.array([[0.0], [1.0]] * 50))
    >>> interval == bootstrap_intervals(np.array([0.0, 1.0] * 50), lambda drawn: np.array([drawn.mean()]))[0]
    True
    """
    if table.ndim != 2 or len(table) == 0 or np.isnan(table).any():
        raise DataError(f"expected a row of values per query and no NaN, got shape {table.shape}")
    group = _groups(clusters, len(table))
    total = int(group.max()) + 1
    sums = np.stack([np.bincount(group, weights=column, minlength=total) for column in table.T.astype(np.float64)], 1)
    sizes = np.bincount(group, minlength=total)
    rng = np.random.default_rng(settings.seed)
    drawn = np.empty((settings.samples, table.shape[1]))
    for sample in range(settings.samples):
        counts = np.bincount(rng.integers(0, total, total), minlength=total)
        drawn[sample] = counts @ sums / (counts @ sizes)
    tail = (1 - settings.level) / 2
    lows, highs = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return [Interval(float(low), float(high), settings.level) for low, high in zip(lows, highs, strict=True)]


def mean_interval(
    values: np.ndarray, clusters: np.ndarray | None = None, settings: Bootstrap = DEFAULT_BOOTSTRAP
) -> Interval:
    """Bootstrap interval of the mean of (N,) values; see `bootstrap_intervals`."""
    return bootstrap_intervals(values, lambda drawn: np.array([drawn.mean()]), clusters, settings)[0]


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    clusters: np.ndarray | None = None,
    settings: Bootstrap = DEFAULT_BOOTSTRAP,
) -> PairedComparison:
    """Compare two systems on the same N queries by the bootstrap of their per-query difference.

    first, second: (N,), one value per query in the same order, for instance 100.0 where the rank is 1, else 0.0.

    >>> paired_difference(np.ones(40), np.zeros(40)).distinguishable
    True
    """
    if first.shape != second.shape:
        raise DataError(f"a paired comparison needs the same queries, got {first.shape} and {second.shape}")
    difference = np.asarray(first - second, dtype=np.float64)
    return PairedComparison(float(difference.mean()), mean_interval(difference, clusters, settings))


def _groups(clusters: np.ndarray | None, size: int) -> Int64[np.ndarray, " N"]:
    if clusters is None:
        return np.arange(size, dtype=np.int64)
    if clusters.shape != (size,):
        raise DataError(f"expected one cluster label for each of {size} queries, got {clusters.shape}")
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)


def _resamples(group: Int64[np.ndarray, " N"], samples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often every query is drawn, (N,) per resample: clusters with replacement, whole."""
    total = int(group.max()) + 1
    for _ in range(samples):
        yield np.bincount(rng.integers(0, total, total), minlength=total)[group]
