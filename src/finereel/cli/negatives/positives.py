"""`negatives positives`: paraphrase captions by one word, to measure brittleness."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.negatives.sources import CaptionsArgument, FormatOption, caption_rows
from finereel.cli.output import JsonOption, print_json, shown

if TYPE_CHECKING:
    from finereel.data.base import Caption
    from finereel.finegrain.types import Negative


def positives(
    captions: CaptionsArgument,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="JSONL file to write, for `finereel finegrain evaluate --positives`.",
        ),
    ],
    form: FormatOption = "captions",
    as_json: JsonOption = False,
) -> None:
    """Paraphrase captions: replace one word by a synonym, so that the caption stays true.

    Example: finereel negatives positives captions.csv positives.jsonl

    The synonyms come from a list that was checked on real captions, see docs/guide/negatives.md.
    JSON output has the numbers of captions and positives.
    """
    from finereel.finegrain.files.base import check_target
    from finereel.finegrain.make.positives import write_positives

    check_target(out, captions)
    rows = list(caption_rows(captions, form))
    found = list(_made(rows))
    write_positives(found, out)
    if not found:
        typer.echo(
            f"no positives in {shown(str(out))}: no caption contains a word of the list in a safe "
            "place",
            err=True,
        )
    if as_json:
        print_json({"captions": len(rows), "positives": len(found)})
    else:
        typer.echo(f"{len(found)} positives of {len(rows)} captions in {shown(str(out))}", err=True)


def _made(rows: "list[Caption]") -> "Iterator[Negative]":
    """Those of all captions, under a bar."""
    from finereel.cli.progress import bar
    from finereel.finegrain.make.positives import PositiveMaker
    from finereel.finegrain.words.lexicon import Lexicon
    from finereel.finegrain.words.tagging import AgreeingTaggers

    maker, agreement = PositiveMaker(Lexicon.load()), AgreeingTaggers()
    with bar() as progress:
        task = progress.add_task("captions", total=len(rows), note="")
        for row in rows:
            yield from maker.positives(row, agreement(row.text))
            progress.advance(task)
