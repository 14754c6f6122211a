"""What stands in every row of the table but its features, kept in memory for who asks often."""

import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float16, Int64, UInt32
from torch import Tensor, from_numpy

RowIds = Int64[np.ndarray, " N"]
CANONICAL = [("path", "ascending"), ("start", "ascending")]
"""The order in which ties rank the same after any rewrite of the table."""


@dataclass(frozen=True)
class VectorTable:
    """The coarse side of all clips that are not missing: row ids and unit vectors in half precision.

    rows: clip ids and what a bank reads; None where they stand in the table only. checksums: a
    CRC-32 of each vector, where these are not checked yet.
    """

    row_ids: RowIds
    vectors: Float16[Tensor, "V D"]
    rows: pa.Table | None = None
    checksums: UInt32[np.ndarray, " V"] | None = None

    def of(self, row_ids: RowIds) -> Float16[Tensor, "N D"] | None:
        """The vectors of these clips; None where some of them are not here, or are damaged. The ids
        of the table ascend.
        """
        at = np.minimum(np.searchsorted(self.row_ids, row_ids), max(0, len(self.row_ids) - 1))
        if not len(self.row_ids) or not (self.row_ids[at] == row_ids).all():
            return None
        found = self.vectors[from_numpy(at)]
        if self.checksums is not None:
            sums = np.fromiter(map(zlib.crc32, found.numpy()), dtype=np.uint32, count=len(at))
            if (sums != self.checksums[at]).any():
                return None
        return found


@dataclass(frozen=True)
class KeptRows:
    """All rows in canonical order.

    rows: KEPT_COLUMNS, masks, checksums and `_rowid`. row_ids: ascending, and where each stands in
    `rows`: places.
    """

    rows: pa.Table
    row_ids: RowIds
    places: Int64[np.ndarray, " N"]

    @classmethod
    def of(cls, rows: pa.Table) -> "KeptRows":
        """Keep these rows, which may come in any order."""
        ordered = rows.sort_by(CANONICAL).combine_chunks()
        row_ids = ordered["_rowid"].to_numpy().astype(np.int64)
        places = np.argsort(row_ids)
        return cls(ordered, row_ids[places], places)

    def take(self, row_ids: RowIds) -> pa.Table:
        """These rows in canonical order. Ids of deleted rows are passed over."""
        at = np.minimum(np.searchsorted(self.row_ids, row_ids), max(0, len(self.row_ids) - 1))
        known = self.row_ids[at] == row_ids if len(self.row_ids) else np.zeros(0, dtype=bool)
        return self.rows.take(pa.array(np.sort(self.places[at[known]])))
