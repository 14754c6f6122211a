"""TS2-Net's head: compare the sentence with every frame after the temporal encoder, with sharp
weights (ECCV 2022).

With the l2-normalised sentence t and contextual frames f, x_f = t·f:

    frame_sentence[t,v] = s · Σ_f softmax_f(4·x / ‖x‖₂)_f · x_f

where frames under the mask count as 0 in ‖x‖ and not at all in the softmax. Published,
`mask_padding=False`: the mask of the frames is tiled over the chosen tokens where it should be
repeated, so that frame i answers to mask[(K+1)·i mod F], for K chosen patches a frame. By default
frame i has its own mask. Source: LiuRicky/ts2_net `modules/modeling.py:393-607`.

The rest of TS2-Net stands elsewhere: the token shift in `encoders.token_shift`, the choice of
tokens in `encoders.patches` and the transformer over all chosen tokens in `encoders.temporal`
(`tokenTransf`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.base import Head
from finereel.models.heads.weighting import masked_softmax

_SHARPNESS = 4.0
_WORKING_COPIES = 5  # cosines, their unit form, the masked logits, weights, product


class Ts2NetHead(Head):
    """Args: config: tokens per frame, weights and masking; dim = D. Nothing is learned."""

    parts = ("frame_sentence",)
    published: ClassVar[Mapping[str, Any]] = {"temporal": "tokenTransf"}
    inputs: ClassVar[Mapping[str, str]] = {"frame_sentence": "contextual"}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)
        self.tokens_per_frame = config.patches_per_frame + 1

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences."""
        return replace(text, sentence=normalize(text.sentence, dim=-1))

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """The unscaled matrix, of prepared features."""
        sim_TVF = torch.einsum("td,vfd->tvf", text.sentence, video.contextual)
        mask = self._frame_mask(video.frame_mask)
        sim_TVF = sim_TVF.masked_fill(~mask, 0.0)
        weights = masked_softmax(_SHARPNESS * normalize(sim_TVF, dim=-1), mask)
        return {"frame_sentence": (weights * sim_TVF).sum(-1)}

    def _frame_mask(self, mask: Bool[Tensor, "V F"]) -> Bool[Tensor, "V F"]:
        if self.mask_padding:
            return mask
        count = mask.shape[1]
        return mask[:, (torch.arange(count, device=mask.device) * self.tokens_per_frame) % count]

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """F cosines and what they become."""
        return video.frames.shape[1] * _WORKING_COPIES * text.sentence.element_size()
