"""`negatives positives`: captions in other words, still true, to measure brittleness with."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.negatives.sources import CaptionsArgument, FormatOption, caption_rows
from finereel.cli.options import JsonOption
from finereel.cli.output import print_json, shown

if TYPE_CHECKING:
    from finereel.negatives.types import CaptionRow, Negative


def positives(
    captions: CaptionsArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A JSONL file, for `finegrain evaluate --positives`.")],
    form: FormatOption = "captions",
    as_json: JsonOption = False,
) -> None:
    """Say captions in other words: one word becomes another of the same meaning, and they stay true.

    Example: finereel negatives positives captions.csv positives.jsonl

    The words come from a list that was read in captions (docs/negatives.md). JSON has captions and positives.
    """
    from finereel.negatives.files.base import check_target
    from finereel.negatives.positives import write_positives

    check_target(out, captions)
    rows = list(caption_rows(captions, form))
    found = list(_made(rows))
    write_positives(found, out)
    if not found:
        typer.echo(f"no positives in {shown(str(out))}: no caption says a word of the list in a safe place", err=True)
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
