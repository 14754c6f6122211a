"""X-Pool's head: the sentence pools the frames of a clip by cross-attention, and is compared with
what it pooled (Gorti et al., CVPR 2022, arXiv 2203.15086).

With the sentence t and frames f, one attention of one head, and N₁, N₂, N₃ LayerNorms:

    q = N₁(t)·Q + b_q,    k = N₁(f)·K + b_k,    v = N₁(f)·V + b_v
    α = softmax over frames of q·k / √D
    r = N₂( (Σ_f α_f · v_f)·O + b_o )
    frame_sentence[t,v] = s · cos( t, N₃( r + dropout(r·L + b_l) ) )

Q, K, V, O and L start at the identity, all b at 0; L is the feed-forward layer, linear as published.
Frames are the encoder's, without temporal encoder (`meanP`) and without token shift; published
dropout is 0.3 (`head_dropout`). Source: layer6ai-labs/xpool `modules/transformer.py`,
`modules/metrics.py`.

Two differences. Padded frames take no part (published: all clips have all frames;
`mask_padding=False` lets them count). A library keeps frames as unit vectors, so N₁ gets them at
length √D, where its epsilon is as small beside them as beside a raw one: N₁(x) depends on the length
of x by that epsilon only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import StoredFeatures, TextFeatures, VideoFeatures
from finereel.models.heads.base import Head
from finereel.models.heads.weighting import masked_softmax

_WORKING_COPIES = 4  # vectors of D numbers of a pair: attended, its LayerNorm, the layer, the sum


@dataclass(frozen=True)
class _AskingSentence(TextFeatures):
    """Prepared texts; `query` = q / √D, beside the unit sentence."""

    query: Float[Tensor, "T D"] = field(default_factory=lambda: torch.empty(0, 0))


@dataclass(frozen=True)
class _AnsweringFrames(VideoFeatures):
    """Prepared clips. keys: k; values: v·O + b_o, as weights that sum to 1 let O come before the
    sum.
    """

    keys: Float[Tensor, "V F D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    values: Float[Tensor, "V F D"] = field(default_factory=lambda: torch.empty(0, 0, 0))


class XpoolHead(Head):
    """Args: config: weights, masking and dropout; dim = D."""

    parts = ("frame_sentence",)
    inputs: ClassVar[Mapping[str, str]] = {"frame_sentence": "frames"}
    published: ClassVar[Mapping[str, Any]] = {
        "shifted_blocks": (),
        "temporal": "meanP",
        "head_dropout": 0.3,
    }

    def __init__(self, config: ModelConfig, dim: int) -> None:
        super().__init__(config)
        self.given_norm = nn.LayerNorm(dim)
        self.query, self.key, self.value = _identity(dim), _identity(dim), _identity(dim)
        self.output = _identity(dim)
        self.attended_norm = nn.LayerNorm(dim)
        self.feed_forward = _identity(dim)
        self.dropout = nn.Dropout(config.head_dropout)
        self.pooled_norm = nn.LayerNorm(dim)

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences, and the query of each."""
        query = self.query(self.given_norm(text.sentence))
        return _AskingSentence(
            sentence=normalize(text.sentence, dim=-1),
            words=text.words,
            word_mask=text.word_mask,
            query=query / query.shape[-1] ** 0.5,
        )

    def prepare_stored(self, video: StoredFeatures) -> VideoFeatures:
        """Keys and values of every frame."""
        ready = super().prepare_stored(video)
        frames = self.given_norm(ready.frames * ready.frames.shape[-1] ** 0.5)
        given = {name: getattr(ready, name) for name in VideoFeatures.__dataclass_fields__}
        return _AnsweringFrames(
            **given, keys=self.key(frames), values=self.output(self.value(frames))
        )

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Float[Tensor, "T V"]]:
        """The unscaled matrix, of prepared features."""
        assert isinstance(text, _AskingSentence)
        assert isinstance(video, _AnsweringFrames)
        frames = self.mask(video.frame_mask)
        weights_VTF = masked_softmax(
            text.query @ video.keys.transpose(1, 2), None if frames is None else frames[:, None]
        )
        attended_VTD = self.attended_norm(weights_VTF @ video.values)
        pooled_VTD = self.pooled_norm(attended_VTD + self.dropout(self.feed_forward(attended_VTD)))
        along_VT = torch.einsum("vtd,td->vt", pooled_VTD, text.sentence)
        scores = (along_VT / pooled_VTD.norm(dim=-1).clamp_min(_SHORTEST)).T
        if frames is not None:  # a clip without frames has nothing to pool but biases
            scores = torch.where(frames.any(1), scores, 0.0)
        return {"frame_sentence": scores}

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """A few vectors of D numbers, and the weights of F frames."""
        entries = _WORKING_COPIES * text.sentence.shape[1] + 3 * video.frames.shape[1]
        return entries * text.sentence.element_size()


_SHORTEST = 1e-12


def _identity(dim: int) -> nn.Linear:
    layer = nn.Linear(dim, dim)
    nn.init.eye_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
