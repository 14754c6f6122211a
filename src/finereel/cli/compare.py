"""`compare`: test runs against a baseline on the same queries."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.output import JsonOption, console, print_json, shown

if TYPE_CHECKING:
    from finereel.evaluation.compare import Comparison


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="BASELINE RUN...",
            help="Folders written by `finereel evaluate --out`, or all by `finegrain evaluate --out`.",
        ),
    ],
    k: Annotated[int, typer.Option("--k", min=1, help="The K of the R@K to compare.")] = 1,
    level: Annotated[
        float,
        typer.Option(
            min=1e-9,
            max=0.5,
            help="Probability of at least one false positive over all comparisons (family-wise "
            "error rate).",
        ),
    ] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """Test whether runs differ significantly from a baseline on the same queries.

    Example: finereel compare runs/old runs/new

    Differences are in percentage points of R@K, with an interval computed over videos. P-values
    come from a sign-flip test and are corrected for the number of comparisons (Holm). Runs on
    different videos or captions are refused.
    """
    from finereel.evaluation.compare import CompareSettings
    from finereel.evaluation.compare import compare as compare_records
    from finereel.evaluation.record_files import load_record
    from finereel.finegrain.evaluate.many import are_fine, compare_fine
    from finereel.finegrain.evaluate.record_files import load_fine_record

    settings = CompareSettings(k, level)
    if are_fine(runs):
        found = compare_fine([load_fine_record(run) for run in runs], settings)
    else:
        found = compare_records([load_record(run) for run in runs], settings)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)


def _print(found: "Comparison") -> None:
    recall = f"R@{found.settings.k}"
    columns = (
        "direction",
        "run",
        recall,
        "baseline",
        recall,
        "difference",
        "interval",
        "p (Holm)",
        "verdict",
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            justify="left" if column in ("direction", "run", "baseline", "verdict") else "right",
        )
    for row in found.differences:
        table.add_row(
            row.direction,
            Text(shown(row.run)),
            f"{row.recall:.1f}",
            Text(shown(row.baseline)),
            f"{row.baseline_recall:.1f}",
            f"{row.difference:+.1f}",
            f"{row.interval.low:+.1f} to {row.interval.high:+.1f}",
            f"{row.p_holm:.2g}",
            row.verdict,
        )
    screen = console()
    screen.print(table)
    for remark in found.remarks:
        screen.print(Text(shown(f"note: {remark}")), soft_wrap=True)
