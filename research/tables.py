"""Ranks of variants and seeds -> one table: means over seeds, an interval, the spread of the seeds,
and whether the difference from the reference row can be told from chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from finereel.errors import DataError
from finereel.statistics.intervals import PERCENT, Interval, mean_interval, student
from finereel.statistics.metrics import Ranks as QueryRanks
from finereel.statistics.significance import holm, paired_test

CUTS = (1, 5, 10)


@dataclass(frozen=True)
class OverSeeds:
    """What S >= 2 trainings with different seeds say of a number.

    spread: the standard deviation of one training, with S - 1 in the denominator (ddof 1). interval:
    the 95 % interval of the mean over seeds, by Student's t with S - 1 degrees of freedom.

    >>> found = OverSeeds.of([40.0, 41.0, 42.0])
    >>> found.spread, round(found.interval.low, 1), round(found.interval.high, 1)
    (1.0, 38.5, 43.5)
    """

    spread: float
    interval: Interval

    @classmethod
    def of(cls, values: Sequence[float]) -> "OverSeeds":
        """From one value per seed; DataError for fewer than two."""
        if len(values) < 2:
            raise DataError(f"the spread over seeds needs two seeds or more, got {len(values)}")
        spread, mean = float(np.std(values, ddof=1)), float(np.mean(values))
        half = student(len(values) - 1.0) * spread / np.sqrt(len(values))
        return cls(spread, Interval(float(mean - half), float(mean + half)))


@dataclass(frozen=True)
class Line:
    """One row of one direction. Percent, over Q queries of which every seed ranked all.

    recall: R@1, R@5, R@10, each the mean over seeds; median_rank: mean of the seeds' medians;
    interval: 95 % interval of R@1 over queries; seeds: standard deviation of R@1 over seeds and the
    interval of its mean, None for one seed; difference: R@1 minus the reference row's, with its
    interval; p: Holm-corrected over the table (None in the reference row).
    """

    name: str
    recall: tuple[float, float, float]
    median_rank: float
    interval: Interval
    seeds: "OverSeeds | None"
    difference: float = 0.0
    difference_interval: Interval | None = None
    p: float | None = None

    @property
    def verdict(self) -> str:
        """`reference`, `better`, `worse`, or `not distinguishable`."""
        if self.p is None:
            return "reference"
        if self.p >= 1 - self.interval.level:
            return "not distinguishable"
        return "better" if self.difference > 0 else "worse"


Ranks = Mapping[str, Sequence[QueryRanks]]
"""Per variant, the ranks of Q queries by every seed; the same queries in the same order everywhere."""


def table(ranks: Ranks, reference: str, clusters: np.ndarray | None = None) -> tuple[Line, ...]:
    """One line per variant, in order.

    clusters: (Q,) labels; queries of one label (captions of one video) that answer alike count as
    one. Raises DataError when the reference or a rank is missing.

    >>> from finereel.statistics.metrics import ranks_of_order
    >>> perfect, poor = (ranks_of_order(np.full(40, rank)) for rank in (1, 3))
    >>> [line.verdict for line in table({"a": [perfect], "b": [poor]}, "a")]
    ['reference', 'worse']
    """
    if (
        reference not in ranks
        or len({len(seed) for seeds in ranks.values() for seed in seeds}) != 1
    ):
        raise DataError(
            f"a table needs its reference {reference!r} and the same queries in every row: "
            f"{sorted(ranks)}"
        )
    hits = {name: _hits(seeds, 1) for name, seeds in ranks.items()}
    others = [name for name in ranks if name != reference]
    compared = {
        name: paired_test(hits[name], hits[reference], clusters, PERCENT) for name in others
    }
    corrected = dict(zip(others, holm([found.p_value for found in compared.values()]), strict=True))
    lines = []
    for name, seeds in ranks.items():
        found = compared.get(name)
        lines.append(
            Line(
                name=name,
                recall=tuple(float(_hits(seeds, k).mean()) for k in CUTS),  # type: ignore[arg-type]
                median_rank=float(np.mean([np.median(seed.expected) for seed in seeds])),
                interval=mean_interval(hits[name], clusters),
                seeds=OverSeeds.of([float(_hits([seed], 1).mean()) for seed in seeds])
                if len(seeds) > 1
                else None,
                difference=0.0 if found is None else found.difference,
                difference_interval=None if found is None else found.interval,
                p=corrected.get(name),
            )
        )
    return tuple(lines)


def _hits(seeds: Sequence[QueryRanks], k: int) -> Float64[np.ndarray, " Q"]:
    """100 where a seed ranked the right answer among the first k, mean over seeds."""
    found: Float64[np.ndarray, " Q"] = 100.0 * np.mean([seed.within(k) for seed in seeds], axis=0)
    return found


def markdown(lines: Sequence[Line]) -> str:
    """The table as Markdown; R@1 with its interval, and the difference from the reference with its
    own.
    """
    rows = [
        "| | R@1 | 95 % interval | over seeds | R@5 | R@10 | MdR | difference of R@1 | Holm p | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        r1, r5, r10 = line.recall
        low, high = line.interval.low, line.interval.high
        change = line.difference_interval
        difference = (
            ""
            if change is None
            else f"{line.difference:+.1f} [{change.low:+.1f}, {change.high:+.1f}]"
        )
        p = "" if line.p is None else f"{line.p:.3f}"
        over = line.seeds
        spread = (
            ""
            if over is None
            else f"±{over.spread:.1f} ({over.interval.low:.1f} to {over.interval.high:.1f})"
        )
        rows.append(
            f"| {line.name} | {r1:.1f} | {low:.1f} to {high:.1f} | {spread} | {r5:.1f} | {r10:.1f} "
            "| "
            f"{line.median_rank:.1f} | {difference} | {p} | {line.verdict} |"
        )
    return "\n".join(rows) + "\n"
