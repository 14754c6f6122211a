"""Aggregations: reduce the similarities of a text-video pair to one number.

Every aggregation maps `similarities` (..., n) and `mask` (broadcastable to it, True on real
entries) to (...). Entries under a False mask never count, whatever they hold; so trailing masked
entries may be cut off, and an aggregation over n entries takes fewer than n. Where every entry is
masked the result is 0. AGGREGATIONS lists them by name (`aggregation=`).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from finereel.errors import unknown_name

TEMPERATURE = 0.01  # τ, hard-coded as 1e-2 in UCoFiA and X-CLIP
_PER_UNIT = 1 / (TEMPERATURE * math.log(2))  # e^(x/τ) = 2^(x·144.3)
_FAR = 100.0  # 2^-100 beside 1 counts for nothing, and is a normal number in single precision
# 2^±50, sums of such numbers and the squares that gradients take of them, are normal too
_NEAR = 50.0


def masked_softmax(
    values: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None
) -> Float[Tensor, "*pairs n"]:
    """Softmax over the last axis in which masked entries have weight exactly 0; a row of them alone
    weighs all alike.

    >>> masked_softmax(torch.tensor([0.0, 0.0, 9.0]), torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    if mask is not None:
        values = values.masked_fill(~mask, torch.finfo(values.dtype).min)
    return values.softmax(-1)


def masked_max(
    values: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None
) -> Float[Tensor, "*pairs"]:
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

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        if mask is None:
            return similarities.mean(-1)
        return _silence(similarities, mask).sum(-1) / mask.sum(-1).clamp(min=1)


class MaxAggregation(nn.Module):
    """`max`: the best entry; what a learned ISA comes within 2e-4 of on CLIP cosines."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        return masked_max(similarities, mask)


class SoftmaxAggregation(nn.Module):
    """`softmax`: Σ softmax(x/τ)·x, the similarity-weighted mean; nothing is learned."""

    def __init__(self, size: int) -> None:
        super().__init__()

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        similarities = _silence(similarities, mask)
        return (masked_softmax(similarities / TEMPERATURE, mask) * similarities).sum(-1)


class InteractiveSimilarityAggregation(nn.Module):
    """`isa`: Σ softmax( softmax(x/τ)·A / τ )·x with a learned n x n matrix A, identity at the
    start.

    Source: UCoFiA section 3.3; row-vector convention and both temperatures as in
    `modeling_ucofia.py:352-368`. Args: size = n, which fixes how many entries (words, frames or
    patches) the model can take.

    Any axis of a block may stand last (`permute` is free): the work is done in the order of the
    memory, on powers of two, which cost a third of `exp`; the same lines serve training and
    evaluation.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(size))

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        order = sorted(range(similarities.ndim), key=similarities.stride, reverse=True)
        axis, count = order.index(similarities.ndim - 1), similarities.shape[-1]
        values = similarities.permute(order)
        if mask is not None:  # small, and turned once here instead of read across in every product
            mask = mask[(None,) * (similarities.ndim - mask.ndim)].permute(order).contiguous()
        fits = _fits(values)
        if not fits and mask is not None:  # what stands under the mask may be anything, NaN too
            values = _silence(values, mask)
            fits = _fits(values)
        first = _powers(values * _PER_UNIT, mask, axis, fits)
        first = _times(first, 1 / _total(first, axis))
        mixing = self.mixing[:count, :count]
        middle = (mixing.detach().amin() + mixing.detach().amax()) / 2
        centred = (
            mixing - middle
        ) * _PER_UNIT  # weights sum to 1, so all logits of a row move alike
        second = _powers(
            _mix(first, centred, axis), mask, axis, bool(centred.detach().abs().amax() <= _reach())
        )
        total = _total(second, axis)
        result = (_times(second, values).sum(axis, keepdim=True) / total).squeeze(axis)
        rest = [place for place in order if place != similarities.ndim - 1]
        return result.permute([rest.index(place) for place in range(similarities.ndim - 1)])


def _fits(values: Tensor) -> bool:
    """No similarity so large that powers of two of a row, at τ, need its maximum taken off first;
    NaN does not fit.
    """
    if not values.numel():
        return True
    low, high = torch.aminmax(values.detach())
    return bool((torch.maximum(-low, high) * _PER_UNIT <= _reach()).item())


def _reach() -> float:
    """How far from 0 logits may lie without losing their maximum: gradients square the powers,
    scores alone do not.
    """
    return _NEAR if torch.is_grad_enabled() else _FAR


def _powers(logits: Tensor, mask: Tensor | None, axis: int, fits: bool) -> Tensor:
    """2^logits up to a factor per row along `axis`, exactly 0 under the mask; `logits` are
    overwritten.

    fits: all logits are within ±_reach(). Otherwise the row's maximum is taken off, and what is
    2^-_FAR below it counts that much: powers beyond single precision's normal range are ten times
    as slow.
    """
    if not fits:
        if mask is not None:
            logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
        logits = logits.sub_(logits.detach().amax(axis, keepdim=True)).clamp_min_(-_FAR)
    powers = logits.exp2_()
    return powers if mask is None else _times(powers, mask)


def _times(values: Tensor, factor: Tensor) -> Tensor:
    """The product; in the memory of `values` where no gradient will ask for them."""
    return values * factor if values.requires_grad or factor.requires_grad else values.mul_(factor)


def _total(powers: Tensor, axis: int) -> Tensor:
    """Sums along `axis`, never 0: where everything is masked, weights become 0 and not NaN."""
    return powers.sum(axis, keepdim=True).clamp_min(torch.finfo(powers.dtype).tiny)


def _mix(weights: Tensor, mixing: Tensor, axis: int) -> Tensor:
    """Rows along `axis` times the n x n matrix, of a contiguous tensor and without turning it.

    >>> _mix(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 0)
    tensor([[1., 3.],
            [2., 4.]])
    """
    if axis == weights.ndim - 1:
        return weights @ mixing
    before, count = math.prod(weights.shape[:axis]), len(mixing)
    after = math.prod(weights.shape[axis + 1 :])
    mixed = torch.bmm(mixing.T.expand(before, count, count), weights.reshape(before, count, after))
    return mixed.view(weights.shape)


class SimilarityMatrixAttention(nn.Module):
    """`aosm`: Σ (softmax(x/τ)·A)·x with a learned n x n matrix A, identity at the start; weights
    need not sum to 1.

    Source: X-CLIP's attention over the similarity matrix, `modeling_xclip.py:254-349`: one softmax,
    linear after it. Args: size = n, which fixes how many entries the model can take.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(size))

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
        similarities = _silence(similarities, mask)
        count = similarities.shape[-1]
        weights = masked_softmax(similarities / TEMPERATURE, mask) @ self.mixing[:count, :count]
        return (weights * similarities).sum(-1)


class SharpenedSoftmaxAggregation(nn.Module):
    """`sharpened_softmax`: Σ softmax(a·x/τ + b)·x with a learned sharpness a, which starts at 1, and
    a learned offset b of every place, which starts at 0.

    Both are products with a learned query, so that n·h + 2·h numbers learn, h = 8. Models made
    before its name was corrected call it `cross_attention`; it attends over similarities, not over
    words or patches (`finereel.models.heads.attention` does that).
    """

    _HEADS_WIDTH = 8

    def __init__(self, size: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.zeros(size, self._HEADS_WIDTH))
        self.value_key = nn.Parameter(torch.full((self._HEADS_WIDTH,), 1.0 / self._HEADS_WIDTH))
        self.query = nn.Parameter(torch.ones(self._HEADS_WIDTH))

    def forward(
        self, similarities: Float[Tensor, "*pairs n"], mask: Bool[Tensor, "..."] | None = None
    ) -> Tensor:
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
    "sharpened_softmax": SharpenedSoftmaxAggregation,
}
FORMER_NAMES = {"cross_attention": "sharpened_softmax"}
"""Names in the settings of models made earlier, whose fingerprints must not move."""


def make_aggregation(name: str, size: int) -> nn.Module:
    """The aggregation called `name`, or formerly so, over `size` entries.

    >>> type(make_aggregation("cross_attention", 3)).__name__
    'SharpenedSoftmaxAggregation'
    """
    name = FORMER_NAMES.get(name, name)
    if name not in AGGREGATIONS:
        raise unknown_name("aggregation", name, AGGREGATIONS)
    return AGGREGATIONS[name](size)
