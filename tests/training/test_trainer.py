"""The loop on a tiny model: it learns, it resumes to the same weights, it keeps the best, it
survives a bad batch.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from finereel.errors import ConfigError, TrainingError
from finereel.io.signals import Stopped
from finereel.models.features import Scores
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.training import trainer
from finereel.training.batch import Batch
from finereel.training.health import Validation
from finereel.training.learner import contrastive_loss, symmetric_infonce
from finereel.training.trainer import Progress, train
from tiny_models import tiny_model
from tiny_runs import SETTINGS, batch_at, loss_on_step_99, rising, same, scores, weights


def poisoned_at(*steps: int) -> Any:
    """Batches, those of some steps with a NaN in the loss: a text without words, all of whose clips
    have no frames.
    """

    def at(step: int) -> Batch:
        batch = batch_at(step)
        return (
            replace(batch, frame_mask=torch.zeros_like(batch.frame_mask))
            if step in steps
            else batch
        )

    return at


@pytest.fixture
def nan_for_empty_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published zero / zero of a clip without frames."""
    plain = RetrievalModel.video_features

    def features(self: RetrievalModel, frames: Any, mask: Any, noise: Any = None) -> Any:
        video = plain(self, frames, mask, noise)
        return video if bool(mask.any()) else replace(video, video=video.video * torch.nan)

    monkeypatch.setattr(RetrievalModel, "video_features", features)


def test_it_fits_one_batch(tmp_path: Path) -> None:
    losses: list[float] = []
    settings = replace(SETTINGS, steps=25, validate_every=25, factor_weight=0.0)
    train(
        tiny_model(),
        lambda step: batch_at(0),
        rising(),
        settings,
        tmp_path,
        lambda p: losses.append(p.loss),
    )
    assert losses[-1] < losses[0] / 2


def test_two_runs_leave_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        train(tiny_model(), batch_at, loss_on_step_99, SETTINGS, tmp_path / name)
        (
            tmp_path / name / "log.jsonl"
        ).unlink()  # it tells the time, and its length is in the checkpoint
    for file in ("best/model.safetensors", "best/config.json", "best/validation.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes(), (
            file
        )
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("one", "other")
    )
    assert same(one["model"], other["model"])
    assert one["state"] | {"log_bytes": 0} == other["state"] | {"log_bytes": 0}


def test_a_run_that_was_stopped_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole, resumed = tiny_model(), tiny_model()
    expected = train(whole, batch_at, loss_on_step_99, SETTINGS, tmp_path / "whole")

    def stop_at_five(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(resumed, batch_at, loss_on_step_99, SETTINGS, tmp_path / "resumed", stop_at_five)
    torch.rand(7)  # another process stands elsewhere in its random numbers
    again = tiny_model(seed=9)
    assert train(again, batch_at, loss_on_step_99, SETTINGS, tmp_path / "resumed") == expected
    assert same(weights(whole), weights(again))


def test_a_finished_run_does_nothing_but_tell_its_result(tmp_path: Path) -> None:
    expected = train(tiny_model(), batch_at, loss_on_step_99, SETTINGS, tmp_path)
    again = tiny_model(seed=9)
    assert (
        train(again, lambda step: pytest.fail("no batch is needed"), rising(), SETTINGS, tmp_path)
        == expected
    )
    assert (
        same(
            weights(again), torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"] | {}
        )
        is False
    )
    assert len(expected.history) == 3


def test_a_run_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path)
    other = replace(SETTINGS, steps=8, optim=replace(SETTINGS.optim, lr=0.5))
    with pytest.raises(
        ConfigError, match=r"optim\.lr was 0\.001 and is 0\.5; steps was 6 and is 8"
    ):
        train(tiny_model(), batch_at, rising(), other, tmp_path)
    with pytest.raises(ConfigError, match=r"model\.temporal_layers was 1 and is 2"):
        train(tiny_model(temporal_layers=2), batch_at, rising(), SETTINGS, tmp_path)
    train(
        tiny_model(),
        batch_at,
        rising(),
        replace(SETTINGS, log_every=3, checkpoint_every=1),
        tmp_path,
    )


def test_the_best_by_validation_is_kept_not_the_last(tmp_path: Path) -> None:
    found: list[dict[str, torch.Tensor]] = []

    def falling(model: RetrievalModel) -> Validation:
        found.append(weights(model))
        return Validation(-float(len(found)))

    model = tiny_model()
    result = train(model, batch_at, falling, SETTINGS, tmp_path)
    assert (result.best, result.best_step, len(found)) == (-1.0, 2, 3)
    assert result.history == ((2, -1.0), (4, -2.0), (6, -3.0))
    assert same(weights(load(tmp_path / "best")), found[0])
    assert not same(weights(model), found[0])


def test_the_best_model_scores_after_loading_what_it_scored_before_saving(tmp_path: Path) -> None:
    result = train(tiny_model(), batch_at, loss_on_step_99, SETTINGS, tmp_path)
    noted = json.loads((tmp_path / "best" / "validation.json").read_text())
    again = loss_on_step_99(load(tmp_path / "best"))
    assert again.score == noted["score"] == result.best
    assert again.metrics == noted["metrics"]
    assert noted["step"] == result.best_step


@pytest.mark.usefixtures("nan_for_empty_clips")
def test_a_batch_that_is_not_finite_is_skipped_counted_and_told(tmp_path: Path) -> None:
    model, events = tiny_model(), list[Progress]()
    settings = replace(SETTINGS, steps=2, factor_weight=0.0)
    before = weights(model)
    result = train(model, poisoned_at(0, 1), rising(), settings, tmp_path, events.append)
    assert same(weights(model), before)
    assert result.skipped == 2
    assert [event.finite for event in events] == [False, False]
    assert any("skipped" in note for note in events[0].notes)
    clean = train(tiny_model(), poisoned_at(1), rising(), settings, tmp_path / "half")
    assert clean.skipped == 1


@pytest.mark.usefixtures("nan_for_empty_clips")
def test_too_many_bad_batches_end_the_run_and_keep_its_checkpoint(tmp_path: Path) -> None:
    settings = replace(SETTINGS, factor_weight=0.0, max_bad_batches=1, checkpoint_every=1)
    with pytest.raises(TrainingError, match="2 batches up to step 5"):
        train(tiny_model(), poisoned_at(3, 4), rising(), settings, tmp_path)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["state"]["step"] == 4
    assert all(bool(tensor.isfinite().all()) for tensor in kept["model"].values())
    finished = train(
        tiny_model(), poisoned_at(3, 4), rising(), replace(settings, max_bad_batches=2), tmp_path
    )
    assert finished.skipped == 2


def test_patience_ends_a_run_that_gets_no_better_and_a_resumed_one_too(tmp_path: Path) -> None:
    settings = replace(SETTINGS, validate_every=1, patience=2)
    result = train(tiny_model(), batch_at, scores(1.0, 3.0, 2.0, 3.0), settings, tmp_path)
    assert (result.steps, result.best_step, result.early) == (4, 2, True)
    assert train(tiny_model(), batch_at, rising(), settings, tmp_path) == result


def test_the_alarm_goes_off_once_and_only_at_chance(tmp_path: Path) -> None:
    settings = replace(SETTINGS, validate_every=1, chance_after=3)

    def alarms(score: float, folder: str) -> list[int]:
        events: list[Progress] = []
        train(
            tiny_model(),
            batch_at,
            lambda m: Validation(score, chance=5.0),
            settings,
            tmp_path / folder,
            events.append,
        )
        return [event.step for event in events if any("at chance" in note for note in event.notes)]

    assert alarms(5.0, "guessing") == [3]
    assert alarms(5.1, "learning") == []
    assert "at chance after 3 steps" in (tmp_path / "guessing" / "log.jsonl").read_text()


def test_the_test_split_is_refused_for_selection(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="refused for selection"):
        train(
            tiny_model(), batch_at, lambda model: Validation(1.0, split="test"), SETTINGS, tmp_path
        )
    assert not (tmp_path / "best").exists()


def test_frozen_parameters_are_not_touched(tmp_path: Path) -> None:
    model = tiny_model()
    before = weights(model)
    frozen = replace(
        SETTINGS, optim=replace(SETTINGS.optim, freeze=("encoder",)), max_logit_scale=0.1
    )
    train(model, batch_at, rising(), frozen, tmp_path)
    after = weights(model)
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed
    assert not any(name.startswith("encoder") for name in changed)
    assert all(p.grad is None for name, p in model.named_parameters() if name.startswith("encoder"))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_other_precisions_learn_too_and_resume_with_their_loss_scale(
    tmp_path: Path, precision: str
) -> None:
    settings = replace(
        SETTINGS, steps=25, validate_every=25, factor_weight=0.0, precision=precision
    )
    events: list[Progress] = []
    result = train(
        tiny_model(), lambda step: batch_at(0), rising(), settings, tmp_path, events.append
    )
    assert events[-1].loss < events[0].loss / 2
    assert result.skipped == 0
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["precision"]
    assert ("scale" in saved) == (precision == "float16")


def test_an_overflow_of_float16_is_told_but_no_bad_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**127))
    settings = replace(SETTINGS, precision="float16", max_bad_batches=0)
    events: list[Progress] = []
    model = tiny_model()
    before = weights(model)
    result = train(model, batch_at, rising(), settings, tmp_path, events.append)
    assert all(any("overflow" in note for note in event.notes) for event in events)
    assert (result.skipped, same(weights(model), before)) == (0, True)


def test_the_first_step_tells_what_is_missing_or_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    events: list[Progress] = []

    def stop(progress: Progress) -> None:
        events.append(progress)
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path, stop)
    train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path, events.append)
    hints = {event.step: event.notes for event in events if event.notes}
    assert sorted(hints)[:2] == [1, 3]
    assert "pip install" in hints[1][0]
    assert hints[3][0] == "going on after step 2"


def test_the_logit_scale_stays_below_its_limit(tmp_path: Path) -> None:
    model = tiny_model()
    train(model, batch_at, rising(), replace(SETTINGS, steps=1, max_logit_scale=0.5), tmp_path)
    assert model.encoder.clip.logit_scale.item() <= 0.5


def test_part_weight_adds_the_mean_of_the_parts() -> None:
    parts = {name: torch.randn(3, 3) for name in ("video_sentence", "frame_sentence")}
    given = Scores(parts, {"video_sentence": 0.5, "frame_sentence": 0.5})
    plain = contrastive_loss(given)
    expected = plain + 0.4 * sum(symmetric_infonce(part) for part in parts.values()) / 2
    assert torch.allclose(contrastive_loss(given, 0.4), expected)
    assert torch.allclose(plain, symmetric_infonce(given.fused))


def test_progress_counts_every_step_and_tells_when_it_validated(tmp_path: Path) -> None:
    events: list[Progress] = []
    train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path, events.append)
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6]
    found = [None if event.validation is None else event.validation.score for event in events]
    assert found == [None, 0.0, None, 1.0, None, 2.0]
    assert all(event.samples_per_second > 0 for event in events)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_the_run_goes_on_to_the_same_weights(
    tmp_path: Path, number: signal.Signals
) -> None:
    whole, resumed = tiny_model(), tiny_model(seed=9)
    settings = replace(SETTINGS, validate_every=6)
    train(whole, batch_at, loss_on_step_99, settings, tmp_path / "whole")

    def ask(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(Stopped, match="after step 3") as stopped:
        train(tiny_model(), batch_at, loss_on_step_99, settings, tmp_path / "resumed", ask)
    assert (stopped.value.step, stopped.value.signum) == (3, number)
    steps: list[int] = []
    train(
        resumed,
        batch_at,
        loss_on_step_99,
        settings,
        tmp_path / "resumed",
        lambda p: steps.append(p.step),
    )
    assert steps == [4, 5, 6]
    assert same(weights(whole), weights(resumed))


@pytest.mark.parametrize("error", [BrokenPipeError, KeyboardInterrupt])
def test_batches_that_fail_because_of_the_signal_do_not_cost_the_checkpoint(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def torn(step: int) -> Batch:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
            raise error("the worker was stopped too")
        return batch_at(step)

    with pytest.raises(Stopped, match="after step 3"):
        train(tiny_model(), torn, rising(), SETTINGS, tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["state"]["step"] == 3


def test_batches_that_fail_by_themselves_are_not_hidden(tmp_path: Path) -> None:
    def torn(step: int) -> Batch:
        raise BrokenPipeError("no signal")

    with pytest.raises(BrokenPipeError, match="no signal"):
        train(tiny_model(), torn, rising(), SETTINGS, tmp_path)


def test_a_full_disk_while_the_best_is_saved_leaves_the_best_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(model: RetrievalModel, directory: Path) -> None:
        (Path(directory) / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    train(tiny_model(), batch_at, scores(1.0), SETTINGS, tmp_path)
    before = (tmp_path / "best" / "model.safetensors").read_bytes()
    (tmp_path / "checkpoint.pt").unlink()
    monkeypatch.setattr(trainer, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        train(tiny_model(seed=3), batch_at, scores(2.0), SETTINGS, tmp_path)
    assert (tmp_path / "best" / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "best",
        "tensorboard",
    ]


def test_the_log_of_a_resumed_run_holds_no_step_twice(tmp_path: Path) -> None:
    def crash(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path, crash)
    logged = (tmp_path / "log.jsonl").read_text()
    assert '"step": 5' in logged
    train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if line["kind"] == "validation"] == [2, 4, 6]
