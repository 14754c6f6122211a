"""Two bits: a rotated unit vector whose numbers each take one of four levels, and one factor.

The rotation makes the numbers of any vector nearly normal (`finereel.codecs.rotation`), so the four
levels are those of the best quantiser of a normal distribution (Max 1960, Lloyd 1982: 0.4528 and
1.5104 deviations, with the threshold at 0.9816), here in the proportion 3 to 10. Nothing is trained
and there is no codebook to lose.

The factor is the vector's length divided by the product of its direction with its levels. With it
the product of the decoded vector with the vector itself is exact, and its product with any other
vector is right on average (the correction of RaBitQ, arXiv 2405.12497): it makes up for the length
that rounding takes.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor

from finereel.codecs.base import Codec, from_half, to_half
from finereel.codecs.rotation import rotation

LEVELS = (-10.0, -3.0, 3.0, 10.0)
THRESHOLD = 0.9816
"""In deviations of the rotated numbers, which are 1 / sqrt(D)."""
_FACTOR = 2  # bytes
_ROWS = 256
"""Vectors decoded at a time: what is computed of them stays in the processor's cache."""
_GRID = 2.0**16
"""Unit vectors are rotated as whole multiples of this part."""
_FINE = 2.0**8
"""Levels are rotated back as multiples of this part."""


class TwoBitCodec(Codec):
    """The factor as a half, then four numbers to a byte, the first in its lowest bits."""

    def vector_bytes(self, dim: int) -> int:
        """D / 4, rounded up, + 2."""
        return _FACTOR + (dim + 3) // 4

    def _encode(self, vectors: Float32[Tensor, "N D"]) -> UInt8[Tensor, "N B"]:
        count, dim = vectors.shape
        length = folded_sum(vectors.double() ** 2).sqrt()[:, None]
        unit = torch.where(length > 0, vectors / length, 0.0).float()
        turned = rotation(dim).turn((unit * _GRID).round_())
        far = turned.abs() > THRESHOLD * _GRID / dim**0.5
        codes = torch.where(turned < 0, 1 - far.int(), 2 + far.int())
        levels = torch.tensor(LEVELS, dtype=torch.float64)[codes]
        # Whole numbers, so their sum is exact in any order.
        product = (levels * turned.double()).sum(1, keepdim=True) / _GRID
        factor = torch.where(product > 0, length * dim**0.5 / product, 0.0)
        four = torch.zeros(count, (dim + 3) // 4 * 4, dtype=torch.int32)
        four[:, :dim] = codes
        shifted = four.view(count, -1, 4) << torch.tensor([0, 2, 4, 6], dtype=torch.int32)
        return torch.cat([to_half(factor.float()), shifted.sum(2).to(torch.uint8)], 1)

    def _decode(self, codes: UInt8[Tensor, "N B"], dim: int) -> Float32[Tensor, "N D"]:
        packed = codes[:, _FACTOR:].numpy()
        factor = from_half(codes[:, :_FACTOR]) / (_FINE * dim**0.5)
        found = torch.empty(len(codes), dim)
        for top in range(0, len(codes), _ROWS):
            rows = slice(top, top + _ROWS)
            levels = torch.from_numpy(_table().take(packed[rows], axis=0))
            turned = rotation(dim).back(levels.view(len(levels), -1)[:, :dim])
            torch.mul(turned, factor[rows], out=found[rows])
        return found


@lru_cache(maxsize=1)
def _table() -> Float32[np.ndarray, "256 4"]:
    """The four levels of every byte."""
    places = np.arange(256)[:, None] >> np.array([0, 2, 4, 6]) & 3
    table: Float32[np.ndarray, "256 4"] = np.array(LEVELS, np.float32)[places] * np.float32(_FINE)
    return table


def folded_sum(values: Float64[Tensor, "N D"]) -> Float64[Tensor, " N"]:
    """Sums of rows, halves onto halves: the same order of additions on every machine.

    >>> folded_sum(torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)).tolist()
    [6.0]
    """
    width = values.shape[1]
    while width > 1:
        half = (width + 1) // 2
        values = torch.cat(
            [values[:, : width - half] + values[:, half:width], values[:, width - half : half]], 1
        )
        width = half
    return values.sum(1)
