"""`status`, `doctor`, `remove`, `normalize`: look after a library."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.captions import read_captions
from finereel.cli.opening import open_library
from finereel.cli.options import DEFAULT_LIBRARY, JsonOption, LibraryOption
from finereel.cli.output import console, print_json, shown

_ENOUGH_CAPTIONS = 100


def status(library: LibraryOption = DEFAULT_LIBRARY, as_json: JsonOption = False) -> None:
    """Show what the library holds: videos, clips, failed files, size and model."""
    report = asdict(open_library(library).status())
    if as_json:
        print_json(report)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in report.items():
        table.add_row(name.replace("_", " "), Text(shown(_readable(name, value))))
    console().print(table)


def doctor(library: LibraryOption = DEFAULT_LIBRARY, as_json: JsonOption = False) -> None:
    """List every file that could not be indexed, and why. They are tried again once they change."""
    problems = open_library(library).doctor()
    if as_json:
        print_json([asdict(problem) for problem in problems])
        return
    if not problems:
        typer.echo("no problems")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("error", overflow="fold")
    for problem in problems:
        table.add_row(Text(shown(problem.path)), Text(shown(problem.error.removeprefix(f"{problem.path}: "))))
    console().print(table)


def remove(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Videos, or folders of videos.")],
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Take videos out of the library. The files themselves stay where they are."""
    removed = open_library(library).remove(paths)
    if as_json:
        print_json({"removed": removed})
    if not removed:
        typer.echo("nothing removed: the library holds no video at or below these paths", err=True)
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"removed {removed} video{'' if removed == 1 else 's'} from the library; the files are untouched")


def normalize(
    captions: Annotated[
        Path | None,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="Some hundred texts that look like your queries, one per line; or .json, .jsonl or .csv.",
        ),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Search with plain scores again.")] = False,
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Push down clips that come up for every query, by what a bank of captions shows about them.

    Fitted once, kept with the library, used by every later search; clips added later are covered too.
    """
    if off == (captions is not None):
        raise typer.BadParameter("give either --captions FILE or --off")
    bank = [] if captions is None else read_captions(captions)
    opened = open_library(library)
    if captions is None:
        opened.remove_normalization()
        protocol = "none"
    else:
        if len(set(bank)) < _ENOUGH_CAPTIONS:
            typer.echo(
                f"note: {len(set(bank))} different captions say little about which clips fit everything; some hundreds "
                "are advised, and `finereel normalize --off` takes this back",
                err=True,
            )
        protocol = opened.fit_normalization(bank)
    if as_json:
        print_json({"normalization": protocol})
        return
    typer.echo(f"normalization: {protocol}")


def _readable(name: str, value: object) -> str:
    if name == "bytes" and isinstance(value, int):
        return f"{value / 1e6:.1f} MB"
    return "none" if value is None else str(value)
