"""Train a model on ReelWorld from scratch by a named recipe; the result is a model directory, OUT/model.

    python runs/train_reelworld.py --recipe reelworld-tiny --out runs/out/reelworld-tiny

Killed at any moment, the same command goes on from the last checkpoint. OUT/log.jsonl holds every step and every
validation (on the validation split); `runs/evaluate_reelworld.py` reads the test split, at the end.
"""

import argparse
import json
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from finereel.recipes import RECIPES, recipe
from finereel.run import StageProgress, run


def summary(event: StageProgress) -> dict[str, object]:
    """One log line: the step, and the validation metrics where the step validated."""
    step = event.progress
    line: dict[str, object] = {
        "stage": event.stage,
        "step": step.step,
        "loss": round(step.loss, 4),
        "grad_norm": round(step.grad_norm, 4),
        "seconds": round(step.seconds, 3),
    }
    if event.result is not None:
        retrieval = event.result.retrieval.text_to_video
        line["r1"] = {name: round(row.metrics.r1, 1) for name, row in retrieval.items()}
        line["twins"] = {pos: round(found.text.percent, 1) for pos, found in event.result.twins.items()}
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="debug")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar, (arguments.out / "log.jsonl").open("a", encoding="utf-8") as log:
        task = bar.add_task("starting", total=None)

        def show(event: StageProgress) -> None:
            line = summary(event)
            log.write(json.dumps(line) + "\n")
            log.flush()
            step = event.progress
            text = f"stage {event.stage}/{event.stages} loss {step.loss:.3f}"
            bar.update(task, description=text, completed=step.step, total=step.steps)
            if "r1" in line:
                bar.print(json.dumps(line))

        run(recipe(arguments.recipe), arguments.out, show)


if __name__ == "__main__":
    main()
