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
    text token).

    Args: config: how many, and who attends to them; visual_width, text_width: of the towers.
    """

    def __init__(self, config: FineConfig, visual_width: int, text_width: int) -> None:
        super().__init__()
        self.config = config
        self.visual = _vectors(config.visual_prompts, visual_width)
        self.text = _vectors(config.text_prompts, text_width)


def _vectors(count: int, width: int) -> nn.Parameter | None:
    return nn.Parameter(torch.randn(count, width) * width**-0.5) if count else None


def make_prompts(config: FineConfig, encoder: Any) -> Prompts | None:
    """The prompts that `config` asks for, as wide as the tokens of an encoder; None where it asks
    for none.
    """
    if not config.enabled:
        return None
    return Prompts(config, encoder.visual_width, encoder.text_width)


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
