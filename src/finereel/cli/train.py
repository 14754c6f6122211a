"""`train`: carry out a recipe and write a model directory and its result on the test split."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.output import (
    AnnotationsOption,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    VideosOption,
    print_json,
)

if TYPE_CHECKING:
    from finereel.recipes.overrides import Changes
    from finereel.recipes.run import FinishedRun, RunOptions


def train(
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="debug, debug-fine, reelworld-tiny, reelworld-fine, everyday, features, folder, or "
            "of a data set: msrvtt, msvd, didemo, activitynet, vatex, lsmdc, vln_uvo, vln_oops, each "
            "also with -published (the settings of the papers).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of the run; the same DIR continues a stopped run."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Train on this data set instead of the recipe's."),
    ] = None,
    annotations: AnnotationsOption = None,
    videos: VideosOption = None,
    features: FeaturesOption = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to cache decoded frames in.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="DIR_OR_ID", help="The CLIP model to start from.")
    ] = None,
    negatives: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Fine-grained negatives of the training captions."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="ucofia, clip4clip, xclip, ts2net, drl, max_sim or xpool."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of steps, instead of the recipe's number of epochs. For ReelWorld, at "
            "most the recipe's.",
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=2, help="Number of text-video pairs in a batch.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Random seed for the order of the data and for new weights."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change any other setting of the recipe, such as lr=3e-4. Can be repeated.",
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option(help="Train even if many videos cannot be read.")
    ] = False,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of processes that prepare batches ahead; chosen by data and device if "
            "not given.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model with a recipe, select it on validation data and test it once.

    Example: finereel train --recipe debug --out runs/debug

    DIR/model is a model directory for every other command, DIR/record holds the test result, and
    DIR/log.jsonl holds the loss of every step. You can interrupt or kill a run at any time; the
    same command continues it. To train on your own videos: finereel train --recipe folder
    --annotations captions.csv --videos DIR --out DIR

    With --negatives the model also learns to tell every caption from its own negatives: `--set
    training.fine.weight=0.2` sets the weight of that loss, `--set pairs.negatives=15` the number of
    negatives per caption. `--set visual_prompts=1` adds a visual prompt with a separate
    fine-grained head.
    """
    from finereel.recipes.overrides import Changes
    from finereel.recipes.run import RunOptions

    options = RunOptions(
        annotations, videos, features, cache, model, negatives, allow_missing, device, workers
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
