"""`negatives training`: negatives to train with, of words and of phrases, that no test set
shares.
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
        Path, typer.Argument(metavar="OUT", help="A JSONL file, for `finereel train --negatives`.")
    ],
    level: Annotated[
        str, typer.Option(metavar="word|phrase|word,phrase", help="What changes.")
    ] = "word,phrase",
    per_caption: Annotated[
        int, typer.Option(metavar="N", help="At most so many per caption and level.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="With the captions it decides everything.")] = 0,
    side: Annotated[
        str,
        typer.Option(
            metavar="training|test|all", help="Which half of all words is exchanged; all for both."
        ),
    ] = "training",
    form: FormatOption = "captions",
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of that data set; all captions without.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make negatives to train with: words of the captions themselves in the place of others of the
    same tag.

    Example: finereel negatives training captions.csv training.jsonl

    They share no word with negatives kept by the other side: `finereel negatives training --side
    test`, and any test set filtered with `finereel.finegrain.make.training.only(rows,
    "test")`. JSON has captions, negatives, and how many of each method.
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
