"""Show a fine-grained record as one table: the model, the baselines without video, and chance, per
part of speech.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finereel.evaluation.exports import escaped
from finereel.evaluation.retrieval import FUSED
from finereel.finegrain.evaluate.results import FineRecord

COLUMNS = (
    "part of speech",
    "score",
    "R@1",
    "95 %",
    "MRR",
    "95 %",
    "MnR",
    "pairs %",
    "ties %",
    "gain in MRR",
    "95 %",
)
TEXT_COLUMNS = 2
"""The first columns are text, the others numbers."""
FEW = 30
"""Videos below which a result is of little use, whatever its interval."""


@dataclass(frozen=True)
class FineRow:
    """A line of the table. kind: `fused`, `granularity`, `baseline` or `chance`."""

    kind: str
    cells: tuple[str, ...]


def fine_rows(record: FineRecord) -> list[FineRow]:
    """The fused score first, with its gain over the baseline that comes closest; then everything
    else.
    """
    found = []
    for pos, row in record.results.items():
        scores: Mapping[str, Any] = row["granularities"]
        found.append(
            FineRow(FUSED, (pos, FUSED, *_cells(scores[FUSED]), *_least_gain(row["gain"])))
        )
        parts = [] if len(scores) == 2 else [name for name in scores if name != FUSED]
        found += [
            FineRow("granularity", (pos, name, *_cells(scores[name]), "", "")) for name in parts
        ]
        found += [
            FineRow("baseline", (pos, name, *_cells(blind), "", ""))
            for name, blind in row["baselines"].items()
        ]
        found.append(
            FineRow("chance", (pos, "chance", *_cells({**row["chance"], "tie_share": 0.0}), "", ""))
        )
    return found


def fine_markdown(record: FineRecord) -> str:
    """The table, then the facts below it."""
    rules = ["---"] * TEXT_COLUMNS + ["---:"] * (len(COLUMNS) - TEXT_COLUMNS)
    rows = [COLUMNS, rules, *([escaped(cell) for cell in row.cells] for row in fine_rows(record))]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return table + "\n" + "\n".join(f"* {escaped(line)}" for line in fine_facts(record)) + "\n"


def fine_facts(record: FineRecord) -> list[str]:
    """What a reader must know beside the numbers, a line each."""
    asked, model = record.negatives, record.model
    lines = [
        f"negatives: {asked.name} ({asked.hash}), {asked.captions_scored} of {asked.captions} "
        "captions scored, videos "
        f"{asked.coverage}",
        f"model: {model.name} ({model.fingerprint})",
    ]
    for pos, row in record.results.items():
        lines.append(
            f"{pos}: {_counts(row)}, {row['truncated']:.1%} of the negatives equal the caption "
            "for the model"
        )
        brittle = row["brittleness"]
        if brittle is not None:
            low, high = brittle["intervals"]["brittleness"]
            lines.append(
                f"{pos}: brittleness {brittle['brittleness']:.1f} % ({low:.1f} to {high:.1f}), "
                "both right "
                f"{brittle['both_right']:.1f} %, {brittle['captions']} captions with hard positives"
            )
    few = ", ".join(pos for pos, row in record.results.items() if row["videos"] < FEW)
    lines += [f"{few}: with fewer than {FEW} videos the intervals say little"] if few else []
    lines += [f"{name}: {how}" for name, how in record.baselines.items()]
    lines += _coarse_lines(record) + _twin_lines(record)
    if not asked.complete:
        video, reason = next(iter(asked.missing.items()))
        lines.append(
            f"NOT THE WHOLE SET: {len(asked.missing)} videos could not be read, first {video}: "
            f"{reason}"
        )
    return lines


def _counts(row: Mapping[str, Any]) -> str:
    groups = row.get("groups", row["captions"])  # records of earlier versions say captions of both
    ranked = (
        "" if groups == row["captions"] else f" in {groups} groups, one for each part of speech"
    )
    return (
        f"{row['captions']} captions{ranked}, {row['videos']} videos, {row['candidates']:.1f} "
        "candidates each"
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    intervals = row.get("intervals", {})
    r1, mrr = (_interval(intervals.get(name), places) for name, places in (("R@1", 1), ("MRR", 3)))
    numbers = (f"{row['MnR']:.1f}", f"{row['pair_accuracy']:.1f}", f"{100 * row['tie_share']:.1f}")
    return (f"{row['R@1']:.1f}", r1, f"{row['MRR']:.3f}", mrr, *numbers)


def _interval(pair: list[float] | None, places: int) -> str:
    return "" if pair is None else f"{pair[0]:.{places}f} to {pair[1]:.{places}f}"


def _least_gain(gains: Mapping[str, Any]) -> tuple[str, str]:
    if not gains:
        return "", ""
    name = min(gains, key=lambda baseline: float(gains[baseline]["MRR"]))
    return f"{gains[name]['MRR']:+.3f} over {name}", _interval(gains[name]["intervals"]["MRR"], 3)


def _coarse_lines(record: FineRecord) -> list[str]:
    if record.coarse is None:
        return []
    lines = []
    for way, rows in record.coarse.results.items():
        row = rows[FUSED]
        low, high = row["intervals"]["R@1"]
        lines.append(
            f"coarse {way}: R@1 {row['R@1']:.1f} ({low:.1f} to {high:.1f}), R@5 {row['R@5']:.1f}, "
            "R@10 "
            f"{row['R@10']:.1f}, {record.coarse.split} of {record.coarse.coverage} videos"
        )
    return lines


def _twin_lines(record: FineRecord) -> list[str]:
    if record.twins is None:
        return []
    return [
        f"twins, {pos}: "
        + ", ".join(
            f"{way} {found['percent']:.1f} ({found['interval'][0]:.1f} to "
            f"{found['interval'][1]:.1f})"
            for way, found in rows[FUSED].items()
        )
        for pos, rows in record.twins["rows"].items()
    ]
