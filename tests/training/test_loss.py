"""The contrastive loss against numbers worked by hand and a loop."""

import math

import pytest
import torch

from finereel.training.loss import symmetric_infonce


def test_worked_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-2))) / 2
    columns = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 2
    assert float(symmetric_infonce(logits)) == pytest.approx((rows + columns) / 2, rel=1e-6)


def test_direction_does_not_matter() -> None:
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(symmetric_infonce(logits), symmetric_infonce(logits.T))


def test_a_right_diagonal_costs_nothing_and_a_wrong_one_costs_its_margin() -> None:
    assert float(symmetric_infonce(50 * torch.eye(4))) < 1e-6
    assert float(symmetric_infonce(50 * torch.eye(2).flip(0))) == pytest.approx(50.0, rel=1e-5)
