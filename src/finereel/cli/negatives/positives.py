"""`negatives positives`: captions in other words, still true, to measure brittleness with."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.options import JsonOption
from finereel.cli.output import print_json, shown

if TYPE_CHECKING:
    from finereel.negatives.types import CaptionRow, Negative


def positives(
    captions: Annotated[
        Path, typer.Argument(metavar="CAPTIONS", help="A CSV or JSONL of id, video_id, caption; or see --format.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A JSONL file, for `finegrain evaluate --positives`.")],
    form: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="captions, or the data set whose annotations CAPTIONS holds."),
    ] = "captions",
    as_json: JsonOption = False,
) -> None:
    """Say captions in other words: one word becomes another of the same meaning, and they stay true.

    Example: finereel negatives positives captions.csv positives.jsonl

    The words come from a list that was read in captions (docs/negatives.md). JSON has captions and positives.
    """
    from finereel.negatives.positives import write_positives
    from finereel.sources import captions_of

    rows = list(captions_of(captions, form))
    found = list(_made(rows))
    write_positives(found, out)
    if as_json:
        print_json({"captions": len(rows), "positives": len(found)})
    else:
        typer.echo(f"{len(found)} positives of {len(rows)} captions in {shown(str(out))}", err=True)


def _made(rows: "list[CaptionRow]") -> "Iterator[Negative]":
    """Those of all captions, under a bar."""
    from finereel.cli.progress import bar
    from finereel.negatives.lexicon import Lexicon
    from finereel.negatives.positives import PositiveMaker
    from finereel.negatives.tagging import Agreement

    maker, agreement = PositiveMaker(Lexicon.load()), Agreement()
    with bar() as progress:
        task = progress.add_task("captions", total=len(rows), note="")
        for row in rows:
            yield from maker.positives(row, agreement(row.caption))
            progress.advance(task)
