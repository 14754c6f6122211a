"""Eight bits: every number of a vector as a whole number from -127 to 127 times the vector's own
scale, which is its largest number / 127.
"""

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from finereel.codecs.base import Codec, from_half, to_half

LARGEST = 127
_SCALE = 2  # bytes


class Int8Codec(Codec):
    """The scale as a half, then D signed bytes. No number is off by more than half a scale."""

    def vector_bytes(self, dim: int) -> int:
        """D + 2."""
        return dim + _SCALE

    def _encode(self, vectors: Float32[Tensor, "N D"]) -> UInt8[Tensor, "N B"]:
        stored = to_half(vectors.abs().amax(1, keepdim=True) / LARGEST)
        # The numbers are counted in the scale as it is stored, rounded, so that decoding is exact.
        scale = from_half(stored)
        whole = (vectors / scale.where(scale > 0, 1.0)).round_().clamp_(-LARGEST, LARGEST)
        whole = whole.where(scale > 0, 0.0)
        return torch.cat([stored, whole.to(torch.int8).view(torch.uint8)], 1)

    def _decode(self, codes: UInt8[Tensor, "N B"], dim: int) -> Float32[Tensor, "N D"]:
        whole = codes[:, _SCALE:].view(torch.int8).float()
        return whole.mul_(from_half(codes[:, :_SCALE]))
