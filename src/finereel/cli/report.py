"""`report`: write runs as a table, a picture or TREC files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.io.atomic import write_file

if TYPE_CHECKING:
    from finereel.evaluation.record import RunRecord

TREC = "trec"


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders written by `finereel evaluate --out`."),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="markdown, latex, csv, json or trec (a folder of files).",
        ),
    ] = "markdown",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="File to write instead of stdout; for trec a folder."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="FILE", help="Also draw R@1 and its intervals to a PNG file."
        ),
    ] = None,
) -> None:
    """Write runs as one table with intervals, protocols and coverage.

    Example: finereel report runs/a runs/b --format latex --out table.tex
    """
    from finereel.errors import ConfigError
    from finereel.evaluation.exports import export
    from finereel.evaluation.record_files import load_record
    from finereel.finegrain.evaluate.many import are_fine, export_fine
    from finereel.finegrain.evaluate.record_files import load_fine_record

    if are_fine(runs):
        if form == TREC or picture is not None:
            raise ConfigError("fine-grained runs are written as markdown, latex, csv or json")
        _write(export_fine([load_fine_record(run) for run in runs], form), out)
        return
    records = [load_record(run) for run in runs]
    if form == TREC:
        _write_trec(records, out)
    else:
        _write(export(records, form), out)
    if picture is not None:
        from finereel.evaluation.exports.picture import draw_picture

        draw_picture(records, picture)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out.resolve(), text)  # /dev/stdout is a link


def _write_trec(records: Sequence["RunRecord"], out: Path | None) -> None:
    from finereel.errors import ConfigError
    from finereel.evaluation.exports import write_trec

    if out is None:
        raise ConfigError("TREC files are several per run: say where with --out DIR")
    for number, record in enumerate(records, start=1):
        folder = out if len(records) == 1 else out / f"run-{number}"
        for file in write_trec(record, folder):
            typer.echo(str(file))
