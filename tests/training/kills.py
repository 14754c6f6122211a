"""A script: train, be killed 50 times, go on each time, and compare with a run that nobody
disturbed.

    python kills.py FOLDER KILLS SEED

Starting Python and torch takes seconds, so every life is a fork of this one warm process, which
itself does nothing but train once undisturbed. Prints one JSON object: what `test_kill.py` asserts.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from finereel.training.trainer import train
from tiny_models import tiny_model
from tiny_runs import SETTINGS, batch_at, loss_on_step_99

RUN = replace(SETTINGS, steps=30, validate_every=3, checkpoint_every=1)
HALF_WRITTEN = (".checkpoint.pt.*.part", ".best.*.part", "best.before")


def live(out: Path) -> None:
    train(tiny_model(), batch_at, loss_on_step_99, RUN, out)


def forked(task: Callable[[], None]) -> int:
    """The id of a child that does the task and ends; one that fails ends with 1."""
    child = os.fork()
    if child:
        return child
    try:
        task()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def ended(child: int) -> int:
    """How it ended: 0 well, -9 killed; anything else is an error of the run."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"a life ended with {code}")
    return code


def killed_at_random(out: Path, delay: float) -> bool:
    """Whether a life of `delay` seconds was killed before it had finished the run."""
    child = forked(lambda: live(out))
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    return ended(child) != 0


def killed_at_operation(out: Path, number: int) -> bool:
    """Whether there was a number-th call of what a save consists of; the life ends in front of it,
    half way for a write.
    """
    calls = itertools.count()

    def deadly(
        operation: Callable[..., Any], last_words: Callable[..., Any] = lambda *given: None
    ) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            if next(calls) == number:
                last_words(*given)
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*given, **named)

        return call

    def half(values: Any, file: Any) -> None:
        file.write(b"PK half of a checkpoint")
        file.flush()

    def task() -> None:
        torch.save = deadly(torch.save, half)
        os.fsync = deadly(os.fsync)
        for name in ("replace", "rename", "write_text"):
            setattr(Path, name, deadly(getattr(Path, name)))
        live(out)

    return ended(forked(task)) != 0


def differences(one: Path, other: Path) -> list[str]:
    """What differs between the ends of two runs, but for times in the log."""
    found = [
        name
        for name in ("best/model.safetensors", "best/config.json", "best/validation.json")
        if (one / name).read_bytes() != (other / name).read_bytes()
    ]
    first, second = (
        torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (one, other)
    )
    found += [
        name
        for name, tensor in first["model"].items()
        if not torch.equal(tensor, second["model"][name])
    ]
    for key, state in first["optimizer"]["state"].items():
        again = second["optimizer"]["state"][key]
        found += [
            f"{key}.{name}"
            for name, tensor in state.items()
            if not torch.equal(tensor, again[name])
        ]
    if first["state"] | {"log_bytes": 0} != second["state"] | {"log_bytes": 0}:
        found.append("state")
    if not steps_logged(one) == steps_logged(other) == list(range(1, RUN.steps + 1)):
        found.append("log")
    return found


def steps_logged(folder: Path) -> list[int]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line["step"] for line in lines if line["kind"] == "step"]


def main(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    rng, whole = random.Random(seed), folder / "whole"
    live(folder / "warm")
    started = time.perf_counter()
    live(whole)
    seconds = time.perf_counter() - started
    points, half_written, runs = 0, 0, 0
    different: list[str] = []
    while killed_at_operation(folder / "points", points):
        points += 1 if points < 12 else rng.randrange(1, 4)
    different += differences(whole, folder / "points")
    done = 0
    while done < kills:
        out, runs = folder / f"random-{runs}", runs + 1
        while killed_at_random(out, rng.uniform(0, seconds / 8)) and done < kills:
            done += 1
            half_written += any(any(out.glob(name)) for name in HALF_WRITTEN)
        ended(forked(lambda out=out: live(out)))
        different += differences(whole, out)
    return {
        "kills": done,
        "points": points,
        "half_written": half_written,
        "runs": runs,
        "different": different,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
