"""Factor supervision: unknown labels never count, known ones pull."""

import torch

from finereel.training.factors import UNKNOWN, FactorSupervision


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
