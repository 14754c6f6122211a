"""A checkpoint restores everything, or says why not; a torn write leaves the one before."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from finereel.errors import CheckpointError, ConfigError, TrainingError
from finereel.training.checkpoint import Checkpoint, RunState
from finereel.training.health import Validation

SETTINGS = {"steps": "6"}


def parts(seed: int, width: int = 3) -> dict[str, nn.Module | torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = nn.Linear(width, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, width)).sum().backward()
    optimizer.step()
    return {"model": model, "optimizer": optimizer}


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Files can grow to `size` bytes and no further: writing more fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_nothing_saved_starts_at_zero(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "none.pt", SETTINGS).restore(parts(0)) == RunState()


def test_round_trip_restores_weights_optimizer_and_state(tmp_path: Path) -> None:
    saved, other = parts(0), parts(1)
    checkpoint = Checkpoint(tmp_path / "run" / "checkpoint.pt", SETTINGS)
    state = RunState(7, 61.5, 4, 1, 2, True, ((4, 61.5), (6, 60.0)), 1234)
    checkpoint.save(saved, state)
    assert checkpoint.restore(other) == state
    assert torch.equal(other["model"].weight, saved["model"].weight)
    first, second = (
        given["optimizer"].state_dict()["state"][0]["exp_avg"] for given in (saved, other)
    )
    assert torch.equal(first, second)
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["checkpoint.pt"]


def test_the_file_is_replaced_and_never_written_to(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", SETTINGS)
    checkpoint.save(parts(0), RunState(step=1))
    before = checkpoint.path.read_bytes()
    with checkpoint.path.open("rb") as opened:
        checkpoint.save(parts(1), RunState(step=2))
        assert opened.read() == before
    assert checkpoint.restore(parts(2)).step == 2


@pytest.mark.parametrize("size", [0, 100, 1500])
def test_a_full_disk_leaves_the_one_before_and_nothing_half_written(
    tmp_path: Path, size: int
) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", SETTINGS)
    checkpoint.save(parts(0), RunState(step=1))
    with disk_of(size), pytest.raises(TrainingError, match="make room"):
        checkpoint.save(parts(1), RunState(step=2))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert checkpoint.restore(parts(2)).step == 1


def test_a_half_written_file_beside_it_is_ignored(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", SETTINGS)
    (tmp_path / "checkpoint.partial").write_bytes(b"half")
    assert checkpoint.restore(parts(0)) == RunState()
    checkpoint.save(parts(0), RunState(step=3))
    assert checkpoint.restore(parts(0)).step == 3


def test_another_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", SETTINGS)
    checkpoint.save(parts(0), RunState())
    with pytest.raises(CheckpointError, match="another folder"):
        checkpoint.restore(parts(0, width=4))


@pytest.mark.parametrize("kept", [0, 10, 800])
def test_a_torn_file_is_refused_with_what_to_do(tmp_path: Path, kept: int) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", SETTINGS)
    checkpoint.save(parts(0), RunState())
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="delete it to start over"):
        checkpoint.restore(parts(0))


def test_other_settings_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    path, other = tmp_path / "checkpoint.pt", parts(1)
    Checkpoint(path, {"steps": "6", "seed": "0"}).save(parts(0), RunState())
    before = other["model"].weight.clone()
    with pytest.raises(
        ConfigError, match=r"seed was 0 and is not set; steps was 6 and is 8.*keeps its length"
    ) as caught:
        Checkpoint(path, {"steps": "8"}).restore(other)
    assert (
        f"another folder, which may start from the model of this one ({tmp_path / 'best'})"
        in str(caught.value)
    )
    with pytest.raises(ConfigError) as caught:
        Checkpoint(path, {"steps": "6", "seed": "1"}).restore(other)
    assert "length" not in str(caught.value)
    assert torch.equal(other["model"].weight, before)


def test_a_new_best_is_higher_than_all_before() -> None:
    state = RunState(step=2).judged(Validation(1.0))
    assert (state.best, state.best_step, state.stale) == (1.0, 2, 0)
    equal = state.stepped(finite=True).judged(Validation(1.0))
    assert (equal.best, equal.best_step, equal.stale) == (1.0, 2, 1)
    better = equal.stepped(finite=False).judged(Validation(1.5))
    assert (better.best, better.best_step, better.stale, better.skipped) == (1.5, 4, 0, 1)
    assert better.history == ((2, 1.0), (3, 1.0), (4, 1.5))
