"""CLIP4Clip's head: compare the sentence with the mean of the frames.

    video_sentence[t,v] = s · t · v

with the l2-normalised sentence t and the unit video vector v, whatever temporal encoder made it
(`meanP`, `seqLSTM`, `seqTransf`). Nothing is learned here, and padding takes no part in the
published form either: `mask_padding` changes nothing. Source: ArrowLuo/CLIP4Clip
`modules/modeling.py:354-401`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.base import Head


class Clip4ClipHead(Head):
    """Args: config: weights and masking; dim = D."""

    parts = ("video_sentence",)
    published: ClassVar[Mapping[str, Any]] = {"shifted_blocks": ()}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences."""
        return replace(text, sentence=normalize(text.sentence, dim=-1))

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """One product."""
        return {"video_sentence": text.sentence @ video.video.T}

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """The score itself."""
        return text.sentence.element_size()
