"""Half precision: every number in 16 bits, off by at most one part in 2,048."""

from jaxtyping import Float32, UInt8
from torch import Tensor

from finereel.codecs.base import Codec, from_half, to_half


class HalfCodec(Codec):
    """IEEE 754 halves, little-endian."""

    def vector_bytes(self, dim: int) -> int:
        """2 D."""
        return 2 * dim

    def _encode(self, vectors: Float32[Tensor, "N D"]) -> UInt8[Tensor, "N B"]:
        return to_half(vectors)

    def _decode(self, codes: UInt8[Tensor, "N B"], dim: int) -> Float32[Tensor, "N D"]:
        return from_half(codes)
