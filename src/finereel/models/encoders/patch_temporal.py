"""Temporal modelling in patches: what the patches of a frame learn of the frames beside it, before
some of them are selected.

PATCH_TEMPORAL lists the modules by name (`patch_temporal=`); `none` has no module and is the
default. Each takes and gives all tokens of every frame (V F N D). A frame's own token stays as it
is, so that the scores of frames and of the whole clip do not change. Both start as the identity: the
layer that ends them starts at zero. Padded frames are never read.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from finereel.config import ModelConfig
from finereel.errors import unknown_name
from finereel.models.encoders.clip import shift_tokens
from finereel.models.encoders.geometry import TextGeometry
from finereel.models.encoders.towers import Attention

_HEAD_WIDTH = 64
_NARROWER = 4
_FRAMES_SEEN = 3


class ShiftedAttention(nn.Module):
    """`shift`: x + attention over the tokens of a frame, some of which are those of the frame before
    or after.

    As a shifted block of TS2-Net (`modules/until_module.py:318-339`): the tokens are shifted after
    LayerNorm and before the attention, what the attention is added to is not. There it is the
    attention of CLIP's last blocks; here, behind any encoder, one of its own. Args: dim = D;
    mask_padding: False lets padded frames be read, as published.
    """

    def __init__(self, dim: int, mask_padding: bool = True) -> None:
        super().__init__()
        self.mask_padding = mask_padding
        self.norm = nn.LayerNorm(dim)
        heads = dim // _HEAD_WIDTH if dim % _HEAD_WIDTH == 0 else 1
        self.attention = Attention(TextGeometry(hidden_size=dim, num_attention_heads=heads))
        nn.init.zeros_(self.attention.out_proj.weight)
        nn.init.zeros_(self.attention.out_proj.bias)

    def forward(
        self, tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N D"]:
        shifted = shift_tokens(self.norm(tokens), frame_mask if self.mask_padding else None)
        attended = self.attention(shifted.flatten(0, 1)).view(tokens.shape)
        return _patches_moved(tokens, attended[:, :, 1:])


class TemporalAdapter(nn.Module):
    """`adapter`: x + up(GELU(convolution over 3 frames(down(LayerNorm(x))))), patch place by patch
    place and channel by channel.

    The adapter of Pan et al. (ST-Adapter, NeurIPS 2022, section 3.2) with a kernel that looks along
    time only; D / 4 channels. Args: dim = D; mask_padding: False lets padded frames be read.
    """

    def __init__(self, dim: int, mask_padding: bool = True) -> None:
        super().__init__()
        self.mask_padding = mask_padding
        narrow = max(1, dim // _NARROWER)
        self.norm = nn.LayerNorm(dim)
        self.down = nn.Linear(dim, narrow)
        self.over_frames = nn.Conv1d(
            narrow, narrow, _FRAMES_SEEN, padding=_FRAMES_SEEN // 2, groups=narrow
        )
        self.up = nn.Linear(narrow, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(
        self, tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N D"]:
        narrow = self.down(self.norm(tokens[:, :, 1:]))
        if self.mask_padding:
            narrow = torch.where(frame_mask[:, :, None, None], narrow, 0.0)
        V, F, N, E = narrow.shape
        by_place = narrow.permute(0, 2, 3, 1).reshape(V * N, E, F)
        seen = self.over_frames(by_place).view(V, N, E, F).permute(0, 3, 1, 2)
        return _patches_moved(tokens, self.up(gelu(seen)))


def _patches_moved(
    tokens: Float[Tensor, "V F N D"], by: Float[Tensor, "V F M D"]
) -> Float[Tensor, "V F N D"]:
    """The tokens with `by` added to all but the first of every frame."""
    return torch.cat([tokens[:, :, :1], tokens[:, :, 1:] + by], 2)


PATCH_TEMPORAL: dict[str, Callable[[int, bool], nn.Module]] = {
    "shift": ShiftedAttention,
    "adapter": TemporalAdapter,
}


def make_patch_temporal(config: ModelConfig, dim: int) -> nn.Module | None:
    """The module that `config.patch_temporal` names; None for `none`.

    >>> make_patch_temporal(ModelConfig(), 8) is None
    True
    """
    if config.patch_temporal == "none":
        return None
    if config.patch_temporal not in PATCH_TEMPORAL:
        raise unknown_name("patch_temporal", config.patch_temporal, PATCH_TEMPORAL)
    return PATCH_TEMPORAL[config.patch_temporal](dim, config.mask_padding)
