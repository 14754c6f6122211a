"""Blocks that forget their activations, or are compiled, train to the same weights."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finereel.models.retrieval import RetrievalModel
from finereel.training.batch import Batch
from finereel.training.blocks import blocks_of, can_compile, training_blocks
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import BatchAt, Progress, train
from tiny_models import tiny_model
from tiny_runs import SETTINGS, batch_at, loss_on_step_99, same, weights


def trained(out: Path, settings: TrainingSettings) -> tuple[RetrievalModel, list[Progress]]:
    events: list[Progress] = []
    model = tiny_model()
    train(model, batch_at, loss_on_step_99, settings, out, events.append)
    return model, events


def test_recomputed_activations_give_the_same_weights_and_keep_less(tmp_path: Path) -> None:
    plain, _ = trained(tmp_path / "plain", SETTINGS)
    again, _ = trained(tmp_path / "again", replace(SETTINGS, recompute=True))
    assert same(weights(plain), weights(again))
    assert not any("forward" in block.__dict__ for block in blocks_of(again))
    assert kept_bytes(plain, recompute=True) < kept_bytes(plain, recompute=False) * 0.7


def kept_bytes(model: RetrievalModel, recompute: bool) -> int:
    """What a forward pass keeps for the backward pass."""
    sizes: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.nbytes)
        return tensor

    batch = batch_at(0)
    with (
        training_blocks(model.encoder, recompute, compiled=False),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        model.encoder.encode_frames(model.encoder.to_input(batch.frames), batch.frame_mask)
    return sum(sizes)


def test_a_run_may_change_how_blocks_are_called_when_it_goes_on(tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole", SETTINGS)
    first = replace(SETTINGS, steps=6, checkpoint_every=2, recompute=True)
    with pytest.raises(InterruptedError):
        train(tiny_model(), stops_at(4), loss_on_step_99, first, tmp_path / "out")
    resumed, events = trained(tmp_path / "out", replace(first, recompute=False))
    assert [event.step for event in events] == [5, 6]
    assert same(weights(whole), weights(resumed))


def stops_at(last: int) -> BatchAt:
    def at(step: int) -> Batch:
        if step == last:
            raise InterruptedError
        return batch_at(step)

    return at


def test_without_a_compiler_a_run_says_so_and_trains_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    plain, _ = trained(tmp_path / "plain", SETTINGS)
    asked, events = trained(tmp_path / "asked", replace(SETTINGS, compile=True))
    assert same(weights(plain), weights(asked))
    assert any("needs a C++ compiler" in note for note in events[0].notes)


COMPILED = """
import torch
from torch import nn
from finereel.training.batch import Batch
from finereel.training.blocks import training_blocks
torch.manual_seed(0)
tower = nn.Sequential(nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))]))
[block] = tower[0]
rows = torch.randn(4, 8)
def passed():
    block.zero_grad()
    out = block(rows)
    out.square().sum().backward()
    return torch.cat([out.detach().flatten(), *(p.grad.flatten() for p in block.parameters())])
plain = passed()
with training_blocks(tower, recompute=False, compiled=True):
    assert hasattr(block.forward, "get_compiler_config")
    compiled = passed()
assert torch.allclose(plain, compiled, atol=1e-5), (plain - compiled).abs().max()
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="needs a C++ compiler")
def test_a_compiled_block_gives_the_same_numbers_and_gradients() -> None:
    """In a process of its own: a compiler cannot read through the shape checks of the tests."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=300)
