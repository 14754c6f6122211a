"""Show records as rows of one table, each with its protocol and coverage."""

from collections.abc import Sequence
from dataclasses import dataclass

from finereel.evaluation.compare import distinct_names
from finereel.evaluation.record import RunRecord
from finereel.normalization import DIRECTIONS
from finereel.statistics.intervals import Interval

METRICS = ("R@1", "R@5", "R@10", "MdR", "MnR", "mean_recall")
_FACTS = ("R@1 interval", "ties %", "protocol", "coverage", "queries", "split hash")
COLUMNS = ("run", "data", "direction", *METRICS, *_FACTS)
NUMBERS = frozenset({*METRICS, "ties %", "queries"})
"""Columns that are set to the right."""


@dataclass(frozen=True)
class TableRow:
    """One run in one direction, fused score. Recalls and interval in percent, ranks from 1, tie
    share 0 to 1.
    """

    run: str
    data: str
    direction: str
    metrics: dict[str, float]
    interval: Interval | None
    tie_share: float
    protocol: str
    coverage: str
    queries: int
    split_hash: str

    def cells(self) -> tuple[str | float | int, ...]:
        """In the order of COLUMNS; text where a number would mislead."""
        interval = (
            "" if self.interval is None else f"{self.interval.low:.1f} to {self.interval.high:.1f}"
        )
        return (
            *(self.run, self.data, self.direction),
            *(self.metrics[name] for name in METRICS),
            *(
                interval,
                100 * self.tie_share,
                self.protocol,
                self.coverage,
                self.queries,
                self.split_hash,
            ),
        )

    def shown(self) -> tuple[str, ...]:
        """The cells for people: numbers to one decimal, as papers print them."""
        return tuple(shown_cell(cell) for cell in self.cells())


def table(records: Sequence[RunRecord]) -> list[TableRow]:
    """Text to video and video to text of every record, in the order given."""
    names = distinct_names(records)
    return [
        _row(record, name, way)
        for record, name in zip(records, names, strict=True)
        for way in DIRECTIONS
    ]


def shown_cell(cell: str | float | int) -> str:
    """One cell for people.

    >>> shown_cell(49.38), shown_cell(1000), shown_cell("none")
    ('49.4', '1000', 'none')
    """
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _row(record: RunRecord, name: str, direction: str) -> TableRow:
    row, dataset = record.row(direction), record.dataset
    interval = row["intervals"].get("R@1")
    return TableRow(
        run=name,
        data=f"{dataset.name}/{dataset.split}",
        direction=direction,
        metrics={metric: float(row[metric]) for metric in METRICS},
        interval=None if interval is None else Interval(float(interval[0]), float(interval[1])),
        tie_share=float(row["tie_share"]),
        protocol=row["protocol"],
        coverage=dataset.coverage,
        queries=int(row["queries"]),
        split_hash=dataset.split_hash,
    )
