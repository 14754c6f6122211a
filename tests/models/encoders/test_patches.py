"""Patch scorers and the choice: hard and perturbed top-k against slow references, gradient
included.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.models.encoders.patches import (
    PatchSelector,
    Perturbation,
    hard_topk,
    make_scorer,
    perturbed_topk,
)
from tiny_models import jitter

DIM, TOKENS, K = 16, 10, 3
every_scorer = pytest.mark.parametrize("name", ["token", "frame_video"])


def tokens_and_mask(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.tensor(
        [[True, True, True, True], [True, True, False, False], [True, False, False, False]]
    )
    return torch.randn(3, 4, TOKENS, DIM, generator=generator), mask


def scorer(name: str, **settings: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    module = make_scorer(name, DIM, **settings)
    jitter(module, amount=0.2)
    return module


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def perceptron(x: list[float], weight: torch.Tensor) -> list[float]:
    return [gelu(sum(w * v for w, v in zip(row, x, strict=True))) for row in weight.tolist()]


def layer_norm(x: list[float], norm: torch.nn.LayerNorm) -> list[float]:
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + 1e-5)
    return [
        (v - mean) / deviation * w + b
        for v, w, b in zip(x, norm.weight.tolist(), norm.bias.tolist(), strict=True)
    ]


def slow_scores(
    name: str, module: torch.nn.Module, frames: torch.Tensor, real: list[bool]
) -> list[list[float]]:
    """Scores of one clip (F, N, D): A compares a token with its frame, B token and frame with the
    sum of frames.
    """
    rows = frames.tolist()
    inputs = [[row if name == "token" else row + frame[0] for row in frame] for frame in rows]
    hidden = [
        [perceptron(layer_norm(row, module.norm), module.hidden.weight) for row in frame]
        for frame in inputs
    ]
    video = [
        sum(column)
        for column in zip(*(f[0] for f, r in zip(hidden, real, strict=True) if r), strict=True)
    ]
    scores = []
    for frame in hidden:
        context = frame[0] if name == "token" else video
        joint = [perceptron(row + context, module.context.weight) for row in frame]
        output = module.output.weight[0].tolist()
        scores.append(
            [math.tanh(sum(w * v for w, v in zip(output, row, strict=True))) for row in joint]
        )
    return scores


@every_scorer
@pytest.mark.parametrize("mask_padding", [True, False])
def test_scorers_agree_with_loops(name: str, mask_padding: bool) -> None:
    module = scorer(name, mask_padding=mask_padding).double()
    tokens, mask = tokens_and_mask()
    with torch.no_grad():
        found = module(tokens.double(), mask)
    for clip in range(3):
        real = mask[clip].tolist() if mask_padding else [True] * 4
        wanted = slow_scores(name, module, tokens[clip].double(), real)
        torch.testing.assert_close(found[clip], torch.tensor(wanted, dtype=torch.float64))


@every_scorer
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e20])
@torch.no_grad()
def test_padded_frames_change_no_choice(name: str, poison: float) -> None:
    selector = PatchSelector(scorer(name), K).eval()
    tokens, mask = tokens_and_mask()
    poisoned = torch.where(mask[..., None, None], tokens, poison)
    real = mask.repeat_interleave(K + 1, 1)
    assert torch.equal(selector(poisoned, mask)[real], selector(tokens, mask)[real])


def test_unknown_scorer_is_named() -> None:
    with pytest.raises(ConfigError, match="frame_video, token"):
        make_scorer("c", DIM)


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=6, max_size=6), min_size=1, max_size=4),
    st.integers(1, 6),
)
def test_hard_choice(rows: list[list[int]], k: int) -> None:
    """The k best by (score, lower index first), listed in ascending order."""
    chosen = hard_topk(torch.tensor(rows, dtype=torch.float32), k)
    for row, indexes in zip(rows, chosen.tolist(), strict=True):
        assert indexes == sorted(sorted(range(6), key=lambda n: (-row[n], n))[:k])


def slow_perturbed(
    scores: list[float], noise: list[list[float]], k: int, sigma: float
) -> list[list[float]]:
    """Mean one-hot over noise samples; slot j holds the j-th smallest of the chosen indexes."""
    indicator = [[0.0] * len(scores) for _ in range(k)]
    for sample in noise:
        perturbed = [score + sigma * epsilon for score, epsilon in zip(scores, sample, strict=True)]
        best = sorted(sorted(range(len(scores)), key=lambda n: -perturbed[n])[:k])
        for slot, index in enumerate(best):
            indicator[slot][index] += 1 / len(noise)
    return indicator


@settings(max_examples=25)
@given(k=st.integers(1, 4), sigma=st.sampled_from([0.01, 0.05, 1.0]), seed=st.integers(0, 99))
def test_perturbed_choice_and_its_gradient(k: int, sigma: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, 5, generator=generator, dtype=torch.float64).mul(0.05).requires_grad_()
    noise = torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    upstream = torch.randn(2, k, 5, generator=generator, dtype=torch.float64)
    indicator = perturbed_topk(scores, noise, k, sigma)
    indicator.backward(upstream)
    assert scores.grad is not None
    for row in range(2):
        wanted = slow_perturbed(scores[row].tolist(), noise[row].tolist(), k, sigma)
        torch.testing.assert_close(
            indicator[row].detach(), torch.tensor(wanted, dtype=torch.float64)
        )
        one_hots = [
            slow_perturbed(scores[row].tolist(), [sample], k, sigma)
            for sample in noise[row].tolist()
        ]
        for column in range(5):
            expected = sum(
                float(upstream[row, slot, column])
                * one_hot[slot][column]
                * float(noise[row, sample, column])
                / sigma
                for sample, one_hot in enumerate(one_hots)
                for slot in range(k)
            )
            assert float(scores.grad[row, column]) == pytest.approx(
                expected / len(one_hots), abs=1e-9
            )


def test_gradient_is_the_slope_of_the_smoothed_choice() -> None:
    """E[indicator·noise]/σ is the derivative of E[indicator]: common noise, central difference, one
    slot.
    """
    sigma, step, generator = 0.5, 0.05, torch.Generator().manual_seed(0)
    noise = torch.randn(1, 200_000, 4, generator=generator, dtype=torch.float64)
    scores = torch.tensor([[0.1, -0.2, 0.3, 0.0]], dtype=torch.float64, requires_grad=True)
    for column in range(4):
        scores.grad = None
        perturbed_topk(scores, noise, 1, sigma)[0, 0, column].backward()
        assert scores.grad is not None
        nudge = torch.zeros(1, 4, dtype=torch.float64)
        nudge[0, column] = step
        ends = [
            perturbed_topk(scores.detach() + sign * nudge, noise, 1, sigma)[0, 0, column]
            for sign in (1, -1)
        ]
        slope = float(ends[0] - ends[1]) / (2 * step)
        assert float(scores.grad[0, column]) == pytest.approx(slope, abs=0.02)


def test_without_deviation_the_choice_is_hard_and_still() -> None:
    scores = torch.randn(2, 6, requires_grad=True)
    indicator = perturbed_topk(scores, torch.randn(2, 5, 6), 2, sigma=0.0)
    one_hot = torch.nn.functional.one_hot(hard_topk(scores.detach(), 2), 6).float()
    torch.testing.assert_close(indicator, one_hot)
    indicator.sum().backward()
    assert scores.grad is not None
    assert (scores.grad == 0).all()


@torch.no_grad()
def test_selected_patches_are_patches_of_their_frame() -> None:
    selector = PatchSelector(scorer("token"), K).eval()
    tokens, mask = tokens_and_mask()
    found = selector(tokens, mask).reshape(3, 4, K + 1, DIM)
    scores = selector.scorer(tokens, mask)
    assert torch.equal(found[:, :, 0], tokens[:, :, 0])
    for clip in range(3):
        for frame in range(4):
            best = sorted(scores[clip, frame, 1:].argsort(descending=True)[:K].tolist())
            assert torch.equal(found[clip, frame, 1:], tokens[clip, frame, 1:][best])


def test_training_is_noisy_and_evaluation_is_not() -> None:
    selector = PatchSelector(scorer("token"), K, Perturbation(samples=20, sigma=0.5))
    tokens, mask = tokens_and_mask()
    assert not torch.equal(selector.train()(tokens, mask), selector(tokens, mask))
    assert torch.equal(selector.eval()(tokens, mask), selector(tokens, mask))


@every_scorer
def test_every_parameter_learns(name: str) -> None:
    selector = PatchSelector(scorer(name), K, Perturbation(samples=50, sigma=0.05)).train()
    tokens, mask = tokens_and_mask()
    weight = torch.randn(3, 4 * (K + 1), DIM, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    (selector(tokens, mask) * weight).sum().backward()
    for parameter in selector.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


def test_one_frame_of_one_clip() -> None:
    """The published code squeezes this case into an error."""
    selector = PatchSelector(scorer("token"), K).eval()
    assert selector(torch.randn(1, 1, TOKENS, DIM), torch.ones(1, 1, dtype=torch.bool)).shape == (
        1,
        K + 1,
        DIM,
    )
