"""`negatives training`: make negatives for training, of words and of phrases, that share nothing
with a test set.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.negatives.sources import CaptionsArgument, FormatOption, caption_rows
from finereel.cli.output import JsonOption, print_json, shown

if TYPE_CHECKING:
    from finereel.data.base import Caption
    from finereel.finegrain.make.training import TrainingNegatives
    from finereel.finegrain.types import Negative

_SIDES = ("training", "test", "all")


def training(
    captions: CaptionsArgument,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="JSONL file to write, for `finereel train --negatives`."
        ),
    ],
    level: Annotated[
        str,
        typer.Option(
            metavar="word|phrase|word,phrase",
            help="Whether to change single words, phrases or both.",
        ),
    ] = "word,phrase",
    per_caption: Annotated[
        int, typer.Option(metavar="N", help="Maximum number of negatives per caption and level.")
    ] = 20,
    seed: Annotated[
        int, typer.Option(help="Random seed; the same captions and seed give the same file.")
    ] = 0,
    side: Annotated[
        str,
        typer.Option(
            metavar="training|test|all",
            help="Which half of the vocabulary to replace words from; all uses both halves.",
        ),
    ] = "training",
    form: FormatOption = "captions",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Split of the data set that --format names; default: all captions."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make negatives for training by swapping in words or phrases from other captions.

    Example: finereel negatives training captions.csv training.jsonl

    A word is replaced by another word of the captions with the same part-of-speech tag. The
    negatives share no word with those of `finereel negatives training --side test`, nor with a test
    set filtered by `finereel.finegrain.make.training.only(rows, "test")`. JSON output has
    the numbers of captions and negatives, in all and for each method.
    """
    from finereel.errors import unknown_name
    from finereel.finegrain.files.base import check_target
    from finereel.finegrain.make.training import TrainingNegatives

    check_target(out, captions)
    if side not in _SIDES:
        raise unknown_name("side", side, _SIDES)
    settings = TrainingNegatives(
        levels=tuple(part.strip() for part in level.split(",")),
        per_caption=per_caption,
        side=None if side == "all" else side,  # type: ignore[arg-type]
        seed=seed,
    )
    rows = list(caption_rows(captions, form, split))
    methods = _write(rows, settings, out)
    if as_json:
        print_json(
            {
                "captions": len(rows),
                "negatives": methods.total(),
                "methods": dict(sorted(methods.items())),
            }
        )
    else:
        typer.echo(
            f"{methods.total()} negatives of {len(rows)} captions in {shown(str(out))}", err=True
        )


def _write(rows: "list[Caption]", settings: "TrainingNegatives", out: Path) -> "Counter[str]":
    """Write them under a bar; how many of each method."""
    from finereel.cli.progress import bar
    from finereel.finegrain.files import write_negatives
    from finereel.finegrain.make.training import training_negatives

    methods: Counter[str] = Counter()
    place = {row.id: number for number, row in enumerate(rows)}

    with bar() as progress:
        task = progress.add_task("captions", total=len(rows), note="")

        def counted() -> "Iterator[Negative]":
            for negative in training_negatives(rows, settings):
                methods[negative.method] += 1
                progress.update(task, completed=place[negative.caption_id])
                yield negative

        write_negatives(counted(), out)
    return methods
