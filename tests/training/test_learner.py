"""Factor supervision: unknown labels never count, known ones pull."""

import math

import pytest
import torch

from finereel.training.learner import UNKNOWN, FactorSupervision, symmetric_infonce


def supervision() -> FactorSupervision:
    torch.manual_seed(0)
    return FactorSupervision(4, (3, 2))


def test_unknown_labels_do_not_count() -> None:
    factors = supervision()
    features = torch.randn(2, 4)
    known = factors(features[:1], torch.tensor([[1, 0]]))
    padded = factors(features, torch.tensor([[1, 0], [UNKNOWN, UNKNOWN]]))
    assert torch.allclose(known, padded)


def test_nothing_known_is_zero_and_still_differentiable() -> None:
    features = torch.randn(2, 4, requires_grad=True)
    loss = supervision()(features, torch.full((2, 2), UNKNOWN))
    loss.backward()
    assert loss.item() == 0.0
    assert features.grad is not None


def test_learning_it_lowers_it() -> None:
    factors = supervision()
    features = torch.randn(6, 4)
    labels = torch.tensor([[0, 0], [1, 1], [2, 0], [0, 1], [1, 0], [2, 1]])
    optimizer = torch.optim.Adam(factors.parameters(), lr=0.1)
    first = factors(features, labels).item()
    for _ in range(50):
        optimizer.zero_grad()
        factors(features, labels).backward()
        optimizer.step()
    assert factors(features, labels).item() < first / 2


# The contrastive loss against numbers worked by hand and a loop.
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
