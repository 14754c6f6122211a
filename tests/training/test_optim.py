"""Every parameter in exactly one group, and the schedule at its corners."""

import pytest
import torch
from torch import nn

from finereel.training.optim import OptimSettings, make_optimizer, warmup_cosine


class TwoParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"clip": nn.Linear(3, 2)})
        self.head = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)


def test_groups_hold_every_trainable_parameter_once() -> None:
    model = TwoParts()
    optimizer = make_optimizer(model, OptimSettings(lr=1.0, tower_lr=0.1, weight_decay=0.5))
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert len(held) == len(set(map(id, held)))
    assert set(map(id, held)) == {id(p) for p in model.parameters() if p.requires_grad}


def test_towers_learn_at_their_own_rate_and_only_matrices_decay() -> None:
    model = TwoParts()
    optimizer = make_optimizer(model, OptimSettings(lr=1.0, tower_lr=0.1, weight_decay=0.5))
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert found[id(model.encoder["clip"].weight)] == (0.1, 0.5)
    assert found[id(model.encoder["clip"].bias)] == (0.1, 0.0)
    assert found[id(model.head.weight)] == (1.0, 0.5)
    assert found[id(model.head.bias)] == (1.0, 0.0)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (9, 1.0), (10, 1.0), (55, 0.5), (99, 0.000305)])
def test_schedule(step: int, factor: float) -> None:
    assert warmup_cosine(step, 100, 0.1) == pytest.approx(factor, abs=1e-5)


def test_schedule_never_starts_at_zero() -> None:
    """The published one wastes its first step on a rate of 0."""
    assert all(warmup_cosine(step, 50, 0.1) > 0 for step in range(50))


def test_adamw_moves_against_the_gradient() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    holder = nn.Module()
    holder.weight = weight
    optimizer = make_optimizer(holder, OptimSettings(lr=0.1, weight_decay=0.0))
    weight.grad = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    optimizer.step()
    assert torch.equal(weight.detach() < 1, torch.tensor([[True, False], [True, False]]))
