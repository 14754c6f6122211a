"""BertAdam against numbers of the published optimizer, its quirks one by one, and resuming."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from finereel.training.optim import BertAdam, BertAdamSettings, OptimSettings, schedule_factor
from places import FIXTURES, GOLDEN

DERIVED = GOLDEN / "bertadam.npz"
PUBLISHED = OptimSettings(
    lr=1e-3, weight_decay=0.2, warmup=0.3, kind="bertadam", schedule="published"
)


def walk(optimizer: BertAdam, weight: nn.Parameter, gradients: Tensor) -> list[Tensor]:
    """The weights after every step under the published schedule."""
    after = []
    for step, gradient in enumerate(gradients):
        optimizer.param_groups[0]["lr"] = PUBLISHED.lr * schedule_factor(
            step, len(gradients), PUBLISHED
        )
        weight.grad = gradient.clone()
        optimizer.step()
        after.append(weight.detach().clone())
    return after


def published_walk(path: Path) -> tuple[list[Tensor], np.ndarray]:
    given = np.load(path)
    weight = nn.Parameter(torch.from_numpy(given["w0"]))
    optimizer = BertAdam([weight], PUBLISHED.lr, PUBLISHED.weight_decay)
    return walk(optimizer, weight, torch.from_numpy(given["grads"])), given["params"]


def test_it_walks_as_published() -> None:
    found, published = published_walk(DERIVED)
    for step, weights in enumerate(found):
        assert (
            np.abs(weights.numpy() - published[step]).max() < 1e-5 * np.abs(published[step]).max()
        ), step


@pytest.mark.fixtures
def test_our_copy_is_the_fixture() -> None:
    ours, fixture = np.load(DERIVED), np.load(FIXTURES / "bertadam_standalone.npz")
    assert set(ours) == set(fixture)
    assert all(np.array_equal(ours[name], fixture[name]) for name in fixture)


def test_the_published_schedule() -> None:
    wanted = np.load(DERIVED)["lr_schedule"]
    np.testing.assert_allclose(
        [schedule_factor(step, 6, PUBLISHED) for step in range(6)], wanted, rtol=1e-12
    )


def stepped(gradient: float, settings: BertAdamSettings, weight_decay: float = 0.0) -> float:
    """How far one step at rate 1 takes a weight of 1."""
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.full((1,), gradient)
    BertAdam([weight], 1.0, weight_decay, settings).step()
    return 1.0 - weight.item()


def test_quirks_by_hand() -> None:
    plain = BertAdamSettings()
    # No bias correction; eps outside the root; decay beside the update, times the rate; each
    # parameter clipped alone.
    assert stepped(0.5, plain) == pytest.approx(0.1 * 0.5 / (0.02**0.5 * 0.5 + 1e-6), rel=1e-6)
    assert stepped(1e-6, plain) == pytest.approx(1e-7 / (0.02**0.5 * 1e-6 + 1e-6), rel=1e-5)
    assert stepped(0.5, plain, weight_decay=0.2) == pytest.approx(
        stepped(0.5, plain) + 0.2, rel=1e-6
    )
    assert stepped(1e3, BertAdamSettings(eps=1.0)) == pytest.approx(
        stepped(1.0, BertAdamSettings(eps=1.0)), rel=1e-5
    )
    free = BertAdamSettings(eps=1.0, max_norm=0.0)
    assert stepped(1e3, free) > 5 * stepped(1.0, free)


def moved(weight: Tensor, settings: BertAdamSettings) -> float:
    """The mean distance after 400 steps on noise of 1e-4, at the published rate of the towers."""
    generator = torch.Generator().manual_seed(0)
    parameter = nn.Parameter(weight.clone())
    optimizer = BertAdam([parameter], 1e-7, 0.0, settings)
    for _ in range(400):
        parameter.grad = (1e-4 * torch.randn(weight.shape, generator=generator)).to(weight.dtype)
        optimizer.step()
    return float((parameter.detach().float() - weight.float()).abs().mean())


def test_float16_is_a_hidden_learning_rate() -> None:
    """Published towers in float16 move far further than float32 ones at the same rate: v underflows
    to 0.
    """
    weight = 0.02 * torch.randn(256, generator=torch.Generator().manual_seed(1))
    single = moved(weight, BertAdamSettings())
    assert moved(weight.half(), BertAdamSettings()) > 30 * single
    assert moved(weight, BertAdamSettings(half_moments=True)) > 30 * single


@pytest.mark.parametrize("half", [False, True])
def test_it_resumes_exactly(half: bool) -> None:
    settings = BertAdamSettings(half_moments=half)
    gradients = 0.3 * torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(2))
    start = torch.randn(4, 3, generator=torch.Generator().manual_seed(3))
    whole = nn.Parameter(start.clone())
    optimizer = BertAdam([whole], 1e-2, 0.1, settings)
    resumed = nn.Parameter(start.clone())
    for step, gradient in enumerate(gradients):
        whole.grad = gradient.clone()
        optimizer.step()
        if step == 2:
            saved = deepcopy(optimizer.state_dict())
            resumed.data.copy_(whole.data)
    again = BertAdam([resumed], 1e-2, 0.1, settings)
    again.load_state_dict(saved)
    for gradient in gradients[3:]:
        resumed.grad = gradient.clone()
        again.step()
    assert torch.equal(resumed, whole)
    assert again.state[resumed]["mean"].dtype == (torch.float16 if half else torch.float32)


def test_what_has_no_gradient_stays() -> None:
    weight, still = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    BertAdam([weight, still], 0.1, 0.2).step()
    assert torch.equal(still.detach(), torch.ones(2))
    assert torch.equal(weight.grad, torch.ones(2))
