"""`finereel train`: what it passes on, what it prints, how it stops."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from finereel.cli.training_view import TrainingView
from finereel.io.signals import Stopped
from finereel.recipes.run import Note, RunOptions, StageProgress, Working
from finereel.training.health import Validation
from finereel.training.trainer import Progress
from support.media import Recipe, make_video
from test_plain_clip import make_clip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command asked to run; nothing is run, as in a process that is not the first."""
    calls: list[Any] = []
    monkeypatch.setattr("finereel.recipes.run.run", lambda *arguments: calls.append(arguments))
    return calls


def test_options_and_settings_reach_the_run(run: Any, asked: list[Any]) -> None:
    result = run(
        *(
            "train",
            "--recipe",
            "msrvtt",
            "--out",
            "o",
            "--annotations",
            "a",
            "--videos",
            "v",
            "--model",
            "m",
        ),
        *(
            "--head",
            "xclip",
            "--steps",
            "9",
            "--batch",
            "8",
            "--seed",
            "3",
            "--set",
            "lr=0.5",
            "--set",
            "patience = 2",
        ),
        *(
            "--allow-missing",
            "--device",
            "cpu",
            "--negatives",
            "n.jsonl",
            "--set",
            "visual_prompts=2",
        ),
        *("--set", "training.fine.weight=0.5", "--set", "negatives=7"),
    )
    assert result.exit_code == 0, result.output
    [(recipe, out, options, _)] = asked
    assert out == Path("o")
    assert options == RunOptions(
        Path("a"),
        Path("v"),
        start="m",
        negatives=Path("n.jsonl"),
        allow_missing=True,
        device="cpu",
        workers=None,
    )
    assert (
        recipe.model.fine.visual_prompts,
        recipe.training.fine.weight,
        recipe.pairs.negatives,
    ) == (2, 0.5, 7)
    assert (recipe.model.head, recipe.training.steps, recipe.pairs.batch_size) == ("xclip", 9, 8)
    assert (recipe.training.optim.lr, recipe.training.patience, recipe.training.seed) == (0.5, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--recipe", "debugg"), 1, "unknown recipe 'debugg'"),
        (("--recipe", "debug", "--head", "clop"), 1, "unknown head"),
        (("--recipe", "debug", "--set", "speed=1"), 1, "no setting 'speed'"),
        (("--recipe", "debug", "--set", "speed"), 2, "NAME=VALUE"),
        (("--recipe", "msrvtt", "--steps", "0"), 2, "--steps"),
        (("--recipe", "msrvtt", "--model", "reelworld-tiny"), 1, "msrvtt: where are its clips"),
    ],
)
def test_what_cannot_be_is_one_message(
    run: Any, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    result = run("train", "--out", tmp_path / "out", *arguments)
    assert result.exit_code == status, result.output
    assert says in " ".join(result.stderr.replace("│", " ").split())
    assert not result.stdout


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_says_how_to_go_on(
    run: Any, monkeypatch: pytest.MonkeyPatch, signum: int, status: int
) -> None:
    def stopped(*arguments: object) -> None:
        raise Stopped(7, signum)

    monkeypatch.setattr("finereel.recipes.run.run", stopped)
    result = run("train", "--recipe", "debug", "--out", "o")
    assert result.exit_code == status
    assert "after step 7; the same command goes on" in result.stderr


def test_debug_prints_a_result_and_keeps_a_model(run: Any, tmp_path: Path) -> None:
    result = run("train", "--recipe", "debug", "--out", tmp_path, "--steps", "1", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["dataset"]["coverage"] == "8/8"
    for way in ("text_to_video", "video_to_text"):
        row = record["results"][way]["fused"]
        assert {"R@1", "R@5", "R@10", "MdR", "intervals", "protocol"} <= set(row)
    assert "step 1/1: validation" in result.stderr
    again = run("train", "--recipe", "debug", "--out", tmp_path, "--steps", "1")
    assert "this run is finished" in again.stderr
    assert "text_to_video" in again.stdout
    assert "coverage 8/8" in again.stdout


def step(number: int, **changes: Any) -> Progress:
    values = {
        "loss": 2.5,
        "grad_norm": 1.0,
        "finite": True,
        "samples": 8,
        "lr": 1e-3,
        "logit_scale": 4.0,
    }
    return Progress(number, 10, **{**values, "seconds": 2.0, **changes})


def test_the_view_draws_every_kind_of_event() -> None:
    out = io.StringIO()
    with TrainingView(Console(file=out, force_terminal=True, width=150)) as view:
        view(Working("decoding", 1, 3))
        view(Note("2 videos left out\x1b[31m"))
        view(StageProgress(1, 1, step(1)))
        validation = Validation(40.0, {"text_to_video R@1": 31.25})
        view(StageProgress(1, 1, step(2, validation=validation, notes=("an alarm",))))
        view(StageProgress(2, 2, step(3)))
    drawn = out.getvalue()
    for expected in (
        "decoding",
        "2 videos left out",
        "loss 2.500",
        "R@1 31.2",
        "4.0 pairs/s",
        "an alarm",
        "2/10",
    ):
        assert expected in drawn
    assert "training, phase 2 of 2" in drawn
    assert "\x1b[31m\n" not in drawn, "a note must not steer the terminal"


def launch(*arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_a_checkpoint_and_the_same_command_goes_on(
    tmp_path: Path, signum: int, status: int
) -> None:
    table = tmp_path / "captions.csv"
    table.write_text(
        "video,caption\n" + "".join(f"v{number},a clip {number}\n" for number in range(40))
    )
    tokens = np.random.default_rng(0).standard_normal((40, 2, 3, 8)).astype(np.float32)
    np.savez(
        tmp_path / "tokens.npz", tokens=tokens, ids=np.array([f"v{number}" for number in range(40)])
    )
    command = (
        "-m",
        "finereel",
        "train",
        "--recipe",
        "features",
        "--annotations",
        table,
        "--features",
        tmp_path,
    )
    command = (
        *command,
        "--out",
        tmp_path / "out",
        "--batch",
        "4",
        "--set",
        "vocab_size=600",
        "--device",
        "cpu",
    )
    first = launch(*command, "--steps", "3000", "--set", "validations=1")
    wait_for(tmp_path / "out" / "log.jsonl", first)
    first.send_signal(signum)
    _, said = first.communicate(timeout=120)
    assert first.returncode == status, said
    assert "the same command goes on" in said
    assert (tmp_path / "out" / "checkpoint.pt").exists()
    second = launch(*command, "--steps", "3000", "--set", "validations=1")
    deadline, log = time.monotonic() + 120, tmp_path / "out" / "log.jsonl"
    before = log.stat().st_size
    while log.stat().st_size <= before and time.monotonic() < deadline:
        time.sleep(0.05)
    second.send_signal(signum)
    _, said = second.communicate(timeout=120)
    assert "going on after step" in said


@pytest.mark.slow
def test_a_killed_run_on_a_plain_clip_goes_on_with_the_same_command(tmp_path: Path) -> None:
    """No untrained part of the model is drawn anew, so the settings are those of the killed run."""
    make_clip(tmp_path / "clip")
    (tmp_path / "videos").mkdir()
    rows = ["video,caption"]
    for number in range(12):
        picture = Recipe(colour=(20 * number, 255 - 20 * number, 100), frames=12)
        make_video(tmp_path / "videos" / f"v{number}.mp4", picture)
        rows.append(f"v{number},a clip number {number} of a car")
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    where = ("--annotations", tmp_path / "captions.csv", "--videos", tmp_path / "videos")
    small = ("--batch", 4, "--steps", 3000, "--set", "validations=300", "--device", "cpu")
    words = ("--set", "max_words=6", "--set", "max_frames=2")
    model = ("--recipe", "folder", "--model", tmp_path / "clip", "--out", tmp_path / "out")
    command = [str(part) for part in ("-m", "finereel", "train", *model, *where, *small, *words)]
    first = launch(*command)
    wait_for(tmp_path / "out" / "checkpoint.pt", first)
    first.kill()
    first.communicate(timeout=120)
    second, log = launch(*command), tmp_path / "out" / "log.jsonl"
    deadline, before = time.monotonic() + 120, log.stat().st_size
    while log.stat().st_size <= before and time.monotonic() < deadline and second.poll() is None:
        time.sleep(0.05)
    second.send_signal(signal.SIGTERM)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 143, said
    assert "going on after step" in said


def test_the_table_of_torchrun_holds_the_message(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not torch's "To enable traceback see": nothing more is wrong than the message says."""
    told = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(told))
    assert (
        run("train", "--recipe", "debug", "--out", tmp_path / "run", "--set", "wrong=1").exit_code
        == 1
    )
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=1, error_file=str(told))
    assert failure.message.startswith(
        "error: there is no setting 'wrong': expected one of model.aggregation"
    )
    assert abs(failure.timestamp - time.time()) < 60


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """One result, one log with every step once, and a model that both made."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    command = ("-m", "finereel", "train", "--recipe", "debug", "--steps", "1", "--device", "cpu")
    both = launch(*torchrun, *command, "--out", tmp_path / "two")
    out, said = both.communicate(timeout=400)
    assert both.returncode == 0, said
    assert out.count("coverage 8/8") == 1
    lines = (tmp_path / "two" / "stage-2" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines].count("step") == 1


def test_help_lists_every_recipe() -> None:
    from typer.main import get_command

    from finereel.cli import app
    from finereel.recipes import RECIPES

    options = get_command(app).commands["train"].params  # type: ignore[attr-defined]
    told = next(option.help for option in options if option.name == "recipe")
    names = {name.removesuffix("-published") for name in RECIPES}
    assert names <= set(told.replace(",", " ").replace(":", " ").split())
    assert "-published" in told
