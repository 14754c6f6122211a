"""Test whether two systems differ on the same queries: sign-flip p-values and Holm's correction.

With 15 % discordant pairs, 1,000 queries cannot separate less than about 2.4 points of R@1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from finereel.errors import ConfigError, DataError
from finereel.statistics.intervals import (
    DEFAULT_CONFIDENCE,
    Confidence,
    Interval,
    Scale,
    paired_difference,
)

_EXACT_CLUSTERS = 14
_FLIPS_AT_A_TIME = 256


@dataclass(frozen=True)
class PairedTest:
    """Mean difference a - b with its interval, and the two-sided p-value of no difference
    at all.
    """

    difference: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class Flips:
    """How many random sign flips, and from which seed."""

    samples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"a sign-flip test needs samples >= 1, got {self.samples}")


DEFAULT_FLIPS = Flips()


def paired_test(
    first: np.ndarray,
    second: np.ndarray,
    clusters: np.ndarray | None = None,
    scale: Scale | None = None,
    confidence: Confidence = DEFAULT_CONFIDENCE,
    flips: Flips = DEFAULT_FLIPS,
) -> PairedTest:
    """Compare two systems by one value per query, for instance 100 where the rank is 1 and 0
    elsewhere.

    clusters: (N,) labels; queries of one label count and are flipped together. scale: of the
    values, see `paired_difference`.

    >>> paired_test(np.array([100.0] * 6), np.zeros(6)).p_value
    0.03125
    """
    found = paired_difference(first, second, clusters, scale, confidence)
    return PairedTest(
        found.difference, found.interval, sign_flip_p_value(first - second, clusters, flips)
    )


def sign_flip_p_value(
    differences: Float64[np.ndarray, " N"],
    clusters: np.ndarray | None = None,
    flips: Flips = DEFAULT_FLIPS,
) -> float:
    """How often random signs of the clusters' sums give a total as far from zero as the one seen
    (Fisher 1935).

    Exact for up to 14 clusters that differ, else (1 + hits) / (1 + samples), which is never zero.

    >>> sign_flip_p_value(np.array([1.0, 1.0, 1.0]))
    0.25
    >>> sign_flip_p_value(np.zeros(5))
    1.0
    """
    if len(differences) == 0:
        raise DataError("a paired test needs at least one query, got none")
    group = (
        np.arange(len(differences))
        if clusters is None
        else np.unique(clusters, return_inverse=True)[1]
    )
    sums = np.bincount(group, weights=differences)
    sums = sums[sums != 0]
    seen = abs(sums.sum())
    near = seen * (1 - 1e-12)  # the order of a sum must not decide
    if len(sums) <= _EXACT_CLUSTERS:
        numbers = np.arange(1 << len(sums))[:, None]
        signs = 1.0 - 2.0 * (numbers >> np.arange(len(sums)) & 1)
        return float((np.abs(signs @ sums) >= near).mean())
    rng = np.random.default_rng(flips.seed)
    hits = 0
    for start in range(0, flips.samples, _FLIPS_AT_A_TIME):
        rows = min(_FLIPS_AT_A_TIME, flips.samples - start)
        hits += int((np.abs(rng.choice([-1.0, 1.0], (rows, len(sums))) @ sums) >= near).sum())
    return (1 + hits) / (1 + flips.samples)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values (1979), in the given order: compare each with the level,
    all hold together.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if any(not 0 <= value <= 1 for value in p_values):
        raise DataError(f"p-values lie between 0 and 1, got {list(p_values)}")
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, number in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[number]))
        adjusted[number] = largest
    return adjusted
