"""Contract of every aggregation, and a slow reference written from the papers' formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from finereel.errors import ConfigError
from finereel.models.heads.weighting import AGGREGATIONS, make_aggregation
from tiny_models import jitter

SIZE = 5
POISON = (1.0, 1e9, float("inf"), float("-inf"), float("nan"))
names = pytest.mark.parametrize("name", AGGREGATIONS)


def prepared(name: str) -> torch.nn.Module:
    module = make_aggregation(name, SIZE)
    jitter(module, amount=0.05)
    return module.requires_grad_(False)


def softmax(values: list[float]) -> list[float]:
    peak = max(values)
    raised = [math.exp(value - peak) for value in values]
    return [value / sum(raised) for value in raised]


def reference(name: str, module: torch.nn.Module, row: list[float], keep: list[int]) -> float:
    """One row in plain Python: only the entries in `keep` exist."""
    kept = [row[index] for index in keep]
    if name == "mean":
        return sum(kept) / len(kept)
    if name == "max":
        return max(kept)
    logits = [value / 0.01 for value in kept]
    if name in ("isa", "aosm"):
        first, mixing = softmax(logits), module.mixing.tolist()
        mixed = [
            sum(weight * mixing[source][index] for weight, source in zip(first, keep, strict=True))
            for index in keep
        ]
        if name == "aosm":
            return sum(weight * value for weight, value in zip(mixed, kept, strict=True))
        logits = [value / 0.01 for value in mixed]
    if name == "sharpened_softmax":
        query, key, places = (
            module.query.tolist(),
            module.value_key.tolist(),
            module.places.tolist(),
        )
        slope = sum(a * b for a, b in zip(key, query, strict=True))
        offsets = [sum(a * b for a, b in zip(places[index], query, strict=True)) for index in keep]
        logits = [value * slope + offset for value, offset in zip(logits, offsets, strict=True)]
    weights = softmax(logits)
    if name == "aosm":
        mixing = module.mixing.tolist()
        weights = [
            sum(w * mixing[source][index] for w, source in zip(weights, keep, strict=True))
            for index in keep
        ]
    return sum(weight * value for weight, value in zip(weights, kept, strict=True))


@names
@given(
    row=st.lists(st.floats(-0.25, 0.25, width=32), min_size=SIZE, max_size=SIZE),
    keep=st.sets(st.integers(0, SIZE - 1), min_size=1),
)
def test_agrees_with_the_slow_reference(name: str, row: list[float], keep: set[int]) -> None:
    module, mask = prepared(name), torch.tensor([index in keep for index in range(SIZE)])
    found = module(torch.tensor([row]), mask[None])
    # Two softmaxes at 1/100 turn an error of 1e-7 into one of 1e-3 of a weight.
    assert found.item() == pytest.approx(reference(name, module, row, sorted(keep)), abs=2e-4)


@names
def test_agrees_closely_on_a_soft_row(name: str) -> None:
    module = prepared(name).double()
    row = [0.101, 0.1, 0.103, 0.098, 0.1005]
    found = module(torch.tensor([row], dtype=torch.float64), None)
    assert found.item() == pytest.approx(reference(name, module, row, list(range(SIZE))), rel=1e-6)


@names
@pytest.mark.parametrize("poison", POISON)
def test_masked_entries_never_count(name: str, poison: float) -> None:
    module = prepared(name)
    clean = torch.randn(3, 4, SIZE, generator=torch.Generator().manual_seed(0)) * 0.1
    mask = torch.tensor([True, True, False, True, False])
    poisoned = clean.masked_fill(~mask, poison)
    assert torch.equal(module(poisoned, mask), module(clean.masked_fill(~mask, 0.0), mask))
    assert torch.isfinite(module(poisoned, mask)).all()


@names
def test_padding_is_not_a_zero_among_negative_entries(name: str) -> None:
    """A masked entry that counted as 0 would be the best of a row of negative similarities."""
    module = prepared(name)
    row = torch.tensor([[-0.11, -0.1, 0.0, -0.105, 0.0]])
    mask = torch.tensor([True, True, False, True, False])
    assert module(row, mask).item() < -0.09


@names
@pytest.mark.parametrize("poison", POISON)
def test_poison_reaches_no_gradient(name: str, poison: float) -> None:
    module = prepared(name).requires_grad_(True)
    mask = torch.tensor([True, True, False, True, False])
    similarities = (
        torch.tensor([[0.1, 0.101, 0.0, 0.0995, 0.0]]).masked_fill(~mask, poison).requires_grad_()
    )
    module(similarities, mask).sum().backward()
    for tensor in (similarities, *module.parameters()):
        assert tensor.grad is not None
        assert torch.isfinite(tensor.grad).all()
    assert similarities.grad is not None
    assert (similarities.grad[:, ~mask] == 0).all()
    assert (similarities.grad[:, mask] != 0).any()


@names
def test_every_parameter_learns(name: str) -> None:
    module = prepared(name).requires_grad_(True)
    if not list(module.parameters()):
        return
    similarities = 0.1 + 0.003 * torch.randn(7, SIZE, generator=torch.Generator().manual_seed(0))
    module(similarities, None).square().sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


@names
def test_a_full_mask_is_no_mask(name: str) -> None:
    module = prepared(name)
    similarities = 0.1 * torch.randn(2, 3, SIZE, generator=torch.Generator().manual_seed(0))
    masked = module(similarities, torch.ones(SIZE, dtype=torch.bool))
    torch.testing.assert_close(masked, module(similarities, None), rtol=1e-6, atol=1e-7)


@names
def test_a_single_entry_is_itself(name: str) -> None:
    mask = torch.tensor([False, False, True, False, False])
    module = prepared(name)
    weight = (
        module.mixing[2, 2].item() if name == "aosm" else 1.0
    )  # after its softmax, X-CLIP's matrix is linear
    assert module(torch.full((1, SIZE), 0.25), mask).item() == pytest.approx(0.25 * weight)


@names
def test_nothing_at_all_is_zero(name: str) -> None:
    mask = torch.tensor([[False] * SIZE, [True] * SIZE])
    module, similarities = (
        prepared(name).requires_grad_(True),
        torch.full((2, SIZE), 0.1).requires_grad_(),
    )
    found = module(similarities, mask)
    assert found[0] == 0
    found.sum().backward()
    assert torch.isfinite(similarities.grad).all()
    assert (similarities.grad[0] == 0).all()


@names
@pytest.mark.parametrize("shape", [(SIZE,), (0, SIZE), (2, 3, SIZE), (2, 3, 4, SIZE)])
def test_shapes_and_dtypes(name: str, shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.float64):
        found: Tensor = prepared(name).to(dtype)(torch.zeros(shape, dtype=dtype), None)
        assert (found.shape, found.dtype) == (shape[:-1], dtype)


def plain_isa(similarities: Tensor, mixing: Tensor, mask: Tensor | None) -> Tensor:
    """The formula as the paper writes it, in double precision: two softmaxes, nothing
    rearranged.
    """
    similarities, mixing = similarities.double(), mixing.double()
    hidden = (
        torch.zeros_like(similarities)
        if mask is None
        else torch.where(mask, 0.0, -math.inf).double()
    )
    first = (similarities / 0.01 + hidden).softmax(-1)
    return (((first @ mixing) / 0.01 + hidden).softmax(-1) * similarities).sum(-1)


@given(
    seed=st.integers(0, 2**31),
    centre=st.sampled_from([-9.0, -0.65, 0.0, 0.2, 0.69, 40.0]),
    spread=st.sampled_from([0.0, 1e-7, 1e-3, 0.005, 0.03, 0.3, 3.0, 100.0]),
    jitter_by=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    order=st.permutations([0, 1, 2, 3]),
    masked=st.booleans(),
)
def test_isa_in_any_layout_and_range_is_the_plain_formula(
    seed: int, centre: float, spread: float, jitter_by: float, order: list[int], masked: bool
) -> None:
    """Ties, near-ties, soft and sharp rows, sizes on both sides of what powers of two hold, every
    order in memory.
    """
    generator = torch.Generator().manual_seed(seed)
    module = make_aggregation("isa", 7)
    jitter(module, seed=seed, amount=jitter_by)
    laid_out = centre + spread * torch.randn(2, 3, 4, 6, generator=generator)
    view = laid_out.permute(order)
    mask = torch.rand(view.shape[1:], generator=generator) > 0.4 if masked else None
    if mask is not None:
        mask[..., 0] = True  # a row without any entry has no plain formula
    before, mixing = laid_out.clone(), module.mixing.detach()[: view.shape[-1], : view.shape[-1]]
    wanted = plain_isa(view, mixing, mask)
    with torch.no_grad():
        single, double = module(view, mask), module.double()(view.double(), mask)
    with_gradient = module(view.double().requires_grad_(), mask)
    size = max(1.0, abs(centre), spread)
    torch.testing.assert_close(double, wanted, rtol=1e-9, atol=1e-9 * size)
    torch.testing.assert_close(with_gradient.detach(), wanted, rtol=1e-9, atol=1e-9 * size)
    torch.testing.assert_close(
        single.double(), wanted, rtol=1e-5, atol=(1e-4 if jitter_by < 1 else 1e-3) * size
    )
    assert torch.equal(laid_out, before)


@pytest.mark.parametrize("spread", [0.003, 3.0])
def test_gradients_of_isa_are_those_of_the_plain_formula(spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    module = make_aggregation("isa", 6).double()
    jitter(module, amount=0.05)
    values = spread * torch.randn(3, 6, 4, generator=generator, dtype=torch.float64)
    mask = torch.tensor([True, True, False, True, True, True])
    found, wanted = values.clone().requires_grad_(), values.clone().requires_grad_()
    module(found.transpose(1, 2), mask).square().sum().backward()
    mixing = module.mixing.detach().clone().requires_grad_()
    plain_isa(wanted.transpose(1, 2), mixing, mask).square().sum().backward()
    torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(module.mixing.grad, mixing.grad, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("centre", [-0.95, -0.7, -0.5, -0.4, -0.3, 0.0, 0.3, 0.5, 0.7, 0.95])
def test_gradients_of_isa_are_finite_and_right_wherever_the_cosines_lie(centre: float) -> None:
    """Sums of powers far below or above 1 are harmless going forward; their squares, in gradients,
    are not.
    """
    torch.manual_seed(0)
    values = (centre + 0.01 * torch.randn(3, 5, SIZE)).requires_grad_()
    aggregation = make_aggregation("isa", SIZE)
    aggregation(values).sum().backward()
    exact = values.detach().double().requires_grad_()
    weights = ((exact / 0.01).softmax(-1) / 0.01).softmax(-1)
    (weights * exact).sum().backward()
    torch.testing.assert_close(values.grad.double(), exact.grad, rtol=1e-3, atol=1e-3)
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in aggregation.parameters())


@pytest.mark.parametrize("centre", [-0.95, -0.69, -0.4, 0.0, 0.4, 0.69, 0.95])
def test_isa_without_gradients_scores_as_with_them(centre: float) -> None:
    """Scores alone may keep powers twice as far from 1; nobody may see it."""
    module = prepared("isa")
    values = centre + 0.01 * torch.randn(50, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = module(values)
    torch.testing.assert_close(alone, module(values), rtol=1e-5, atol=1e-5)


def test_isa_starts_close_to_the_maximum() -> None:
    """What the specification measured: with two sharp softmaxes and A = I, interaction is nearly
    max pooling.
    """
    cosines = torch.from_numpy(np.random.default_rng(0).normal(0.2, 0.03, (2000, 12))).float()
    gap = (make_aggregation("isa", 12)(cosines) - make_aggregation("max", 12)(cosines)).abs()
    assert gap.mean() < 1e-3


def test_models_made_before_the_name_was_corrected_still_load() -> None:
    former, named = (make_aggregation(n, 3) for n in ("cross_attention", "sharpened_softmax"))
    assert type(former) is type(named)
    assert former.state_dict().keys() == named.state_dict().keys()


def test_unknown_aggregation_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="aosm, isa, max, mean, sharpened_softmax, softmax"):
        make_aggregation("median", 3)
