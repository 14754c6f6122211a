"""Estimate the cost of training every head on ReelWorld with the recipe `reelworld-tiny`.

    python research/benchmarks/training.py [--heads ucofia xclip] [--steps 3]

Each head trains a few steps of each stage of the recipe, at the recipe's own batch sizes, on a
batch drawn beforehand. The least CPU time of a step (loss, gradients, optimizer; without
validation) times the number of steps is the cost of the stage. Drawing has a separate column: in a
run another process does it meanwhile. CPU time is used because other work on the machine disturbs
it less; on two cores a run takes between half the sum and all of it.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.table import Table

from finereel.models.heads import HEADS
from finereel.recipes import WorldRecipe, recipe
from finereel.recipes.base import Stage
from finereel.recipes.overrides import Changes, changed
from finereel.recipes.run_reelworld import build, to_batch, with_weights
from finereel.reelworld.batches import make_batch
from finereel.training.batch import Batch
from finereel.training.health import Validation
from finereel.training.trainer import train

HOUR = 3600.0


def step_times(world: WorldRecipe, stage: Stage, batch: Batch, steps: int) -> Iterator[float]:
    """CPU seconds of each step but the first, which also makes the optimizer."""
    model = with_weights(build(world), stage.weights or world.model.weights)
    settings = replace(stage.training, steps=steps + 1, validate_every=steps + 1)
    marks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            model,
            lambda step: batch,
            lambda trained: Validation(0.0, {}, 0.0),
            settings,
            Path(folder),
            lambda progress: marks.append(time.process_time()),
        )
    yield from (after - before for before, after in pairwise(marks[:-1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", nargs="+", choices=list(HEADS), default=list(HEADS))
    parser.add_argument("--steps", type=int, default=3)
    given = parser.parse_args()
    plain = recipe("reelworld-tiny")
    assert isinstance(plain, WorldRecipe)
    batches, drawing = [], 0.0
    tokenizer = build(plain).tokenizer
    for stage in plain.stages:
        started = time.process_time()
        batches.append(to_batch(make_batch(stage.batches, 0), tokenizer, plain.model.max_words))
        drawing += (time.process_time() - started) * stage.training.steps
    table = Table(
        "head",
        "stage 1, s a step",
        "stage 2",
        "stage 3",
        "whole run, core hours",
        "and drawing, core hours",
    )
    for head in given.heads:
        world = changed(plain, Changes(head=head))
        assert isinstance(world, WorldRecipe)
        stages = list(zip(world.stages, batches, strict=True))
        seconds = [min(step_times(world, stage, batch, given.steps + 1)) for stage, batch in stages]
        whole = sum(
            cost * stage.training.steps for cost, (stage, _) in zip(seconds, stages, strict=True)
        )
        table.add_row(
            head,
            *(f"{cost:.2f}" for cost in seconds),
            f"{whole / HOUR:.2f}",
            f"{drawing / HOUR:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
