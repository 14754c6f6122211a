"""Ranks of variants and seeds -> one table: means over seeds, an interval, the spread of the seeds,
and whether the difference from the reference row can be told from chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from finereel.errors import DataError
from finereel.statistics.intervals import PERCENT, Interval, mean_interval
from finereel.statistics.significance import holm, paired_test

CUTS = (1, 5, 10)


@dataclass(frozen=True)
class Line:
    """One row of one direction. Percent, over Q queries of which every seed ranked all.

    recall: R@1, R@5, R@10, each the mean over seeds; median_rank: mean of the seeds' medians;
    interval: 95 % interval of R@1 over queries; spread: standard deviation of R@1 over seeds, None
    for one seed; difference: R@1 minus the reference row's, with its interval; p: Holm-corrected
    over the table (None in the reference row).
    """

    name: str
    recall: tuple[float, float, float]
    median_rank: float
    interval: Interval
    spread: float | None
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


Ranks = Mapping[str, Sequence[np.ndarray]]
"""Per variant, (Q,) ranks of every seed; the same queries in the same order everywhere."""


def table(ranks: Ranks, reference: str, clusters: np.ndarray | None = None) -> tuple[Line, ...]:
    """One line per variant, in order.

    clusters: (Q,) labels; queries of one label (captions of one video) that answer alike count as
    one. Raises DataError when the reference or a rank is missing.

    >>> perfect, poor = np.ones(40), np.full(40, 3.0)
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
                median_rank=float(np.mean([np.median(seed) for seed in seeds])),
                interval=mean_interval(hits[name], clusters),
                spread=float(np.std([_hits([seed], 1).mean() for seed in seeds]))
                if len(seeds) > 1
                else None,
                difference=0.0 if found is None else found.difference,
                difference_interval=None if found is None else found.interval,
                p=corrected.get(name),
            )
        )
    return tuple(lines)


def _hits(seeds: Sequence[np.ndarray], k: int) -> Float64[np.ndarray, " Q"]:
    """100 where a seed ranked the right answer among the first k, mean over seeds."""
    found: Float64[np.ndarray, " Q"] = 100.0 * np.mean([seed <= k for seed in seeds], axis=0)
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
        spread = "" if line.spread is None else f"±{line.spread:.1f}"
        rows.append(
            f"| {line.name} | {r1:.1f} | {low:.1f} to {high:.1f} | {spread} | {r5:.1f} | {r10:.1f} "
            "| "
            f"{line.median_rank:.1f} | {difference} | {p} | {line.verdict} |"
        )
    return "\n".join(rows) + "\n"
