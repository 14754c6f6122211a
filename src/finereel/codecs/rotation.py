"""A seeded orthogonal rotation that spreads every number of a vector over all of them: signs, then
a Hadamard transform, without a stored matrix.

After it, the numbers of any vector are close to normally distributed, whatever its largest ones
were, so that one fixed set of levels fits all vectors (QuIP#, arXiv 2402.04396; RaBitQ, arXiv
2405.12497; TurboQuant, arXiv 2504.19874).

A width that is no power of two is rotated in two blocks that overlap, the first 2^k numbers and the
last 2^k, so nothing is padded. All sums are of whole numbers below 2^24: float32 adds them exactly,
in any order, and the result is the same on every machine.
"""

import hashlib
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

_INNER = 32
"""Width of the products by which a transform begins; the rest are additions of long runs."""


class Rotation:
    """The rotation of `dim` numbers; the same for ever, as codes depend on it."""

    def __init__(self, dim: int) -> None:
        size = 1 << max(0, dim.bit_length() - 1)
        starts = [0] if size == dim else [0, dim - size, 0]
        self._steps = [
            (_signs(dim, number), slice(start, start + size)) for number, start in enumerate(starts)
        ]
        self._size = size

    def turn(self, whole: Float32[Tensor, "N D"]) -> Float32[Tensor, "N D"]:
        """Whole numbers, rotated and rounded to whole numbers. Their absolute values must add up to
        less than 2^24 in every row.
        """
        for signs, block in self._steps:
            whole = self._transform(whole * signs, block)
        return whole

    def back(self, whole: Float32[Tensor, "N D"]) -> Float32[Tensor, "N D"]:
        """The inverse of `turn`, but for the rounding."""
        for signs, block in reversed(self._steps):
            whole = self._transform(whole, block).mul_(signs)
        return whole

    def _transform(self, whole: Float32[Tensor, "N D"], block: slice) -> Float32[Tensor, "N D"]:
        turned = hadamard(whole[:, block]).mul_(self._size**-0.5).round_()
        if self._size == whole.shape[1]:
            return turned
        return torch.cat([whole[:, : block.start], turned, whole[:, block.stop :]], 1)


@lru_cache(maxsize=8)
def rotation(dim: int) -> Rotation:
    """The rotation of vectors of `dim` numbers."""
    return Rotation(dim)


def hadamard(vectors: Float32[Tensor, "N P"]) -> Float32[Tensor, "N P"]:
    """The Walsh-Hadamard transform of rows of P numbers, a power of two; not divided by sqrt(P).

    >>> hadamard(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    tensor([[10., -2., -4.,  0.]])
    """
    count, size = vectors.shape
    inner = min(_INNER, size)
    found = (vectors.reshape(-1, inner) @ _matrix(inner)).reshape(count, size)
    half = inner
    while half < size:
        pairs = found.view(count, size // (2 * half), 2, half)
        first, second = pairs[:, :, 0], pairs[:, :, 1]
        difference = first - second
        first.add_(second)
        second.copy_(difference)
        half *= 2
    return found


@lru_cache(maxsize=8)
def _matrix(size: int) -> Float32[Tensor, "P P"]:
    one = torch.ones(1, 1)
    while len(one) < size:
        one = torch.cat([torch.cat([one, one], 1), torch.cat([one, -one], 1)])
    return one


def _signs(dim: int, number: int) -> Float32[Tensor, " D"]:
    """Pseudorandom signs from a hash, which no version of any library changes."""
    seed = f"finereel rotation {dim} {number}".encode()
    drawn = hashlib.shake_128(seed).digest((dim + 7) // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8), count=dim)
    return torch.from_numpy(1.0 - 2.0 * bits.astype(np.float32))
