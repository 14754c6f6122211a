"""Carry out a recipe: load the data, train the model, select the best one, and test it once."""

from pathlib import Path

from finereel.errors import ConfigError
from finereel.recipes import Recipe, WorldRecipe
from finereel.recipes.events import (
    Event,
    FinishedRun,
    Note,
    OnEvent,
    RunOptions,
    StageProgress,
    Working,
    silent,
)
from finereel.recipes.run_dataset import run_pairs
from finereel.recipes.run_reelworld import build, run_world, with_frames, with_weights
from finereel.training.distributed import finish, start

__all__ = [
    "Event",
    "FinishedRun",
    "Note",
    "RunOptions",
    "StageProgress",
    "Working",
    "build",
    "run",
    "with_frames",
    "with_weights",
]

_NOTHING_GIVEN = RunOptions()


def run(
    recipe: Recipe, out: Path, options: RunOptions = _NOTHING_GIVEN, on_event: OnEvent = silent
) -> FinishedRun | None:
    """Train a model with a recipe, select it on validation data and test it once.

    The model is written to `out/model` and its record on the test split to `out/record`. A run that
    was stopped or killed continues from its last checkpoint if called again. The test split never
    influences the selection.

    Args:
        recipe: The recipe; `finereel.recipes.recipe` looks one up by name.
        out: Folder of the run.
        options: Where data, features and the initial model are, and the device.
        on_event: Called with every progress event.

    Returns:
        The finished run. If torchrun started several processes, only the first one returns it and
        the others return None.

    Raises:
        ConfigError: If the options do not fit the recipe, or the settings differ from those of the
            run in `out`.
        DataError: If the data cannot be read.
        TrainingError: If training cannot continue.
    """
    if isinstance(recipe, WorldRecipe):
        _refuse_unused(recipe, options)
    shard = start()
    try:
        if isinstance(recipe, WorldRecipe):
            return run_world(recipe, out, shard, on_event)
        return run_pairs(recipe, out, options, shard, on_event)
    finally:
        finish()


def _refuse_unused(recipe: WorldRecipe, options: RunOptions) -> None:
    given = [
        name
        for name in ("annotations", "videos", "features", "start", "negatives")
        if getattr(options, name) is not None
    ]
    if given or options.device not in ("auto", "cpu"):
        raise ConfigError(
            f"recipe {recipe.name} draws its own clips and trains a model from scratch on the "
            "processor: leave out "
            f"{', '.join(given) or 'the device'}"
        )
