"""DRL's head: compare every word with every frame after the temporal encoder (`interaction`; arXiv
2203.07111).

With l2-normalised words w and contextual frames f, m = w·f:

    wti   frame_word = s · ( Σ_w a_w · max_f m + Σ_f b_f · max_w m ) / 2
    ti    the same with even weights a, b
    dp    video_sentence = s · t · v, the sentence against the pooled video

a and b are softmaxes of small networks on the raw words and frames. Published,
`mask_padding=False`: similarities of padding count as 0, so that no maximum beside padding is
negative; by default padding takes no part. `scaled_evaluation=False` leaves s out of evaluation, as
published; by default training and evaluation agree. Source: foolwood/DRL
`tvr/models/modeling.py:281-301,397-437`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import StoredFeatures, TextFeatures, VideoFeatures
from finereel.models.heads.base import Head
from finereel.models.heads.weighting import masked_max, masked_softmax

_WORKING_COPIES = 3  # similarities, and those masked for either maximum


@dataclass(frozen=True)
class _WeightedText(TextFeatures):
    """Prepared texts with what each word counts."""

    weight: Float[Tensor, "T W"]


@dataclass(frozen=True)
class _WeightedVideo(VideoFeatures):
    """Prepared clips with what each frame counts."""

    weight: Float[Tensor, "V F"] = field(default_factory=lambda: torch.empty(0, 0))


class DrlHead(Head):
    """Args: config: interaction, weights per granularity, masking and scale; dim = D."""

    parts = ("frame_word",)
    inputs: ClassVar[Mapping[str, str]] = {"frame_word": "contextual"}
    published: ClassVar[Mapping[str, Any]] = {"shifted_blocks": ()}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)
        self.scaled_evaluation = config.scaled_evaluation
        self.tokenwise = config.interaction != "dp"
        weighted = config.interaction == "wti"
        self.raw = frozenset({"contextual"} if weighted else ())
        self.word_weight = _weight_network(dim) if weighted else None
        self.frame_weight = _weight_network(dim) if weighted else None

    @classmethod
    def granularities(cls, config: ModelConfig) -> tuple[str, ...]:
        """frame_word, or video_sentence where `interaction` is `dp`."""
        return ("video_sentence",) if config.interaction == "dp" else cls.parts

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences, unit words (zeros under the mask) and the weight of each."""
        words = self._zeroed(text.words, text.word_mask)
        return _WeightedText(
            sentence=normalize(text.sentence, dim=-1),
            words=normalize(words, dim=-1),
            word_mask=text.word_mask,
            weight=_weights(self.word_weight, words, text.word_mask),
        )

    def prepare_stored(self, video: StoredFeatures) -> VideoFeatures:
        """The weight of each contextual frame, by its own length where the weights are learned, and
        unit contextual frames.
        """
        single = super().prepare_stored(video)
        if not self.tokenwise:
            return single
        frames = single.contextual
        weight = _weights(self.frame_weight, frames, single.frame_mask)
        values = {name: getattr(single, name) for name in vars(single)}
        if "contextual" in self.raw:
            values["contextual"] = normalize(frames, dim=-1)
        return _WeightedVideo(**values, weight=weight)

    def _zeroed(self, tokens: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask[..., None], tokens, 0.0) if self.mask_padding else tokens

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """The unscaled matrix, of prepared features."""
        if not self.tokenwise:
            return {"video_sentence": text.sentence @ video.video.T}
        assert isinstance(text, _WeightedText)
        assert isinstance(video, _WeightedVideo)
        (T, W, D), (V, F, _) = text.words.shape, video.contextual.shape
        sim_TWVF = (text.words.reshape(T * W, D) @ video.contextual.reshape(V * F, D).T).view(
            T, W, V, F
        )
        words, frames = self.mask(text.word_mask), self.mask(video.frame_mask)
        if not self.mask_padding:
            sim_TWVF = sim_TWVF * text.word_mask[:, :, None, None] * video.frame_mask
        by_word_TWV = masked_max(sim_TWVF, frames)
        by_frame_TVF = masked_max(
            sim_TWVF.movedim(1, -1), None if words is None else words[:, None, None]
        )
        of_words = torch.einsum("twv,tw->tv", by_word_TWV, text.weight)
        of_frames = torch.einsum("tvf,vf->tv", by_frame_TVF, video.weight)
        return {"frame_word": (of_words + of_frames) / 2}

    def scales(self, scale: Tensor) -> dict[str, Tensor]:
        """s, but 1 in evaluation where `scaled_evaluation` is off."""
        if self.training or self.scaled_evaluation:
            return super().scales(scale)
        return dict.fromkeys(self.weights, torch.ones_like(scale))

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """The W x F similarities; without them, the score itself."""
        entries = text.words.shape[1] * video.frames.shape[1] if self.tokenwise else 1
        return entries * _WORKING_COPIES * text.sentence.element_size()


def _weight_network(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))


def _weights(
    network: nn.Sequential | None, tokens: Float[Tensor, "B n D"], mask: Bool[Tensor, "B n"]
) -> Float[Tensor, "B n"]:
    """What each token counts: 0 under the mask, 1 in all."""
    logits = torch.zeros_like(tokens[..., 0]) if network is None else network(tokens).squeeze(-1)
    return masked_softmax(logits, mask)
