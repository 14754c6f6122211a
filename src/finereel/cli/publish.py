"""`publish`: send a model to the Hugging Face hub, with a card of what it can and cannot."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finereel.cli.output import JsonOption, print_json, shown


def publish(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A model directory of yours.")],
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Its name on the hub.")],
    records: Annotated[
        list[Path] | None,
        typer.Option(
            "--record",
            metavar="RUN",
            help="A folder that `finereel evaluate --out` wrote, for the numbers of the card; "
            "repeatable.",
        ),
    ] = None,
    license_name: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="Licence of the model, such as apache-2.0."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make the repository public; otherwise it is private.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Write the card, list what would be sent, send nothing."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the card of a model and send both to the Hugging Face hub.

    Example: finereel publish DIR USER/NAME --record RUN --dry-run

    The card (DIR/README.md) has the numbers of the records with intervals and protocol, and what
    the model cannot tell apart. Only files of the model are sent. Log in with `hf auth login`.
    """
    from finereel.bridges.hub import CardSettings, publish
    from finereel.evaluation.record_files import load_record

    read = tuple(load_record(record) for record in records or ())
    settings = CardSettings(read, license_name, public)
    done = publish(folder, repository, settings, dry_run=dry_run)
    if as_json:
        print_json(asdict(done))
        return
    for name, size in done.files:
        typer.echo(f"{size / 1e6:9.2f} MB  {shown(name)}")
    if done.kept:
        typer.echo(f"not sent: {shown(', '.join(done.kept))}", err=True)
    if dry_run:
        typer.echo(f"nothing was sent; read {shown(str(folder / 'README.md'))} first", err=True)
    else:
        typer.echo(shown(done.url))
