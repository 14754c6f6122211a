"""Blocks that forget their activations, or are compiled, train to the same weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finereel.models.retrieval import RetrievalModel
from finereel.training.blocks import blocks_of, can_compile, training_blocks
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import Progress, train
from tiny_models import tiny_model
from tiny_runs import SETTINGS, batch_at, loss_on_step_99, same, weights

HAS_COMPILER = can_compile(torch.device("cpu"))


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


def stops_at(last: int):  # type: ignore[no-untyped-def]
    def at(step: int):  # type: ignore[no-untyped-def]
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


@pytest.mark.slow
@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C++ compiler")
def test_compiled_blocks_train_to_nearly_the_same_losses(tmp_path: Path) -> None:
    few = replace(SETTINGS, steps=2)
    _, plain = trained(tmp_path / "plain", few)
    _, compiled = trained(tmp_path / "compiled", replace(few, compile=True))
    losses = [event.loss for event in compiled]
    assert losses == pytest.approx([event.loss for event in plain], rel=1e-3)
    assert not any("compiler" in note for event in compiled for note in event.notes)
