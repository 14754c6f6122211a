"""The interface of a codec: float vectors to bytes and back, one vector at a time.

A vector's bytes depend on nothing but its numbers, and are the same on every machine. So codes can
be copied, compared and checked like any other stored value, and converting from a finer codec gives
exactly what coding its decoded vectors gives.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Float32, UInt8
from torch import Tensor

from finereel.errors import DataError


class Codec(ABC):
    """Base of all codecs. Subclasses are final and code the (N, D) vectors of `_encode`, at least
    one, which are finite float32 and zero under a mask.
    """

    def encode(
        self, vectors: Float[Tensor, "*N D"], mask: Bool[Tensor, "*N"] | None = None
    ) -> UInt8[Tensor, "*N B"]:
        """The bytes of vectors, B = `vector_bytes(D)` each.

        mask: True where a vector counts; what is under a False is coded as zeros, even NaN.
        Raises DataError for a vector that counts and whose code would not be finite.

        >>> from finereel.codecs import CODECS
        >>> CODECS["int8"].encode(torch.tensor([[1.0, -0.5, 0.0]])).shape
        torch.Size([1, 5])
        """
        given = vectors.detach().cpu().float()
        if mask is not None:
            given = torch.where(mask.cpu()[..., None], given, 0.0)
        dim = given.shape[-1]
        shape = (*given.shape[:-1], self.vector_bytes(dim))
        if not given.numel():
            return torch.zeros(shape, dtype=torch.uint8)
        if not bool(torch.isfinite(given).all()):
            raise DataError(_NOT_FINITE)
        return self._encode(given.reshape(-1, dim)).reshape(shape)

    def decode(self, codes: UInt8[Tensor, "*N B"], dim: int) -> Float32[Tensor, "*N D"]:
        """The vectors of codes. dim: D, which the number of bytes alone does not tell.

        Raises DataError for codes of another number of bytes.
        """
        width = self.vector_bytes(dim)
        if codes.shape[-1] != width:
            raise DataError(
                f"expected {width} bytes for each vector of {dim} numbers, got {codes.shape[-1]}"
            )
        shape = (*codes.shape[:-1], dim)
        if not codes.numel() or not dim:
            return torch.zeros(shape)
        return self._decode(codes.reshape(-1, width), dim).reshape(shape)

    @abstractmethod
    def vector_bytes(self, dim: int) -> int:
        """The bytes that a vector of `dim` numbers takes."""

    @abstractmethod
    def _encode(self, vectors: Float32[Tensor, "N D"]) -> UInt8[Tensor, "N B"]: ...

    @abstractmethod
    def _decode(self, codes: UInt8[Tensor, "N B"], dim: int) -> Float32[Tensor, "N D"]: ...


_NOT_FINITE = (
    "expected tokens that are finite numbers below 65504, got others; check the model's weights"
)


def to_half(values: Float32[Tensor, "N K"]) -> UInt8[Tensor, "N B"]:
    """Numbers as the bytes of their halves; DataError for one that no half holds."""
    halves = values.to(torch.float16)
    if not bool(torch.isfinite(halves).all()):
        raise DataError(_NOT_FINITE)
    return halves.contiguous().view(torch.uint8).reshape(len(values), -1)


def from_half(codes: UInt8[Tensor, "N B"]) -> Float32[Tensor, "N K"]:
    """The inverse of `to_half`."""
    return codes.contiguous().view(torch.float16).float()
