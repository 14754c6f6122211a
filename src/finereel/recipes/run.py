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
from finereel.recipes.run_reelworld import build, run_world, with_weights
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
    "with_weights",
]

_NOTHING_GIVEN = RunOptions()


def run(
    recipe: Recipe, out: Path, options: RunOptions = _NOTHING_GIVEN, on_event: OnEvent = silent
) -> FinishedRun | None:
    """Train by a recipe; the model goes to `out/model`, its record on the test split to
    `out/record`.

    Killed at any moment, the same call goes on from the last checkpoint. The test split chooses
    nothing. Of several processes that torchrun started, the first one returns the outcome, the
    others None.
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
