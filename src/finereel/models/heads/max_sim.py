"""MaxSim: match every word with its best frame, before and after the temporal encoder
(Video-ColBERT, arXiv 2503.19009).

With l2-normalised words w, frames f and contextual frames c:

    frame_word[t,v] = s · mean_w max_f w·f        video_word[t,v] = s · mean_w max_c w·c

Both scores in one direction only, text to video, and nothing learned. No code is published; the
paper adds learned expansion tokens to c, which are left out here, lets the padding of a query take
part as query expansion (`mask_padding=False`; by default padding takes no part), sums the two where
we average, and trains by a sigmoid loss.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.base import Head
from finereel.models.heads.weighting import MaxAggregation, MeanAggregation

_WORKING_COPIES = 2  # similarities, plain and masked


class MaxSimHead(Head):
    """Args: config: weights per granularity and masking; dim = D."""

    parts = ("frame_word", "video_word")
    inputs: ClassVar[Mapping[str, str]] = {"frame_word": "frames", "video_word": "contextual"}
    published: ClassVar[Mapping[str, Any]] = {"shifted_blocks": ()}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)
        self.best, self.mean = MaxAggregation(config.max_frames), MeanAggregation(config.max_words)

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit words."""
        return replace(text, words=normalize(text.words, dim=-1))

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """The unscaled matrices, of prepared features."""
        return {
            name: self._mean_max(text, getattr(video, self.inputs[name]), video.frame_mask)
            for name in self.weights
        }

    def _mean_max(
        self, text: TextFeatures, frames: Float[Tensor, "V F D"], mask: Bool[Tensor, "V F"]
    ) -> Tensor:
        (T, W, D), (V, F, _) = text.words.shape, frames.shape
        sim_TWVF = (text.words.reshape(T * W, D) @ frames.reshape(V * F, D).T).view(T, W, V, F)
        by_word_TWV: Tensor = self.best(sim_TWVF, self.mask(mask))
        words = self.mask(text.word_mask)
        result: Tensor = self.mean(
            by_word_TWV.transpose(1, 2), None if words is None else words[:, None]
        )
        return result

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """The W x F similarities, and the best frame of each word."""
        words, frames = text.words.shape[1], video.frames.shape[1]
        return (words * frames + words) * _WORKING_COPIES * text.sentence.element_size()
