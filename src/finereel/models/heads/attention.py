"""Cross-attention between words and patches: every word pools the patches of a clip by its own
weights.

Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1) with one head and a learned scale,
in the place of the aggregation of similarities. With unit words w, unit patches p and
learned matrices Q, K, V:

    α[w,p] = softmax over patches of e^a · (w·Q)·(p·K)
    u[w]   = Σ_p α[w,p] · p·V
    score  = Σ_w β[w] · cos(w, u[w]),    β = softmax over words of w·c

Q, K and V start at the identity, e^a at 10 and c at 0, so that training starts from the mean over
words of their cosines with softly chosen patches.
"""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.weighting import masked_softmax

_START = math.log(10.0)  # sharper ones, as ISA's 1/τ, saturate and leave Q and K no gradient


@dataclass(frozen=True)
class AskingText(TextFeatures):
    """Prepared texts of unit words. projected: the sentence that meets the video vector; queries:
    w·Q, sharpened; counts: β.
    """

    projected: Float[Tensor, "T D"] = field(default_factory=lambda: torch.empty(0, 0))
    queries: Float[Tensor, "T W D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    counts: Float[Tensor, "T W"] = field(default_factory=lambda: torch.empty(0, 0))


@dataclass(frozen=True)
class AnsweringVideo(VideoFeatures):
    """Prepared clips. keys: p·K; values: p·V; products: those of all values of a clip with one
    another.
    """

    keys: Float[Tensor, "V P D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    values: Float[Tensor, "V P D"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    products: Float[Tensor, "V P P"] = field(default_factory=lambda: torch.empty(0, 0, 0))


class WordPatchAttention(nn.Module):
    """Learned queries, keys and values, one sharpness, and what a word counts; dim = D.

    The pooled vector u is never made: w·u and |u|² are sums over products of values, which takes P
    numbers of memory for a word and a clip instead of D.
    """

    working_copies = 4  # logits, weights, products with the word, and with one another

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.eye(dim))
        self.key = nn.Parameter(torch.eye(dim))
        self.value = nn.Parameter(torch.eye(dim))
        self.sharpness = nn.Parameter(torch.tensor(_START))
        self.telling = nn.Parameter(torch.zeros(dim))

    def asked(self, words: Float[Tensor, "T W D"]) -> Float[Tensor, "T W D"]:
        """Queries of unit words."""
        return words @ self.query * self.sharpness.exp()

    def counted(
        self, words: Float[Tensor, "T W D"], mask: Bool[Tensor, "T W"] | None
    ) -> Float[Tensor, "T W"]:
        """β: what every word counts, 1 in all and 0 under the mask."""
        return masked_softmax(words @ self.telling, mask)

    def answering(self, video: VideoFeatures) -> AnsweringVideo:
        """Clips of unit patches with their keys and values."""
        values = video.patches @ self.value
        given = {name: getattr(video, name) for name in VideoFeatures.__dataclass_fields__}
        return AnsweringVideo(
            **given,
            keys=video.patches @ self.key,
            values=values,
            products=values @ values.transpose(1, 2),
        )

    def forward(
        self, text: AskingText, video: AnsweringVideo, mask: Bool[Tensor, "V P"] | None
    ) -> Float[Tensor, "T V"]:
        """Scores of prepared texts and clips; no patch under the mask takes part."""
        (T, W, D), V = text.words.shape, len(video)
        queries, words = text.queries.reshape(T * W, D), text.words.reshape(T * W, D)
        weights_VWP = masked_softmax(
            queries @ video.keys.transpose(1, 2), None if mask is None else mask[:, None]
        )
        along_VW = (words @ video.values.transpose(1, 2)).mul(weights_VWP).sum(-1)
        square_VW = (weights_VWP @ video.products).mul(weights_VWP).sum(-1)
        tiny = torch.finfo(square_VW.dtype).tiny
        cosine_VTW = (along_VW * square_VW.clamp_min(tiny).rsqrt()).view(V, T, W)
        return torch.einsum("vtw,tw->tv", cosine_VTW, text.counts)
