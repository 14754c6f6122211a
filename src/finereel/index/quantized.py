"""Vectors as int8, and a compiled scan of them where `finereel-kernels` is installed.

Every vector has a scale of its own: what 1 in it is worth. A score from int8 differs by about .001
of a cosine, so `finereel.index.coarse` asks for twice as many and scores these exactly.
"""

import importlib
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, Float32, Int8, Int64
from torch import Tensor

from finereel.errors import DataError
from finereel.models.heads.compiled import SWITCH

INTERFACE = 1
LARGEST = 127
WIDTH = 64
"""The scan reads so many numbers at a time; vectors are filled up with zeros."""
BLOCK = 16_384
"""Vectors that are rounded at a time."""
WORTH_A_THREAD = 50_000
"""Vectors that take longer to look at than a thread takes to start."""


def scans() -> bool:
    """Whether a scan of int8 is cheaper here than a product in half precision: with instructions
    made for it.
    """
    library = _library()
    return (
        library is not None
        and os.environ.get(SWITCH, "").lower() != "off"
        and library.SETS[0] != "plain"
    )


@cache
def _library() -> Any:
    """The module `finereel_kernels.scan`; None where it is missing, broken or of another interface."""
    try:
        library = importlib.import_module("finereel_kernels.scan")
    except (ImportError, OSError):
        return None
    return library if getattr(library, "INTERFACE", None) == INTERFACE else None


@dataclass(frozen=True)
class Int8Vectors:
    """numbers: from -127 to 127, zeros after the vector's own. scales: NaN for a vector with NaN."""

    numbers: Int8[np.ndarray, "V W"]
    scales: Float32[np.ndarray, " V"]

    @classmethod
    def of(cls, vectors: Float16[Tensor, "V D"]) -> "Int8Vectors":
        """Round vectors.

        >>> rounded = Int8Vectors.of(torch.tensor([[0.5, -1.0, 0.25]], dtype=torch.float16))
        >>> rounded.numbers[0, :4].tolist(), round(float(rounded.scales[0]) * 127, 6)
        ([64, -127, 32, 0], 1.0)
        """
        count, dim = vectors.shape
        numbers = np.zeros((count, width_of(dim)), dtype=np.int8)
        scales = np.zeros(count, dtype=np.float32)
        for start in range(0, count, BLOCK):
            part = slice(start, start + BLOCK)
            rounded, worth = _rounded(vectors[part].float())
            numbers[part, :dim], scales[part] = rounded.numpy(), worth.numpy()
        return cls(numbers, scales)

    def best(
        self,
        query: Float32[Tensor, " D"],
        count: int,
        bias: Float32[np.ndarray, " V"] | None = None,
        rows: Int64[np.ndarray, " N"] | None = None,
        instructions: str | None = None,
    ) -> Int64[np.ndarray, " K"]:
        """The places of the best vectors by the rounded score, best first; of equal ones the first.

        Only where `scans` is true. K = min(count, V or N).

        Args:
            query: Of any length, as float32.
            count: How many.
            bias: Added to the score of each vector.
            rows: Look at these vectors only, ascending.
            instructions: A name of `finereel_kernels.scan.SETS`; None for the best.

        Raises:
            DataError: For NaN in the query or in a vector.
        """
        if not bool(torch.isfinite(query).all()):
            raise _broken()
        library, among = _library(), len(self.scales) if rows is None else len(rows)
        rounded, worth = _rounded(query.float().cpu()[None])
        number = np.zeros(self.numbers.shape[1], dtype=np.int8)
        number[: query.shape[0]] = rounded[0].numpy()
        places = np.empty(min(count, among), dtype=np.int64)
        if not len(places):
            return places
        job = library.Scan(
            vectors=self.numbers.ctypes.data,
            scales=self.scales.ctypes.data,
            bias=None if bias is None else bias.ctypes.data,
            rows=None if rows is None else rows.ctypes.data,
            query=number.ctypes.data,
            count=among,
            width=self.numbers.shape[1],
            keep=len(places),
            length=float(worth[0]),
            places=places.ctypes.data,
            threads=min(torch.get_num_threads(), 1 + among // WORTH_A_THREAD),
        )
        try:
            library.scan(job, *([] if instructions is None else [instructions]))
        except ValueError as error:
            raise _broken() from error
        return places


def width_of(dim: int) -> int:
    """The numbers that a vector of `dim` takes as int8.

    >>> width_of(512), width_of(100)
    (512, 128)
    """
    return -(-dim // WIDTH) * WIDTH


def _rounded(
    vectors: Float32[Tensor, "N D"],
) -> tuple[Int8[Tensor, "N D"], Float32[Tensor, " N"]]:
    worth = vectors.abs().amax(1) / LARGEST
    numbers = vectors / worth.clamp_min(torch.finfo(torch.float32).tiny)[:, None]
    return numbers.nan_to_num(0.0, 0.0, 0.0).round().to(torch.int8), worth


def _broken() -> DataError:
    return DataError("expected scores without NaN; leave out the clips whose features are broken")
