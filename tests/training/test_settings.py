"""Autocast, the scaled loss of float16, and what a checkpoint keeps of it."""

import pytest
import torch
from torch import nn

from finereel.errors import ConfigError
from finereel.training.settings import PRECISIONS, Precision


def layer() -> tuple[nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    linear = nn.Linear(4, 3)
    return linear, torch.optim.SGD(linear.parameters(), lr=0.1)


def stepped(
    precision: Precision, linear: nn.Linear, optimizer: torch.optim.Optimizer, factor: float = 1.0
) -> bool:
    """One step of a training loop; `factor` blows the loss up."""
    optimizer.zero_grad()
    with precision.autocast():
        features = linear(torch.ones(2, 4))
    precision.scale(features.float().square().mean() * factor).backward()
    precision.unscale(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(linear.parameters(), 1.0)
    return precision.step(optimizer, norm)


@pytest.mark.parametrize("name", PRECISIONS)
def test_towers_compute_in_it_and_weights_stay(name: str) -> None:
    linear, _ = layer()
    with Precision(name).autocast():
        assert linear(torch.ones(2, 4)).dtype == PRECISIONS[name]
    assert linear.weight.dtype == torch.float32
    assert linear(torch.ones(2, 4)).dtype == torch.float32


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_step_is_the_one_of_float32(name: str) -> None:
    """The scale of the loss is gone before gradients are clipped."""
    wanted, plain = layer()
    wanted(torch.ones(2, 4)).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(wanted.parameters(), 1.0)
    plain.step()
    linear, optimizer = layer()
    assert stepped(Precision(name), linear, optimizer)
    torch.testing.assert_close(
        linear.weight, wanted.weight, atol=0 if name == "float32" else 3e-3, rtol=0
    )


@pytest.mark.parametrize("name", PRECISIONS)
def test_what_is_not_finite_moves_nothing_and_float16_goes_on_with_less(name: str) -> None:
    (linear, optimizer), precision = layer(), Precision(name)
    before, scale = linear.weight.detach().clone(), precision.loss_scale
    assert not stepped(precision, linear, optimizer, factor=float("inf"))
    assert torch.equal(linear.weight, before)
    assert precision.loss_scale == (scale / 2 if name == "float16" else 1.0)
    assert stepped(precision, linear, optimizer)
    assert not torch.equal(linear.weight, before)


def test_the_scale_is_resumed() -> None:
    (linear, optimizer), precision = layer(), Precision("float16")
    stepped(precision, linear, optimizer, factor=float("inf"))
    again = Precision("float16")
    assert again.loss_scale != precision.loss_scale
    again.load_state_dict(precision.state_dict())
    assert again.loss_scale == precision.loss_scale
    single = Precision("float32")
    single.load_state_dict(single.state_dict())
    assert single.state_dict() == {}


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(
        ConfigError,
        match="unknown precision 'fp8': expected one of auto, bfloat16, float16, float32",
    ):
        Precision("fp8")
