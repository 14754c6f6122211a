"""A checkpoint restores everything, or says why not; a torn write leaves the one before."""

from pathlib import Path

import pytest
import torch
from torch import nn

from finereel.errors import CheckpointError
from finereel.training.checkpoint import Checkpoint


def learner(seed: int, width: int = 3) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = nn.Linear(width, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, width)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_nothing_saved_starts_at_zero(tmp_path: Path) -> None:
    model, optimizer = learner(0)
    assert Checkpoint(tmp_path / "none.pt").restore(model, optimizer) == (0, float("-inf"))


def test_round_trip_restores_weights_optimizer_step_best_and_random_state(tmp_path: Path) -> None:
    model, optimizer = learner(0)
    checkpoint = Checkpoint(tmp_path / "run" / "checkpoint.pt")
    checkpoint.save(model, optimizer, 7, 61.5)
    expected = torch.rand(3)
    other, other_optimizer = learner(1)
    assert checkpoint.restore(other, other_optimizer) == (7, 61.5)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(other.weight, model.weight)
    first, second = (o.state_dict()["state"][0]["exp_avg"] for o in (optimizer, other_optimizer))
    assert torch.equal(first, second)


def test_a_torn_write_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = learner(0)
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    checkpoint.save(model, optimizer, 1, 0.0)

    def torn(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(model, optimizer, 2, 0.0)
    assert checkpoint.restore(model, optimizer)[0] == 1


def test_another_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    checkpoint.save(*learner(0), 1, 0.0)
    with pytest.raises(CheckpointError, match="another folder"):
        checkpoint.restore(*learner(0, width=4))
