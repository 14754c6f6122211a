"""`train`: a recipe, from data to a model directory and its result on the test split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from finereel.recipes.overrides import Changes
    from finereel.recipes.run import FinishedRun, RunOptions


def train(
    recipe: Annotated[
        str,
        typer.Option(metavar="NAME", help="debug, msrvtt, folder, ...; a wrong name lists all."),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the run is kept; the same DIR goes on with it."),
    ],
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another data set than the recipe's.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its annotation files.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(metavar="DIR", help="Its videos.")] = None,
    features: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Precomputed tokens, instead of videos.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep decoded frames here.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="DIR_OR_ID", help="The CLIP model to start from.")
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Fine-grained negatives of the training captions."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="NAME", help="ucofia, clip4clip, xclip, ts2net, drl ...")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="So many steps, instead of passes over the data.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="Pairs in a batch.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the data's order and all new weights.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other number of the recipe: lr=3e-4."
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option(help="Go on however many videos cannot be read.")
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Train a model by a recipe, choose the best on validation, and measure it once on the test
    split.

    Example: finereel train --recipe debug --out runs/debug

    DIR/model is a model for every other command, DIR/record the result with everything it must carry, DIR/log.jsonl
    every step. It can be interrupted or killed at any time; the same command goes on. To train on your own videos:
    finereel train --recipe folder --annotations captions.csv --videos DIR --out DIR

    With --negatives every caption is also told from its own negatives (loss weight --set
    training.fine.weight=0.2, --set pairs.negatives=15 a caption); --set visual_prompts=1 adds the
    prompt with a head of its own.
    """
    from finereel.recipes.overrides import Changes
    from finereel.recipes.run import RunOptions

    options = RunOptions(
        annotations, videos, features, cache, model, negatives, allow_missing, device
    )
    changes = Changes(data, head, steps, batch, seed, _pairs(settings or []))
    outcome = _run(recipe, changes, out, options)
    if outcome is not None:  # else the first of several processes tells
        _finish(outcome, as_json)


def _pairs(settings: list[str]) -> dict[str, str]:
    """NAME=VALUE texts as a mapping."""
    named = {}
    for text in settings:
        name, sign, value = text.partition("=")
        if not (sign and name):
            raise typer.BadParameter(f"expected NAME=VALUE, got {text!r}", param_hint="--set")
        named[name.strip()] = value.strip()
    return named


def _run(
    recipe_name: str, changes: "Changes", out: Path, options: "RunOptions"
) -> "FinishedRun | None":
    from finereel.cli.training_view import TrainingView
    from finereel.io.signals import Stopped
    from finereel.recipes import recipe
    from finereel.recipes.overrides import changed
    from finereel.recipes.run import run

    chosen = changed(recipe(recipe_name), changes)
    try:
        with TrainingView() as view:
            return run(chosen, out, options, view)
    except Stopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(128 + stopped.signum) from None


def _finish(outcome: "FinishedRun", as_json: bool) -> None:
    from finereel.cli.evaluate import print_record
    from finereel.evaluation.record_files import described_record

    typer.echo(f"model in {outcome.folder}, record in {outcome.folder.parent / 'record'}", err=True)
    if as_json:
        print_json(described_record(outcome.record))
    else:
        print_record(outcome.record)
