"""Patch selection: score every patch of a frame, keep the best K and the frame's CLS token.

Training picks by perturbed top-k (differentiable, Gaussian noise); everything else picks hard
top-k, in ascending patch order, so the same video always gives the same bytes. Sources: UCoFiA
`differential_topk.py`, both published scorers; perturbed maximum after Berthet et al. 2020, with
the published diagonal gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import gelu

from finereel.config import ModelConfig
from finereel.errors import unknown_name


class TokenScorer(nn.Module):
    """Scorer "token" (A; the released checkpoint's, TS2-Net's): a patch next to the CLS token of
    its own frame.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.hidden = nn.Linear(dim, dim // 2, bias=False)
        self.context = nn.Linear(dim, dim // 2, bias=False)
        self.output = nn.Linear(dim // 2, 1, bias=False)

    def forward(
        self, tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N"]:
        hidden = gelu(self.hidden(self.norm(tokens)))
        frame = hidden[:, :, :1].expand_as(hidden)
        return torch.tanh(self.output(gelu(self.context(torch.cat([hidden, frame], -1))))).squeeze(
            -1
        )


class FrameVideoScorer(nn.Module):
    """Scorer "frame_video" (B; the paper's description): a patch with its frame, next to the sum
    over all frames.

    `mask_padding=False` lets padded frames into that sum, as published.
    """

    def __init__(self, dim: int, mask_padding: bool = True) -> None:
        super().__init__()
        self.mask_padding = mask_padding
        self.norm = nn.LayerNorm(2 * dim)
        self.hidden = nn.Linear(2 * dim, dim, bias=False)
        self.context = nn.Linear(2 * dim, dim, bias=False)
        self.output = nn.Linear(dim, 1, bias=False)

    def forward(
        self, tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N"]:
        pair = torch.cat([tokens, tokens[:, :, :1].expand_as(tokens)], -1)
        hidden = gelu(self.hidden(self.norm(pair)))
        frames = hidden[:, :, 0]
        if self.mask_padding:
            frames = torch.where(frame_mask[..., None], frames, 0.0)
        video = frames.sum(1)[:, None, None].expand_as(hidden)
        return torch.tanh(self.output(gelu(self.context(torch.cat([hidden, video], -1))))).squeeze(
            -1
        )


def make_scorer(name: str, dim: int, mask_padding: bool = True) -> nn.Module:
    """The scorer called `name`; linear layers start from N(0, 0.02), as published."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "token": lambda: TokenScorer(dim),
        "frame_video": lambda: FrameVideoScorer(dim, mask_padding),
    }
    if name not in makers:
        raise unknown_name("patch scorer", name, makers)
    scorer: nn.Module = makers[name]()
    for module in scorer.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
    return scorer


@dataclass(frozen=True)
class Perturbation:
    """Settings of the perturbed top-k: how many noise samples, and their standard deviation
    (published: 500, 0.05).
    """

    samples: int = 500
    sigma: float = 0.05


@dataclass(frozen=True)
class RowNoise:
    """Noise of the perturbed choice by clip: `seeds[v]` alone decides that of clip v, whoever else
    is encoded beside it and in whichever process.
    """

    seeds: Sequence[int]

    def drawn(
        self, frames: int, samples: int, patches: int, device: torch.device
    ) -> Float[Tensor, "B S M"]:
        """B = clips * frames, clip by clip."""
        shape = (frames, samples, patches)
        own = [torch.Generator(device).manual_seed(seed) for seed in self.seeds]
        return torch.cat(
            [torch.randn(shape, generator=generator, device=device) for generator in own]
        )


def hard_topk(scores: Float[Tensor, "B N"], k: int) -> Int64[Tensor, "B k"]:
    """Indexes of the k best, in ascending order; ties go to the lower index.

    >>> hard_topk(torch.tensor([[0.1, 0.9, 0.5, 0.9]]), 2)
    tensor([[1, 3]])
    """
    return scores.argsort(dim=-1, descending=True, stable=True)[:, :k].sort(-1).values


class _PerturbedTopK(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, noise: Tensor, k: int, sigma: float) -> Tensor:
        perturbed = scores[:, None] + noise * sigma
        chosen = perturbed.topk(k, dim=-1, sorted=False).indices.sort(-1).values.transpose(1, 2)
        weight = 1.0 / noise.shape[1]
        empty = scores.new_zeros(len(scores), k, scores.shape[1])
        indicator = empty.scatter_add(
            2, chosen, torch.full_like(chosen, weight, dtype=scores.dtype)
        )
        drawn = (
            noise.transpose(1, 2).gather(1, chosen)
            if sigma
            else torch.zeros_like(chosen, dtype=scores.dtype)
        )
        ctx.save_for_backward(empty.scatter_add(2, chosen, drawn * weight))
        ctx.sigma = sigma
        return indicator

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (expected_noise,) = ctx.saved_tensors
        if not ctx.sigma:
            return torch.zeros_like(expected_noise[:, 0]), None, None, None
        return (grads[0] * expected_noise / ctx.sigma).sum(1), None, None, None


def perturbed_topk(
    scores: Float[Tensor, "B N"], noise: Float[Tensor, "B S N"], k: int, sigma: float = 0.05
) -> Float[Tensor, "B k N"]:
    """The mean one-hot of the k best under S noise samples, slot j being the j-th *smallest* index.

    The gradient is E[indicator * noise] / sigma on the diagonal (score d through slot entries d),
    as published. With sigma = 0 it equals the hard choice and passes no gradient.
    """
    indicator: Tensor = _PerturbedTopK.apply(scores, noise, k, sigma)  # type: ignore[no-untyped-call]
    return indicator


class PatchSelector(nn.Module):
    """Keeps, of every frame, the CLS token followed by K patches: `per_frame` = K + 1 tokens, its
    own first.

    Args: scorer: one of the scorers above; k: patches per frame; perturbation: used in training
    mode only.
    """

    def __init__(self, scorer: nn.Module, k: int, perturbation: Perturbation | None = None) -> None:
        super().__init__()
        self.scorer = scorer
        self.k = k
        self.per_frame = k + 1
        self.perturbation = perturbation or Perturbation()

    def forward(
        self,
        tokens: Float[Tensor, "V F N D"],
        frame_mask: Bool[Tensor, "V F"],
        noise: Float[Tensor, "B S M"] | RowNoise | None = None,
    ) -> Float[Tensor, "V P D"]:
        """P = F * (K + 1) vectors, frame by frame. `noise` (V*F, S, N-1) forces the perturbed
        choice with it.
        """
        scores = self.scorer(tokens, frame_mask)[:, :, 1:].flatten(0, 1)
        patches = tokens[:, :, 1:].flatten(0, 1)
        if isinstance(noise, RowNoise):
            noise = noise.drawn(
                tokens.shape[1], self.perturbation.samples, scores.shape[1], scores.device
            )
        elif noise is None and self.training:
            noise = torch.randn(
                len(scores), self.perturbation.samples, scores.shape[1], device=scores.device
            )
        if noise is None:
            index = hard_topk(scores, self.k)
            chosen = patches.gather(1, index[..., None].expand(-1, -1, patches.shape[-1]))
        else:
            chosen = (
                perturbed_topk(scores, noise.to(scores), self.k, self.perturbation.sigma) @ patches
            )
        by_frame = chosen.reshape(*tokens.shape[:2], self.k, tokens.shape[-1])
        return torch.cat([tokens[:, :, :1], by_frame], 2).flatten(1, 2)


def make_selector(config: ModelConfig, dim: int) -> PatchSelector:
    """The choice of patches that `config` describes, for tokens of D numbers."""
    return PatchSelector(
        make_scorer(config.patch_scorer, dim, config.mask_padding), config.patches_per_frame
    )
