"""Several fine-grained records together: compared query by query, or as one table.

`finereel compare` and `finereel report` take the folders of `finereel finegrain evaluate --out` too.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from finereel.errors import ConfigError, DataError, unknown_name
from finereel.evaluation.archive import read_description
from finereel.evaluation.compare import (
    CompareSettings,
    Comparison,
    PairedRuns,
    differences,
    distinct_names,
)
from finereel.evaluation.exports import latex_table, markdown_table, shown_cell
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.record_files import FORMAT, described_fine_record
from finereel.finegrain.evaluate.results import FineRecord, group_ranks, selections
from finereel.io.spreadsheets import csv_text

_FACTS = ("run", "negatives", "part of speech")
_METRICS = ("R@1", "MRR", "MnR", "pair_accuracy")
_NUMBERS = (*_METRICS, "ties %", "chance R@1", "captions")
COLUMNS = (*_FACTS, *_METRICS, "R@1 interval", "ties %", "chance R@1", "captions", "hash")


def are_fine(folders: Sequence[Path]) -> bool:
    """Whether these are folders of fine-grained records; DataError where some are and some are
    not.
    """
    kinds = {
        read_description(folder, "finereel evaluate --out").get("format") == FORMAT.name
        for folder in folders
    }
    if len(kinds) > 1:
        raise DataError(
            "some runs measure retrieval and others fine-grained negatives: give runs of one kind"
        )
    return kinds == {True}


def compare_fine(records: Sequence[FineRecord], settings: CompareSettings) -> Comparison:
    """Compare every run with the first one by the fused score, per part of speech.

    Raises ConfigError for fewer than two runs, DataError for runs on other negatives.
    """
    if len(records) < 2:
        raise ConfigError(f"a comparison needs at least two runs, got {len(records)}")
    baseline = records[0]
    for other in records[1:]:
        if other.negatives.scored_hash != baseline.negatives.scored_hash:
            raise DataError(
                f"{baseline.name} is on {baseline.negatives.name} "
                f"({baseline.negatives.scored_hash}), {other.name} on {other.negatives.name} "
                f"({other.negatives.scored_hash}): evaluate both on the same negatives and videos"
            )
    assert baseline.scores is not None
    chosen = selections(baseline.scores.groups)
    videos = np.array([group.video_id for group in baseline.scores.groups])
    credit = [_credit(record, settings.k) for record in records]
    names = distinct_names(records)
    pairs = [
        PairedRuns(
            pos,
            (names[number], names[0]),
            (credit[number][groups], credit[0][groups]),
            videos[groups],
        )
        for number in range(1, len(records))
        for pos, groups in chosen.items()
    ]
    remarks = [] if baseline.negatives.complete else [f"videos {baseline.negatives.coverage}"]
    return Comparison(settings, differences(pairs, settings), tuple(remarks))


def _credit(record: FineRecord, k: int) -> np.ndarray:
    """Percent: the expected recall at k of every group's true caption."""
    assert record.scores is not None
    found = group_ranks(record.scores.granularities[FUSED], record.scores.sizes)
    return np.asarray(100.0 * found.within(k))


def fine_table(records: Sequence[FineRecord]) -> list[tuple[str | float | int, ...]]:
    """A row per run and part of speech, in the order of COLUMNS."""
    rows: list[tuple[str | float | int, ...]] = []
    for name, record in zip(distinct_names(records), records, strict=True):
        for pos, result in record.results.items():
            row = record.row(pos)
            low, high = row["intervals"]["R@1"]
            rows.append(
                (
                    *(name, record.negatives.name, pos),
                    *(float(row[metric]) for metric in _METRICS),
                    f"{low:.1f} to {high:.1f}",
                    100.0 * row["tie_share"],
                    float(result["chance"]["R@1"]),
                    int(result["captions"]),
                    record.negatives.scored_hash,
                )
            )
    return rows


def _shown(records: Sequence[FineRecord]) -> list[list[str]]:
    """Cells for people; MRR, which is at most 1, with three decimals."""
    return [
        [
            f"{cell:.3f}" if column == "MRR" else shown_cell(cell)
            for column, cell in zip(COLUMNS, row, strict=True)
        ]
        for row in fine_table(records)
    ]


_FORMATS: dict[str, Callable[[Sequence[FineRecord]], str]] = {
    "markdown": lambda records: markdown_table(COLUMNS, _NUMBERS, _shown(records)),
    "latex": lambda records: latex_table(COLUMNS, _NUMBERS, _shown(records)),
    "csv": lambda records: csv_text(COLUMNS, fine_table(records)),
    "json": lambda records: json.dumps(list(map(described_fine_record, records)), indent=2) + "\n",
}


def export_fine(records: Sequence[FineRecord], form: str) -> str:
    """The records as one text; ConfigError lists the formats there are."""
    if form not in _FORMATS:
        raise unknown_name("format of fine-grained runs", form, _FORMATS)
    return _FORMATS[form](records)
