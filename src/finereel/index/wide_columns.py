"""Read values of columns of fixed width straight from the data files of a local Lance table.

Lance keeps such values one after the other: a page of a column is `rows * width` bytes. Where a page
is anything else nothing is read here, and Lance does it. Nothing that is read here is trusted
either: every value has a checksum in its row, which the caller compares.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from finereel.index.kept import RowIds
from finereel.index.lance_files import ColumnPage, columns_by_file, manifest_files, pages_of

_ROW_BITS = 32
"""A row id is the number of a fragment, and in so many bits that of a row in it."""


@dataclass(frozen=True)
class Values:
    """Where the values of one column of a fragment stand: row `first[i]` at byte `offset[i]` of
    `file`, and those after it behind it. rows: how many there are.
    """

    file: Path
    first: Int64[np.ndarray, " P"]
    offset: Int64[np.ndarray, " P"]
    rows: int

    @classmethod
    def of(cls, file: Path, pages: Sequence[ColumnPage], width: int) -> "Values":
        """Raises ValueError where a page is not one value after the other."""
        counts = [page.rows for page in pages]
        if any(len(page.buffers) != 1 or page.buffers[0][1] != page.rows * width for page in pages):
            raise ValueError("a column is not kept value by value")
        ends = np.cumsum(counts, dtype=np.int64)
        offsets = np.array([page.buffers[0][0] for page in pages], dtype=np.int64)
        return cls(file, ends - counts, offsets, int(ends[-1]) if pages else 0)

    def places(self, rows: Int64[np.ndarray, " N"], width: int) -> Int64[np.ndarray, " N"]:
        """The first byte of these rows. Raises KeyError where there is no such row."""
        if len(rows) and rows.max() >= self.rows:
            raise KeyError("a row beyond the end of its fragment")
        page = np.searchsorted(self.first, rows, side="right") - 1
        found: Int64[np.ndarray, " N"] = self.offset[page] + (rows - self.first[page]) * width
        return found


@dataclass(frozen=True)
class WideColumns:
    """Columns of one version of a table by name: how many bytes a value has, and by fragment where
    its values stand.
    """

    widths: Mapping[str, int]
    fragments: Mapping[str, Mapping[int, Values]]

    @classmethod
    def of(cls, table: Path, version: int, widths: Mapping[str, int]) -> "WideColumns | None":
        """None where some of the files cannot be read in this way."""
        found: dict[str, dict[int, Values]] = {name: {} for name in widths}
        try:
            manifest = manifest_files(table)[version].read_bytes()
            for fragment, files in columns_by_file(manifest).items():
                for name, columns in files.items():
                    own = {column: columns[column] for column in widths if column in columns}
                    pages = pages_of(table / name, list(own.values()))
                    for column, at in own.items():
                        values = Values.of(table / name, pages[at], widths[column])
                        found[column][fragment] = values
        except (OSError, ValueError, LookupError, OverflowError):
            return None
        return cls(dict(widths), found)

    def read(
        self, columns: Sequence[str], row_ids: RowIds
    ) -> dict[str, UInt8[np.ndarray, "N bytes"]] | None:
        """The values of these rows in their order; None where one cannot be read."""
        fragments, rows = row_ids >> _ROW_BITS, row_ids & ((1 << _ROW_BITS) - 1)
        numbers = {one: np.flatnonzero(fragments == one) for one in np.unique(fragments).tolist()}
        read = {}
        try:
            with ExitStack() as closing:
                opened = dict[Path, int]()
                for name in columns:
                    width, fragments_of = self.widths[name], self.fragments[name]
                    read[name] = np.empty((len(row_ids), width), dtype=np.uint8)
                    for fragment, own in numbers.items():
                        values = fragments_of[fragment]
                        if values.file not in opened:
                            opened[values.file] = os.open(values.file, os.O_RDONLY)
                            closing.callback(os.close, opened[values.file])
                        places = values.places(rows[own], width)
                        _fill(read[name], own.tolist(), opened[values.file], places.tolist())
        except (OSError, KeyError):
            return None
        return read


def _fill(
    values: UInt8[np.ndarray, "V bytes"], numbers: list[int], file: int, places: list[int]
) -> None:
    """Read these rows of `values` from an open file. Raises OSError where it ends before."""
    width, whole = values.shape[1], values.reshape(-1).data
    if hasattr(os, "posix_fadvise"):  # a disk gets all wishes at once
        for place in places:
            os.posix_fadvise(file, place, width, os.POSIX_FADV_WILLNEED)
    for number, place in zip(numbers, places, strict=True):
        if os.preadv(file, [whole[number * width : (number + 1) * width]], place) != width:
            raise OSError("a data file is shorter than its pages")
