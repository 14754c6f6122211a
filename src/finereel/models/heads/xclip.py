"""X-CLIP's head: compare sentence and words with video and frames, four granularities (ACM MM
2022).

With l2-normalised words w, sentence t, frames f and the unit video vector v, and AOSM as in
`weighting`:

    video_sentence[t,v] = s · (t·G) · v
    video_word[t,v]     = s · AOSM over words of w·v
    frame_sentence[t,v] = s · AOSM over frames of t·f
    frame_word[t,v]     = s · (A + B) / 2 on m = (w·L)·f:
        A = AOSM over frames of AOSM over words of m,  B = AOSM over words of AOSM over frames of m

Frames are the raw CLS vectors, not those of the temporal encoder. Published: `mask_padding=False`,
padded words and frames take part in all but the first; the default masks them. Source:
xuguohai/X-CLIP `modules/modeling_xclip.py:254-349`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.base import Head
from finereel.models.heads.weighting import make_aggregation

# Similarities in both layouts, a masked softmax, its mixture, and their product
_WORKING_COPIES = 6


@dataclass(frozen=True)
class _ProjectedWords(TextFeatures):
    """Prepared texts; `projected` holds w·L, beside the words that meet the video vector plain."""

    projected: Float[Tensor, "T W D"] = field(default_factory=lambda: torch.empty(0, 0, 0))


class XclipHead(Head):
    """Args: config: sizes, aggregation (published: `aosm`), weights per granularity and masking;
    dim = D.
    """

    parts = ("video_sentence", "video_word", "frame_sentence", "frame_word")
    published: ClassVar[Mapping[str, Any]] = {"shifted_blocks": (), "aggregation": "aosm"}
    inputs: ClassVar[Mapping[str, str]] = {"frame_sentence": "frames", "frame_word": "frames"}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)
        if "video_sentence" in self.weights:
            self.sentence_projection = nn.Parameter(torch.eye(dim))
        if "video_word" in self.weights:
            self.over_video_words = make_aggregation(config.aggregation, config.max_words)
        if "frame_sentence" in self.weights:
            self.over_sentence_frames = make_aggregation(config.aggregation, config.max_frames)
        if "frame_word" in self.weights:
            self.word_projection = nn.Parameter(torch.eye(dim))
            self.over_words = make_aggregation(config.aggregation, config.max_words)
            self.over_frames = make_aggregation(config.aggregation, config.max_frames)
            self.over_word_frames = make_aggregation(config.aggregation, config.max_frames)
            self.over_frame_words = make_aggregation(config.aggregation, config.max_words)

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences, and unit words, plain and projected."""
        words = normalize(text.words, dim=-1)
        return _ProjectedWords(
            sentence=normalize(text.sentence, dim=-1),
            words=words,
            word_mask=text.word_mask,
            projected=words @ self.word_projection if "frame_word" in self.weights else words,
        )

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """The unscaled matrices, of prepared features."""
        makers = {
            "video_sentence": self._video_sentence,
            "video_word": self._video_word,
            "frame_sentence": self._frame_sentence,
            "frame_word": self._frame_word,
        }
        return {name: makers[name](text, video) for name in self.weights}

    def _video_sentence(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        return text.sentence @ self.sentence_projection @ video.video.T

    def _video_word(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        sim_TVW = (text.words @ video.video.T).transpose(1, 2)
        words = self.mask(text.word_mask)
        result: Tensor = self.over_video_words(sim_TVW, None if words is None else words[:, None])
        return result

    def _frame_sentence(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        sim_TVF = torch.einsum("td,vfd->tvf", text.sentence, video.frames)
        result: Tensor = self.over_sentence_frames(sim_TVF, self.mask(video.frame_mask))
        return result

    def _frame_word(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        assert isinstance(text, _ProjectedWords)
        (T, W, D), (V, F, _) = text.projected.shape, video.frames.shape
        sim_TWVF = (text.projected.reshape(T * W, D) @ video.frames.reshape(V * F, D).T).view(
            T, W, V, F
        )
        words, frames = self.mask(text.word_mask), self.mask(video.frame_mask)
        by_word_TWV = self.over_frames(sim_TWVF, frames)
        by_frame_TVF = self.over_words(
            sim_TWVF.permute(0, 2, 3, 1).contiguous(),
            None if words is None else words[:, None, None],
        )
        of_words: Tensor = self.over_frame_words(
            by_word_TWV.transpose(1, 2), None if words is None else words[:, None]
        )
        of_frames: Tensor = self.over_word_frames(by_frame_TVF, frames)
        return (of_words + of_frames) / 2

    def coarse_query(self, text: TextFeatures) -> Float[Tensor, "T D"]:
        """t·G; without a video_sentence granularity, the unit sentence (an approximation)."""
        sentence = super().coarse_query(text)
        return sentence @ self.sentence_projection if "video_sentence" in self.weights else sentence

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """The W x F similarities dominate where frame_word counts, else one row of words and one of
        frames.
        """
        words, frames = text.words.shape[1], video.frames.shape[1]
        entries = words + frames + (words * frames if "frame_word" in self.weights else 0)
        return entries * _WORKING_COPIES * text.sentence.element_size()
