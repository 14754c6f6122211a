"""Learnable prompts for frames and texts, used by the fine-grained score only.

Source: Chen et al. 2024 (arXiv 2410.12407), shallow visual prompt tuning: the vectors enter the
vision tower beside CLS and patches after its first norm, without a place of their own, start from
N(0, 1 / width), and come out as one frame vector. The release reads the first patch in their stead
(`FineConfig.legacy_index`).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from finereel.config import FineConfig
from finereel.errors import ConfigError


class Prompts(nn.Module):
    """The vectors of one model, `visual` (n, width of a vision token) and `text` (n, width of a
    text token); deep ones (blocks, n, width).

    Args:
        config: How many prompts there are, and which tokens attend to them.
        visual_width: The width of a token in the vision tower.
        text_width: The width of a token in the text tower.
        visual_blocks: The number of blocks of the vision tower, which deep prompts enter.
        text_blocks: The same of the text tower.
    """

    def __init__(
        self,
        config: FineConfig,
        visual_width: int,
        text_width: int,
        visual_blocks: int = 1,
        text_blocks: int = 1,
    ) -> None:
        super().__init__()
        self.config = config
        visual, text = (visual_blocks, text_blocks) if config.deep else (None, None)
        self.visual = _vectors(visual, config.visual_prompts, visual_width)
        self.text = _vectors(text, config.text_prompts, text_width)


def _vectors(blocks: int | None, count: int, width: int) -> nn.Parameter | None:
    shape = (count, width) if blocks is None else (blocks, count, width)
    return nn.Parameter(torch.randn(shape) * width**-0.5) if count else None


def make_prompts(config: FineConfig, encoder: Any) -> Prompts | None:
    """The prompts that `config` asks for, as wide as the tokens of an encoder; None where it asks
    for none. ConfigError for deep ones where they have no blocks to enter.
    """
    if not config.enabled:
        return None
    blocks = {"vision": encoder.visual_blocks, "text": encoder.text_blocks}
    counts = {"vision": config.visual_prompts, "text": config.text_prompts}
    for side, count in counts.items():
        if config.deep and count and not blocks[side]:
            raise ConfigError(
                f"deep prompts enter every block of a tower, and the {side} side of "
                f"{type(encoder).__name__} has none that they could pass: set fine.deep=false, or "
                "no prompts on this side"
            )
    widths = (encoder.visual_width, encoder.text_width)
    return Prompts(config, *widths, blocks["vision"], blocks["text"])


def entered(
    hidden: Float[Tensor, "T W E"], prompts: Float[Tensor, "*blocks n E"] | None, at: int = 1
) -> Float[Tensor, "T N E"]:
    """Tokens with prompts from place `at` on, as the first block reads them."""
    if prompts is None:
        return hidden
    own = _of_block(prompts, 0).expand(len(hidden), -1, -1).to(hidden)
    return torch.cat([hidden[:, :at], own, hidden[:, at:]], 1)


def exchanged(
    hidden: Float[Tensor, "T N E"],
    prompts: Float[Tensor, "*blocks n E"] | None,
    number: int,
    at: int = 1,
) -> Float[Tensor, "T N E"]:
    """The same as block `number` reads them: deep prompts of its own in the place of those before.

    >>> prompts = torch.tensor([[[1.0]], [[2.0]]])
    >>> first = entered(torch.zeros(1, 2, 1), prompts)
    >>> first.flatten().tolist(), exchanged(first, prompts, 1).flatten().tolist()
    ([0.0, 1.0, 0.0], [0.0, 2.0, 0.0])
    """
    if prompts is None or not number or not _deep(prompts):
        return hidden
    return entered(left(hidden, prompts, at), prompts[number], at)


def joined(
    beside: Float[Tensor, "B n E"], prompts: Float[Tensor, "*blocks n E"], number: int
) -> Float[Tensor, "B n E"]:
    """Prompts that no token sees, as block `number` reads them: deep ones are added to what those
    before have become, which would be lost if they took its place.
    """
    return beside + prompts[number] if number and _deep(prompts) else beside


def left(
    hidden: Float[Tensor, "T N E"], prompts: Float[Tensor, "*blocks n E"] | None, at: int = 1
) -> Float[Tensor, "T W E"]:
    """The tokens without the prompts from place `at` on."""
    if prompts is None:
        return hidden
    return torch.cat([hidden[:, :at], hidden[:, at + prompts.shape[-2] :]], 1)


def _of_block(prompts: Tensor, number: int) -> Float[Tensor, "n E"]:
    return prompts[number] if _deep(prompts) else prompts


def _deep(prompts: Tensor) -> bool:
    return prompts.ndim == 3


def read_block(
    block: Any, seen: Float[Tensor, "B N E"], prompts: Float[Tensor, "B n E"]
) -> Float[Tensor, "B n E"]:
    """One pre-LN block of a CLIP tower for the prompts alone: they attend to the tokens and to one
    another.

    seen: the tokens as the block's attention sees them (normalised, shifted where the block
    shifts). The tokens themselves pass the block elsewhere and learn nothing of the prompts, so
    they stay what they were to the last bit.
    """
    attention, own = block.self_attn, block.layer_norm1(prompts)
    queries, keys, values = (
        _by_head(project(given), attention.num_heads)
        for project, given in (
            (attention.q_proj, own),
            (attention.k_proj, torch.cat([seen, own], 1)),
            (attention.v_proj, torch.cat([seen, own], 1)),
        )
    )
    attended = (
        scaled_dot_product_attention(queries, keys, values, scale=attention.scale)
        .transpose(1, 2)
        .flatten(2)
    )
    prompts = prompts + attention.out_proj(attended)
    result: Tensor = prompts + block.mlp(block.layer_norm2(prompts))
    return result


def _by_head(tokens: Float[Tensor, "B N E"], heads: int) -> Float[Tensor, "B heads N e"]:
    return tokens.reshape(*tokens.shape[:2], heads, -1).transpose(1, 2)


def pooled_prompts(
    tokens: Float[Tensor, "V F N D"], prompts: Prompts
) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
    """For encoders without a vision tower of blocks: the tokens, and the frame vectors that the
    visual prompts, as queries, make of them. ConfigError for settings that speak of such a tower.
    """
    assert prompts.visual is not None
    if prompts.config.attention != "one_way":
        raise ConfigError(
            "the tokens have passed their tower, prompts can only read them: set attention=one_way"
        )
    return tokens, pool_by_query(tokens, prompts.visual)


def pool_by_query(
    tokens: Float[Tensor, "V F N D"], queries: Float[Tensor, "n D"]
) -> Float[Tensor, "V F D"]:
    """A frame vector of tokens that have no tower left to pass: every query's weighted mean of
    them, averaged.

    Weights are a softmax over the products of the query with the tokens, normalised over their D
    numbers.

    >>> tokens = torch.tensor([[[[1.0, 0.0], [0.0, 2.0]]]])
    >>> pool_by_query(tokens, torch.zeros(1, 2))
    tensor([[[0.5000, 1.0000]]])
    """
    weights = (layer_norm(tokens, tokens.shape[-1:]) @ queries.T).softmax(2)
    return torch.einsum("vfnq,vfnd->vfd", weights, tokens) / len(queries)
