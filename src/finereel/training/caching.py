"""Gradient caching: the gradients of a large contrastive batch in the memory of a small one.

The loss needs all rows at once, but only their features. So: features of every chunk without a
graph; the loss of all of them, and its gradient at the features; then every chunk again, this time
with a graph, backward from that gradient. Towers run forward twice; nothing else changes. Source:
Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"
(GradCache).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from finereel.models.features import TextFeatures, VideoFeatures, concatenate, tensors_of

MIB = 1 << 20
Features = TypeVar("Features", TextFeatures, VideoFeatures)


@dataclass(frozen=True)
class Rows(Generic[Features]):
    """One side of a batch: how to encode any of its rows, and how many there are.

    `encode` opens its own autocast, if any, and depends on nothing but the rows and torch's random
    state.
    """

    encode: Callable[[slice], Features]
    count: int


def cached_backward(
    texts: Rows[TextFeatures],
    videos: Rows[VideoFeatures],
    chunk: int,
    loss_of: Callable[[TextFeatures, VideoFeatures], Tensor],
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Tensor:
    """Add the gradients of the batch's loss to every parameter; returns the loss, detached and not
    scaled.

    chunk: rows encoded at a time; 0, or one chunk for all, is the plain backward. loss_of: the loss
    of all features; among several processes, it gathers them first. scale: of the loss before
    backward (float16). Random numbers (dropout, noise of the patch choice) are those of the first
    pass in the second one too, and go on from there.
    """
    if not 0 < chunk < max(texts.count, videos.count):
        loss = loss_of(texts.encode(slice(0, texts.count)), videos.encode(slice(0, videos.count)))
        scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()
    text_passes, video_passes = _first_pass(texts, chunk), _first_pass(videos, chunk)
    text, video = (
        _leaves([one.features for one in text_passes]),
        _leaves([one.features for one in video_passes]),
    )
    loss = loss_of(text, video)
    scale(loss).backward()  # type: ignore[no-untyped-call]
    with _randomness_kept():
        _second_pass(texts, text_passes, text)
        _second_pass(videos, video_passes, video)
    return loss.detach()


@dataclass(frozen=True)
class _Pass(Generic[Features]):
    """What the first pass leaves of a chunk: its rows, its features, and the random state it
    started from.
    """

    rows: slice
    features: Features
    random: tuple[Tensor, ...]


@torch.no_grad()
def _first_pass(side: Rows[Features], chunk: int) -> list[_Pass[Features]]:
    passes = []
    for first in range(0, side.count, chunk):
        rows, random = slice(first, min(first + chunk, side.count)), _random_state()
        passes.append(_Pass(rows, side.encode(rows), random))
    return passes


def _second_pass(side: Rows[Features], passes: list[_Pass[Features]], leaves: Features) -> None:
    """Encode every chunk again as the first time, and pass on the gradients its features got."""
    for one in passes:
        _set_random_state(one.random)
        made = side.encode(one.rows)
        stops = tensors_of(leaves)
        pairs = [(tensor, stops[name].grad) for name, tensor in tensors_of(made).items()]
        reached = [
            (tensor, grad[one.rows])
            for tensor, grad in pairs
            if grad is not None and tensor.requires_grad
        ]
        if reached:
            torch.autograd.backward(
                [tensor for tensor, _ in reached], [grad for _, grad in reached]
            )


def _leaves(chunks: list[Features]) -> Features:
    """The features of all chunks as one batch, at which gradients stop."""
    joined = concatenate(chunks)
    for tensor in tensors_of(joined).values():
        if tensor.is_floating_point():
            tensor.requires_grad_()
    return joined


def _random_state() -> tuple[Tensor, ...]:
    """Read the random state of the processor, and of the current CUDA device once it is used."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states.append(torch.cuda.get_rng_state())
    return tuple(states)


def _set_random_state(states: tuple[Tensor, ...]) -> None:
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state)


@contextmanager
def _randomness_kept() -> Iterator[None]:
    before = _random_state()
    try:
        yield
    finally:
        _set_random_state(before)


def chunk_for(budget_mib: int, *sides: Rows[TextFeatures] | Rows[VideoFeatures]) -> int:
    """The most rows whose activations fit `budget_mib`, at least 1: two tiny passes tell what a row
    keeps for backward.

    Not in the budget: weights, gradients, the optimizer, and what an operation needs for the
    moment. Random state and gradients are left as they were.
    """
    with _randomness_kept(), torch.enable_grad():
        each = [
            (_kept_bytes(side, 2) - _kept_bytes(side, 1), side.count)
            for side in sides
            if side.count > 1
        ]
    chunks = [budget_mib * MIB // max(1, row) for row, _ in each]
    return max(1, min([*chunks, max((side.count for side in sides), default=1)]))


def _kept_bytes(side: Rows[TextFeatures] | Rows[VideoFeatures], rows: int) -> int:
    """Bytes of memory that encoding the first `rows` keeps for backward; what several tensors share
    counts once.
    """
    kept: dict[int, Tensor] = {}  # holding the tensors keeps addresses from being used twice

    def keep(tensor: Tensor) -> None:
        kept[tensor.untyped_storage().data_ptr()] = tensor.detach()

    with saved_tensors_hooks(keep, lambda nothing: nothing):
        side.encode(slice(0, rows))
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
