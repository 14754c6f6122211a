"""Read values of columns of fixed width straight from the data files of a local Lance table.

Lance keeps such values one after the other: a page of a column is `rows * width` bytes. Where a page
is anything else nothing is read here, and Lance does it. Nothing that is read here is trusted
either: every value has a checksum in its row, which the caller compares with those that come with
the values. `finereel-kernels` reads and sums in a third of the time, where it is installed.
"""

import importlib
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8, UInt32

from finereel.index.kept import RowIds
from finereel.index.lance_files import ColumnPage, columns_by_file, manifest_files, pages_of
from finereel.models.heads.compiled import SWITCH

INTERFACE = 1
_WORTH_A_THREAD = 4 << 20  # bytes
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
        if not hasattr(os, "preadv"):  # Windows
            return None
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

    def read(self, columns: Sequence[str], row_ids: RowIds) -> "dict[str, ReadValues] | None":
        """The values of these rows in their order; None where one cannot be read."""
        fragments, rows = row_ids >> _ROW_BITS, row_ids & ((1 << _ROW_BITS) - 1)
        numbers = {one: np.flatnonzero(fragments == one) for one in np.unique(fragments).tolist()}
        read = {}
        try:
            with ExitStack() as closing:
                opened = dict[Path, int]()
                for name in columns:
                    width = self.widths[name]
                    files, places = np.empty((2, len(row_ids)), dtype=np.int64)
                    for fragment, own in numbers.items():
                        values = self.fragments[name][fragment]
                        if values.file not in opened:
                            opened[values.file] = os.open(values.file, os.O_RDONLY)
                            closing.callback(os.close, opened[values.file])
                        files[own] = opened[values.file]
                        places[own] = values.places(rows[own], width)
                    read[name] = _read(files, places, width)
        except (OSError, KeyError):
            return None
        return read


@dataclass(frozen=True)
class ReadValues:
    """Values of N rows. sums: their CRC-32."""

    values: UInt8[np.ndarray, "N bytes"]
    sums: UInt32[np.ndarray, " N"]


@cache
def _library() -> Any:
    """The module `finereel_kernels.rows`; None where it is missing, broken or of another interface,
    or where this processor does not serve.
    """
    try:
        library = importlib.import_module("finereel_kernels.rows")
    except (ImportError, OSError):
        return None
    same = getattr(library, "INTERFACE", None) == INTERFACE
    return library if same and library.READS else None


def _read(
    files: Int64[np.ndarray, " N"], places: Int64[np.ndarray, " N"], width: int
) -> ReadValues:
    """Values from these places of open files. Raises OSError where a file ends before."""
    if hasattr(os, "posix_fadvise"):  # a disk gets all wishes at once
        for file, place in zip(files.tolist(), places.tolist(), strict=True):
            os.posix_fadvise(file, place, width, os.POSIX_FADV_WILLNEED)
    read = ReadValues(
        np.empty((len(files), width), dtype=np.uint8), np.empty(len(files), dtype=np.uint32)
    )
    library = None if os.environ.get(SWITCH, "").lower() == "off" else _library()
    if library is None:
        _read_one_by_one(files, places, read)
    else:
        values, sums = read.values, read.sums
        library.read(
            library.Rows(
                count=len(files),
                width=width,
                files=files.ctypes.data,
                places=places.ctypes.data,
                to=values.ctypes.data,
                sums=sums.ctypes.data,
                threads=min(torch.get_num_threads(), 1 + values.size // _WORTH_A_THREAD),
            )
        )
    return read


def _read_one_by_one(
    files: Int64[np.ndarray, " N"], places: Int64[np.ndarray, " N"], read: ReadValues
) -> None:
    width, whole = read.values.shape[1], read.values.reshape(-1).data
    for row, (file, place) in enumerate(zip(files.tolist(), places.tolist(), strict=True)):
        own = whole[row * width : (row + 1) * width]
        if os.preadv(file, [own], place) != width:
            raise OSError("a data file is shorter than its pages")
        read.sums[row] = zlib.crc32(own)
