"""FRAMES -> ONE VIDEO VECTOR: mean pooling, or a small transformer over the frames before it.

Source: CLIP4Clip and UCoFiA `_loose_similarity` (`modeling_ucofia.py:304-324`).
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPEncoderLayer

_MASKED = -1e6
_LAYER_NORM_EPS = 1e-12  # the published temporal encoder uses the TF-style LayerNorm, not CLIP's 1e-5
_HEAD_WIDTH = 64


class MeanPooling(nn.Module):
    """`meanP`: frames pass unchanged; nothing is learned."""

    def forward(self, frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]) -> Float[Tensor, "V F D"]:
        return frames


class SequentialTransformer(nn.Module):
    """`seqTransf`: pre-LN blocks over position-embedded frames, added to the frames themselves.

    Args: dim = D; layers; positions = the most frames it can place.
    """

    def __init__(self, dim: int, layers: int, positions: int) -> None:
        super().__init__()
        self.positions = nn.Embedding(positions, dim)
        config = CLIPTextConfig(
            hidden_size=dim,
            intermediate_size=4 * dim,
            num_attention_heads=max(1, dim // _HEAD_WIDTH),
            hidden_act="quick_gelu",
            layer_norm_eps=_LAYER_NORM_EPS,
        )
        config._attn_implementation = "sdpa"
        self.blocks = nn.ModuleList(CLIPEncoderLayer(config) for _ in range(layers))
        nn.init.normal_(self.positions.weight, std=0.01)

    def forward(self, frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]) -> Float[Tensor, "V F D"]:
        """Temporal frame vectors; padded frames are never attended to."""
        places = torch.arange(frames.shape[1], device=frames.device)
        hidden: Tensor = frames + self.positions(places)
        bias = torch.zeros_like(frame_mask, dtype=frames.dtype).masked_fill(~frame_mask, _MASKED)
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
            rows = min(self.positions.num_embeddings, text.embeddings.position_embedding.num_embeddings)
            self.positions.weight[:rows] = text.embeddings.position_embedding.weight[:rows]


def pool_frames(frames: Float[Tensor, "V F D"], frame_mask: Bool[Tensor, "V F"]) -> Float[Tensor, "V D"]:
    """The unit video vector: l2 of the masked mean of l2-normalised frames.

    >>> pool_frames(torch.tensor([[[2.0, 0.0], [0.0, 9.0]]]), torch.tensor([[True, False]]))
    tensor([[1., 0.]])
    """
    unit = torch.where(frame_mask[..., None], normalize(frames, dim=-1), 0.0)
    count = frame_mask.sum(1, keepdim=True).clamp(min=1)
    return normalize(unit.sum(1) / count, dim=-1)
