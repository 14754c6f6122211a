"""The loop on a tiny model: it learns, it resumes to the same weights, it keeps the best, it survives a NaN batch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finereel.encoders.patches import Perturbation
from finereel.features import Scores
from finereel.model import RetrievalModel, load
from finereel.training.batch import Batch
from finereel.training.loss import symmetric_infonce
from finereel.training.optim import OptimSettings
from finereel.training.trainer import Progress, TrainingSettings, contrastive_loss, train
from tiny_models import FRAMES, IMAGE, WORDS, tiny_model

SETTINGS = TrainingSettings(
    steps=6,
    optim=OptimSettings(lr=1e-3, tower_lr=1e-3, warmup=0.2),
    perturbation=Perturbation(samples=4),
    factor_weight=0.5,
    factor_sizes=(3,),
    validate_every=2,
)


def batch_at(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    size = 4
    ids = torch.randint(1, 500, (size, WORDS), generator=generator)
    ids[:, -1] = 529
    labels = torch.randint(-1, 3, (size, 1), generator=generator)
    return Batch(
        torch.randint(0, 256, (size, FRAMES, IMAGE, IMAGE, 3), generator=generator, dtype=torch.uint8),
        torch.ones(size, FRAMES, dtype=torch.bool),
        ids,
        torch.ones(size, WORDS, dtype=torch.bool),
        labels,
        labels,
    )


def rising() -> Callable[[RetrievalModel], float]:
    calls = iter(range(100))
    return lambda model: float(next(calls))


def weights(model: RetrievalModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_it_fits_one_batch(tmp_path: Path) -> None:
    losses: list[float] = []
    settings = replace(SETTINGS, steps=25, validate_every=25, factor_weight=0.0)
    train(tiny_model(), lambda step: batch_at(0), rising(), settings, tmp_path, lambda p: losses.append(p.loss))
    assert losses[-1] < losses[0] / 2


def test_a_run_that_was_stopped_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole, resumed = tiny_model(), tiny_model()
    train(whole, batch_at, rising(), SETTINGS, tmp_path / "whole")

    def stop_at_four(progress: Progress) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(resumed, batch_at, rising(), SETTINGS, tmp_path / "resumed", stop_at_four)
    again = tiny_model(seed=9)
    train(again, batch_at, rising(), SETTINGS, tmp_path / "resumed")
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(again)[name]), name


def test_the_best_by_validation_is_kept_not_the_last(tmp_path: Path) -> None:
    found: list[dict[str, torch.Tensor]] = []

    def falling(model: RetrievalModel) -> float:
        found.append(weights(model))
        return -float(len(found))

    model = tiny_model()
    best = train(model, batch_at, falling, SETTINGS, tmp_path)
    kept = load(tmp_path / "best")
    assert best == -1.0
    assert len(found) == 3
    assert all(torch.equal(tensor, found[0][name]) for name, tensor in weights(kept).items())
    assert any(not torch.equal(tensor, found[0][name]) for name, tensor in weights(model).items())


def test_a_batch_that_is_not_finite_changes_no_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    before = weights(model)
    monkeypatch.setattr(
        "finereel.training.trainer.contrastive_loss", lambda s, _: symmetric_infonce(s.fused) * torch.nan
    )
    train(model, batch_at, rising(), replace(SETTINGS, steps=2, factor_weight=0.0), tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(model).items())


def test_the_logit_scale_stays_below_its_limit(tmp_path: Path) -> None:
    model = tiny_model()
    train(model, batch_at, rising(), replace(SETTINGS, steps=1, max_logit_scale=0.5), tmp_path)
    assert model.encoder.clip.logit_scale.item() <= 0.5


def test_part_weight_adds_the_mean_of_the_parts() -> None:
    parts = {name: torch.randn(3, 3) for name in ("video_sentence", "frame_sentence")}
    scores = Scores(parts, {"video_sentence": 0.5, "frame_sentence": 0.5})
    plain = contrastive_loss(scores, SETTINGS)
    expected = plain + 0.4 * sum(symmetric_infonce(part) for part in parts.values()) / 2
    assert torch.allclose(contrastive_loss(scores, replace(SETTINGS, part_weight=0.4)), expected)
    assert torch.allclose(plain, symmetric_infonce(scores.fused))


def test_progress_counts_every_step_and_tells_when_it_validated(tmp_path: Path) -> None:
    events: list[Progress] = []
    train(tiny_model(), batch_at, rising(), SETTINGS, tmp_path, events.append)
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.validation for event in events] == [None, 0.0, None, 1.0, None, 2.0]
