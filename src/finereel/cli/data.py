"""`data check`: check that a data set is complete before training on it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli import tokens
from finereel.cli.options import JsonOption
from finereel.cli.output import console, print_json, shown

if TYPE_CHECKING:
    from finereel.data.check import CheckReport

LISTED = 10


def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The data set: msrvtt, msvd, didemo, activitynet, vatex, lsmdc, vln_uvo, "
            "vln_oops, folder or reelworld.",
        ),
    ],
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Annotation files of the data set (for folder: a .csv or .jsonl file, or its "
            "folder).",
        ),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Videos of the data set; without it, only the annotations are read."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="One folder with annotations and videos; the two options above take precedence.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count the videos and captions of a data set and list missing or unreadable videos.

    Each video is read up to its first frame. Results of two runs are comparable if the hashes of
    their splits agree. JSON output has splits (videos, captions and hash of each), missing,
    unreadable, reasons, videos_checked and warnings.

    Missing or unreadable videos do not count as an error: the exit status is 0, and 1 only if the
    annotations cannot be parsed.
    """
    report = _check_with_progress(name, annotations or root, videos or root)
    if as_json:
        print_json(report.as_json())
        return
    _print(report)


COMMANDS: dict[str, Callable[..., None]] = {"check": check, "tokens": tokens.tokens}


def _check_with_progress(name: str, annotations: Path | None, videos: Path | None) -> "CheckReport":
    from finereel.cli.progress import bar
    from finereel.data.check import check as check_dataset

    with bar() as progress:
        task = progress.add_task("reading videos", total=None, note="", visible=False)

        def draw(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total, visible=True)

        return check_dataset(name, annotations, videos, draw)


def _print(report: "CheckReport") -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("split", "videos", "captions", "hash"):
        table.add_column(column, justify="right" if column in ("videos", "captions") else "left")
    for split, facts in report.splits.items():
        table.add_row(Text(shown(split)), f"{facts.videos:,}", f"{facts.captions:,}", facts.hash)
    out.print(table)
    for warning in report.warnings:
        out.print(Text.assemble(("note", "yellow"), f" {shown(warning)}"), soft_wrap=True)
    if report.missing is None or report.unreadable is None:
        out.print("videos not checked: name their folder with --videos or --root")
        return
    _print_list("missing", list(report.missing))
    _print_list("unreadable", [f"{video}: {reason}" for video, reason in report.unreadable.items()])
    if not report.missing and not report.unreadable:
        out.print("every video is there and gives its first frame")


def _print_list(what: str, lines: list[str]) -> None:
    out = console()
    for line in lines[:LISTED]:
        out.print(Text.assemble((what, "red"), f" {shown(line)}"), soft_wrap=True)
    if len(lines) > LISTED:
        out.print(f"{what}: {len(lines):,} in all; --json lists every one")
