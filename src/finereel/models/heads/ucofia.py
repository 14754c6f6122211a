"""UCoFiA's head: video-sentence, frame-sentence and patch-word scores (ICCV 2023, section 3).

With l2-normalised words w, sentence t, frames f, unit video v and selected patches p:

    video_sentence[t,v] = s · (t·G) · (v·G₁)
    frame_sentence[t,v] = s · ISA over frames of t·f
    patch_word[t,v]     = c · (A + B) / 2 on m = (w·L) · (p·L₁), Bi-ISA:
        A = ISA over patches of ISA over words of m,  B = ISA over words of ISA over patches of m

`patch_units="cosine"` (default) normalises patches and sets c = s, so all three scores have the same
unit. `"inner_product"` is the published form, with raw patches and c = 1: one of the three scores is
on another scale. `mask_padding=False` is published too: padded words, frames and patches take part.

`patch_word=cross_attention` puts a cross-attention of words over patches in the place of Bi-ISA, see
`finereel.models.heads.attention`; its score is a cosine, whatever `patch_units` says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import StoredFeatures, TextFeatures, VideoFeatures
from finereel.models.heads import compiled
from finereel.models.heads.attention import AnsweringVideo, AskingText, WordPatchAttention
from finereel.models.heads.base import Head
from finereel.models.heads.weighting import make_aggregation

GRANULARITIES = ("video_sentence", "frame_sentence", "patch_word")
_NO_SIMILARITIES = 64  # bytes of a pair that bound blocks whose similarities are never in memory
_WORKING_COPIES = 4  # similarities, powers of two, mixed weights, and one product in the making


@dataclass(frozen=True)
class _ProjectedSentence(TextFeatures):
    """Prepared texts; `projected` holds t·G·G₁ᵀ, beside the sentence that meets frames plain."""

    projected: Float[Tensor, "T D"] = field(default_factory=lambda: torch.empty(0, 0))


class UcofiaHead(Head):
    """Args: config: sizes, aggregation, weights per granularity, units and masking; dim = D."""

    parts = GRANULARITIES
    inputs: ClassVar[Mapping[str, str]] = {"frame_sentence": "frames", "patch_word": "patches"}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)
        self.attends = config.patch_word == "cross_attention"
        self.cosine_patches = config.patch_units == "cosine" or self.attends
        self.raw = frozenset(() if self.cosine_patches else {"patches"})
        if "video_sentence" in self.weights:
            self.sentence_projection = _identity(dim)
            self.video_projection = _identity(dim)
        if "frame_sentence" in self.weights:
            self.over_frames = make_aggregation(config.aggregation, config.max_frames)
        if "patch_word" in self.weights and self.attends:
            self.attention = WordPatchAttention(dim)
        elif "patch_word" in self.weights:
            self.word_projection = _identity(dim)
            self.patch_projection = _identity(dim)
            self.over_words = make_aggregation(config.aggregation, config.max_words)
            self.over_patches = make_aggregation(config.aggregation, config.num_patches)
            self.over_word_patches = make_aggregation(config.aggregation, config.num_patches)
            self.over_patch_words = make_aggregation(config.aggregation, config.max_words)

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences and unit words, with both projections each: (w·L)·(p·L₁) = (w·L·L₁ᵀ)·p
        leaves the clips as they are stored.

        The sentence that meets frames is not projected. Words keep their shape but lie word by word
        in memory, as torch reads them; compiled kernels read real words only, so only these are made.
        """
        if self._attending:
            return self._asking(text)
        if "patch_word" in self.weights and self._compiled(text.words):
            words = torch.zeros_like(text.words)
            rows = normalize(text.words[text.word_mask], dim=-1)
            words[text.word_mask] = self._projected(rows)
        else:
            words = normalize(self._zeroed(text.words, text.word_mask).transpose(0, 1), dim=-1)
            if "patch_word" in self.weights:
                words = self._beside_patches(words @ self.word_projection)
            words = words.transpose(0, 1)
        return _ProjectedSentence(
            sentence=normalize(text.sentence, dim=-1),
            words=words,
            word_mask=text.word_mask,
            projected=self.coarse_query(text),
        )

    @property
    def _attending(self) -> bool:
        return self.attends and "patch_word" in self.weights

    def _asking(self, text: TextFeatures) -> AskingText:
        words = normalize(self._zeroed(text.words, text.word_mask), dim=-1)
        return AskingText(
            sentence=normalize(text.sentence, dim=-1),
            words=words,
            word_mask=text.word_mask,
            projected=self.coarse_query(text),
            queries=self.attention.asked(words),
            counts=self.attention.counted(words, self.mask(text.word_mask)),
        )

    def _projected(self, rows: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Through both projections of words, which many rows take as one."""
        if len(rows) > rows.shape[1]:
            return rows @ self._beside_patches(self.word_projection)
        return self._beside_patches(rows @ self.word_projection)

    def _beside_patches(self, words: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Words times L₁ᵀ, which takes the place of patches times L₁."""
        return words @ self.patch_projection.T

    def _compiled(self, words: Tensor) -> bool:
        bi_isa = self.mask_padding and not self.attends
        return bi_isa and compiled.serves(tuple(self.over().values()), words)

    def ragged(self, text: TextFeatures, video: VideoFeatures) -> bool:
        """Where the kernels read real words only."""
        return "patch_word" in self.weights and self._compiled(text.words)

    def prepare_stored(self, video: StoredFeatures) -> VideoFeatures:
        """Nothing, as `_patch_word` reads patches in half precision too; with cross-attention, the
        keys and values of the patches.
        """
        if not self._attending:
            return video
        return self.attention.answering(super().prepare_stored(video))

    def _zeroed(self, features: Tensor, mask: Tensor) -> Tensor:
        """Zeros under the mask: once here, where it costs nothing, instead of in every
        similarity.
        """
        return features.masked_fill(~mask[..., None], 0.0) if self.mask_padding else features

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """The three unscaled matrices, of prepared features."""
        makers = {
            "video_sentence": self._video_sentence,
            "frame_sentence": self._frame_sentence,
            "patch_word": self._patch_word,
        }
        return {name: makers[name](text, video) for name in self.weights}

    def _video_sentence(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        assert isinstance(text, _ProjectedSentence | AskingText)
        return text.projected @ video.video.T

    def _frame_sentence(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        made = compiled.frame_sentence(text, video, self.over_frames, self.mask_padding)
        if made is not None:
            return made
        V, F, D = video.frames.shape
        sim_VFT = (video.frames.reshape(V * F, D) @ text.sentence.T).view(V, F, len(text))
        frames = self.mask(video.frame_mask)
        by_frame_VT: Tensor = self.over_frames(
            sim_VFT.transpose(1, 2), None if frames is None else frames[:, None]
        )
        return by_frame_VT.T

    def over(self) -> dict[str, nn.Module]:
        """The four aggregations of patch_word, by name; or its attention."""
        if self.attends:
            return {"attention": self.attention}
        names = ("over_patches", "over_words", "over_patch_words", "over_word_patches")
        return {name: getattr(self, name) for name in names}

    def _patch_word(self, text: TextFeatures, video: VideoFeatures) -> Tensor:
        if isinstance(video, AnsweringVideo):
            assert isinstance(text, AskingText)
            attended: Tensor = self.attention(text, video, self.mask(video.patch_mask))
            return attended
        sides = compiled.sides_of(text, video, self.over(), self.mask_padding)
        if sides is not None:
            return compiled.patch_word(sides, self.over())
        sim_VPWT = _similarities(text.words, video.patches.to(text.words.dtype))
        words, patches = self.mask(text.word_mask), self.mask(video.patch_mask)
        patches = None if patches is None else patches[:, None]
        by_word_VWT = self.over_patches(
            sim_VPWT.permute(0, 2, 3, 1), None if patches is None else patches[:, None]
        )
        by_patch_VPT = self.over_words(sim_VPWT.transpose(2, 3), words)
        of_words: Tensor = self.over_patch_words(by_word_VWT.transpose(1, 2), words)
        of_patches: Tensor = self.over_word_patches(by_patch_VPT.transpose(1, 2), patches)
        return (of_words + of_patches).T / 2

    def coarse_query(self, text: TextFeatures) -> Float[Tensor, "T D"]:
        """t·G·G₁ᵀ; without a video_sentence granularity, the unit sentence (an approximation)."""
        sentence = normalize(text.sentence, dim=-1)
        if "video_sentence" not in self.weights:
            return sentence
        return sentence @ self.sentence_projection @ self.video_projection.T

    def scales(self, scale: Tensor) -> dict[str, Tensor]:
        """s for all; 1 for patch_word in its published units."""
        scales = super().scales(scale)
        if "patch_word" in scales and not self.cosine_patches:
            scales["patch_word"] = torch.ones_like(scale)
        return scales

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """The W x P similarities dominate where patch_word counts, else the F frame
        similarities.
        """
        fine, words = "patch_word" in self.weights, text.words
        entries = words.shape[1] * video.patches.shape[1] if fine else video.frames.shape[1]
        if self._attending:
            return entries * self.attention.working_copies * text.sentence.element_size()
        lean = fine and compiled.serves(tuple(self.over().values()), words, video.frames)
        if lean and compiled.own_product():
            return _NO_SIMILARITIES
        return entries * (1 if lean else _WORKING_COPIES) * text.sentence.element_size()


def _similarities(
    words: Float[Tensor, "T W D"], patches: Float[Tensor, "V P D"]
) -> Float[Tensor, "V P W T"]:
    """Every word times every patch.

    Texts stand last in memory: both aggregated axes then have long contiguous runs beside them, so
    that neither needs a turned copy. One text has no such runs; its patches stand last, as the
    product is then made clip by clip, in 0.6 of the time (12 words, 200 clips of 48 patches).
    """
    (T, W, D), (V, P, _) = words.shape, patches.shape
    if T == 1:
        return torch.bmm(words.expand(V, W, D), patches.transpose(1, 2)).transpose(1, 2)[..., None]
    words_DWT = words.transpose(0, 1).reshape(W * T, D).T
    return (patches.reshape(V * P, D) @ words_DWT).view(V, P, W, T)


def _identity(dim: int) -> nn.Parameter:
    return nn.Parameter(torch.eye(dim))
