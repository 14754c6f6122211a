"""Aggregations: many similarities of one text-video pair -> one.

Every aggregation maps `similarities` (..., n) and `mask` (broadcastable to it, True on real entries) to (...).
Entries under a False mask never count, whatever they hold; so trailing masked entries may be cut off, and an
aggregation over n entries takes fewer than n. Where every entry is masked the result is 0. AGGREGATIONS lists
them by name (`aggregation=`).
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from finereel.errors import unknown_name

TEMPERATURE = 0.01  # τ, hard-coded as 1e-2 in UCoFiA and X-CLIP


def masked_softmax(values: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None) -> Float[Tensor, "*pairs n"]:
    """Softmax over the last axis in which masked entries have weight exactly 0; a row of them alone weighs all alike.

    >>> masked_softmax(torch.tensor([0.0, 0.0, 9.0]), torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    if mask is not None:
        values = values.masked_fill(~mask, torch.finfo(values.dtype).min)
    return values.softmax(-1)


def masked_max(values: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None) -> Float[Tensor, "*pairs"]:
    """Maximum over the last axis of the entries that are not masked; 0 where there are none.

    >>> masked_max(torch.tensor([[-1.0, 9.0], [3.0, 4.0]]), torch.tensor([[True, False], [False, False]]))
    tensor([-1.,  0.])
    """
    if mask is None:
        return values.amax(-1)
    best = values.masked_fill(~mask, torch.finfo(values.dtype).min).amax(-1)
    return torch.where(mask.any(-1), best, 0.0)


def _silence(values: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros under the mask, so that a weight of 0 never meets NaN or inf."""
    return values if mask is None else values.masked_fill(~mask, 0.0)


class MeanAggregation(nn.Module):
    """`mean`: the plain average."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None) -> Tensor:
        if mask is None:
            return similarities.mean(-1)
        return _silence(similarities, mask).sum(-1) / mask.sum(-1).clamp(min=1)


class MaxAggregation(nn.Module):
    """`max`: the best entry; what a learned ISA comes within 2e-4 of on CLIP cosines."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None) -> Tensor:
        return masked_max(similarities, mask)


class SoftmaxAggregation(nn.Module):
    """`softmax`: Σ softmax(x/τ)·x, the similarity-weighted mean; nothing is learned."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None) -> Tensor:
        similarities = _silence(similarities, mask)
        return (masked_softmax(similarities / TEMPERATURE, mask) * similarities).sum(-1)


class InteractiveSimilarityAggregation(nn.Module):
    """`isa`: Σ softmax( softmax(x/τ)·A / τ )·x with a learned n x n matrix A, identity at the start.

    Source: UCoFiA section 3.3; row-vector convention and both temperatures as in `modeling_ucofia.py:352-368`.
    Args: size = n, which fixes how many entries (words, frames or patches) the model can take.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(size))

    def forward(self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None) -> Tensor:
        similarities = _silence(similarities, mask)
        count = similarities.shape[-1]
        mixed = masked_softmax(similarities / TEMPERATURE, mask) @ self.mixing[:count, :count]
        return (masked_softmax(mixed / TEMPERATURE, mask) * similarities).sum(-1)


class SimilarityMatrixAttention(nn.Module):
    """`aosm`: Σ (softmax(x/τ)·A)·x with a learned n x n matrix A, identity at the start; weights need not sum to 1.

    Source: X-CLIP's attention over the similarity matrix, `modeling_xclip.py:254-349`: one softmax, linear after it.
    Args: size = n, which fixes how many entries the model can take.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(size))

    def forward(self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None) -> Tensor:
        similarities = _silence(similarities, mask)
        count = similarities.shape[-1]
        weights = masked_softmax(similarities / TEMPERATURE, mask) @ self.mixing[:count, :count]
        return (weights * similarities).sum(-1)


class CrossAttentionAggregation(nn.Module):
    """`cross_attention`: a learned query attends over (similarity, place) keys; its weights average the similarities.

    The smallest learned alternative to ISA: 2·n·h + 2·h numbers, h = 8, and a sharpness that starts at 1/τ.
    """

    _HEADS_WIDTH = 8

    def __init__(self, size: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.zeros(size, self._HEADS_WIDTH))
        self.value_key = nn.Parameter(torch.full((self._HEADS_WIDTH,), 1.0 / self._HEADS_WIDTH))
        self.query = nn.Parameter(torch.ones(self._HEADS_WIDTH))

    def forward(self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None) -> Tensor:
        similarities = _silence(similarities, mask)
        places = self.places[: similarities.shape[-1]] @ self.query
        logits = (similarities / TEMPERATURE) * (self.value_key @ self.query) + places
        return (masked_softmax(logits, mask) * similarities).sum(-1)


AGGREGATIONS: dict[str, Callable[[int], nn.Module]] = {
    "mean": MeanAggregation,
    "softmax": SoftmaxAggregation,
    "max": MaxAggregation,
    "isa": InteractiveSimilarityAggregation,
    "aosm": SimilarityMatrixAttention,
    "cross_attention": CrossAttentionAggregation,
}


def make_aggregation(name: str, size: int) -> nn.Module:
    """The aggregation called `name` over `size` entries."""
    if name not in AGGREGATIONS:
        raise unknown_name("aggregation", name, AGGREGATIONS)
    return AGGREGATIONS[name](size)
