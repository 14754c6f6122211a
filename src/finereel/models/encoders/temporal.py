"""Temporal encoders: mean pooling over frames, optionally after an LSTM or a small transformer.

TEMPORAL lists the temporal encoders by name (`temporal=`). Each takes tokens (V M D), M = F frames
or, where `over_patches` says so, the P chosen tokens of all frames, and gives contextual frames (V
F D). Source: CLIP4Clip, TS2-Net and UCoFiA `_loose_similarity` (`modeling_ucofia.py:304-324`).
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.errors import ConfigError, unknown_name
from finereel.models.encoders.geometry import TextGeometry
from finereel.models.encoders.towers import TransformerBlock

_MASKED = -1e6
# The published temporal encoder uses the TF-style LayerNorm, not CLIP's 1e-5
_LAYER_NORM_EPS = 1e-12
_HEAD_WIDTH = 64


class MeanPooling(nn.Module):
    """`meanP`: frames pass unchanged; nothing is learned."""

    over_patches = False

    def forward(
        self, frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F D"]:
        return frames


class SequentialLstm(nn.Module):
    """`seqLSTM`: one LSTM layer over the real frames, added to the frames themselves; padded frames
    stay as they are.

    Source: CLIP4Clip `modules/modeling.py:354-401`. Args: dim = D.
    """

    over_patches = False

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, batch_first=True)

    def forward(
        self, frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F D"]:
        """Temporal frame vectors. Real frames come first in time and the LSTM looks back only: no
        need to pack them.
        """
        order = (~frame_mask).to(torch.uint8).argsort(dim=1, stable=True)
        places = order[..., None].expand_as(frames)
        real = torch.where(frame_mask[..., None], frames, 0.0).gather(1, places)
        hidden, _ = self.lstm(real)
        in_place = torch.zeros_like(frames).scatter(1, places, hidden)
        return frames + torch.where(frame_mask[..., None], in_place, 0.0)


class SequentialTransformer(nn.Module):
    """`seqTransf`: pre-LN blocks over position-embedded frames, added to the frames themselves.

    Args: dim = D; layers; positions = the most frames it can place.
    """

    over_patches = False

    def __init__(self, dim: int, layers: int, positions: int) -> None:
        super().__init__()
        self.positions = nn.Embedding(positions, dim)
        config = TextGeometry(
            hidden_size=dim,
            intermediate_size=4 * dim,
            num_attention_heads=max(1, dim // _HEAD_WIDTH),
            layer_norm_eps=_LAYER_NORM_EPS,
        )
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(layers))
        nn.init.normal_(self.positions.weight, std=0.01)

    def forward(
        self, frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F D"]:
        """Temporal frame vectors; padded frames are never attended to."""
        if frames.shape[1] > self.positions.num_embeddings:
            raise ConfigError(
                f"the temporal encoder has {self.positions.num_embeddings} positions, got "
                f"{frames.shape[1]} tokens a "
                "clip: take fewer frames, or fewer patches of each"
            )
        places = torch.arange(frames.shape[1], device=frames.device)
        hidden: Tensor = frames + self.positions(places)
        masked = max(_MASKED, torch.finfo(frames.dtype).min / 2)  # float16 ends at -65504
        bias = torch.zeros_like(frame_mask, dtype=frames.dtype).masked_fill(~frame_mask, masked)
        bias = bias[:, None, None, :].expand(-1, 1, frames.shape[1], -1)
        for block in self.blocks:
            hidden = block(hidden, attention_mask=bias)
        return hidden + frames

    def copy_from_text_tower(self, text: Any) -> None:
        """Start from the first blocks and the positions of CLIP's *text* transformer, as published.

        Needs the text width to equal D; where it does not, the random start stays.
        """
        if text.config.hidden_size != self.positions.embedding_dim:
            return
        for block, source in zip(self.blocks, text.encoder.layers, strict=False):
            block.load_state_dict(source.state_dict())
        with torch.no_grad():
            rows = min(
                self.positions.num_embeddings, text.embeddings.position_embedding.num_embeddings
            )
            self.positions.weight[:rows] = text.embeddings.position_embedding.weight[:rows]


class TokenTransformer(SequentialTransformer):
    """`tokenTransf`: the same blocks over all chosen tokens, K + 1 a frame; then only each frame's
    own token is kept.

    Source: TS2-Net `modules/modeling.py:393-607`. Its published form, `mask_padding=False`, tiles
    the mask of the frames over the tokens, so that in short clips the wrong ones are masked; by
    default each frame's is repeated. Args: as `SequentialTransformer`, positions = the most tokens;
    tokens_per_frame = K + 1; mask_padding.
    """

    over_patches = True

    def __init__(
        self,
        dim: int,
        layers: int,
        positions: int,
        tokens_per_frame: int,
        mask_padding: bool = True,
    ) -> None:
        super().__init__(dim, layers, positions)
        self.tokens_per_frame = tokens_per_frame
        self.mask_padding = mask_padding

    def forward(
        self, tokens: Float[Tensor, "V P D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F D"]:
        """Temporal frame vectors of P = F * (K + 1) tokens, frame by frame, each frame's own token
        first.
        """
        if self.mask_padding:
            mask = frame_mask.repeat_interleave(self.tokens_per_frame, dim=1)
        else:
            mask = frame_mask.repeat(1, self.tokens_per_frame)
        contextual: Tensor = super().forward(tokens, mask)
        return contextual[:, :: self.tokens_per_frame]


# Positions reach as far as CLIP's text positions, which they start from, or as far as a clip needs.
TEMPORAL: dict[str, Callable[[ModelConfig, int, int], nn.Module]] = {
    "meanP": lambda config, dim, text_positions: MeanPooling(),
    "seqLSTM": lambda config, dim, text_positions: SequentialLstm(dim),
    "seqTransf": lambda config, dim, text_positions: SequentialTransformer(
        dim, config.temporal_layers, max(config.max_frames, text_positions)
    ),
    "tokenTransf": lambda config, dim, text_positions: TokenTransformer(
        dim,
        config.temporal_layers,
        max(config.num_patches, text_positions),
        config.patches_per_frame + 1,
        config.mask_padding,
    ),
}


def make_temporal(config: ModelConfig, dim: int, text_positions: int) -> nn.Module:
    """The temporal encoder that `config.temporal` names; `text_positions` of the text tower it may
    start from.
    """
    if config.temporal not in TEMPORAL:
        raise unknown_name("temporal encoder", config.temporal, TEMPORAL)
    return TEMPORAL[config.temporal](config, dim, text_positions)


def pool_frames(
    frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]
) -> Float[Tensor, "V D"]:
    """The unit video vector: l2 of the masked mean of l2-normalised frames.

    >>> pool_frames(torch.tensor([[[2.0, 0.0], [0.0, 9.0]]]), torch.tensor([[True, False]]))
    tensor([[1., 0.]])
    """
    unit = torch.where(frame_mask[..., None], normalize(frames, dim=-1), 0.0)
    count = frame_mask.sum(1, keepdim=True).clamp(min=1)
    return normalize(unit.sum(1) / count, dim=-1)
