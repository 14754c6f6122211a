"""Read wide values straight from the data files of a local Lance table.

Values of fixed width stand one after the other: a page of such a column is `rows * width` bytes.
Values of any length (thumbnails) stand one after the other too, each behind its length, and a second
buffer says where each begins. Where a page is anything else nothing is read here, and Lance does it.
Nothing that is read here is trusted either: every value has a checksum in its row, which the caller
compares with those that come with the values. `finereel-kernels` reads values of fixed width and
sums them in a third of the time, where it is installed.
"""

import importlib
import os
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
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
_LENGTH = 4  # bytes
_ROW_BITS = 32
_ROW = (1 << _ROW_BITS) - 1
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
class LongValues:
    """Where the values of one column of a fragment stand that have any length: by page the number of
    its first row and its two buffers, the values and the places where they begin. rows: how many
    there are.
    """

    file: Path
    first: tuple[int, ...]
    pages: tuple[ColumnPage, ...]
    rows: int

    @classmethod
    def of(cls, file: Path, pages: Sequence[ColumnPage]) -> "LongValues":
        """Raises ValueError where a page is not one value after the other."""
        for page in pages:
            if len(page.buffers) != 2 or page.buffers[1][1] not in _place_tables(page.rows):
                raise ValueError("a column is not kept value by value")
        ends = list(accumulate(page.rows for page in pages))
        first = tuple(end - page.rows for end, page in zip(ends, pages, strict=True))
        return cls(file, first, tuple(pages), ends[-1] if pages else 0)

    def read(self, file: int, row: int) -> bytes:
        """The value of a row of an open file. Raises KeyError where there is no such row, OSError
        where what stands there is no value behind its length.
        """
        if row >= self.rows:
            raise KeyError("a row beyond the end of its fragment")
        number = bisect_right(self.first, row) - 1
        page, place = self.pages[number], row - self.first[number]
        (values, length), (places, size) = page.buffers
        size //= page.rows + 1
        both = os.pread(file, 2 * size, places + place * size)
        start, end = (int.from_bytes(both[at : at + size], "little") for at in (0, size))
        if not 0 <= start + _LENGTH <= end <= length:
            raise OSError("a value does not stand in its page")
        found = os.pread(file, end - start, values + start)
        if int.from_bytes(found[:_LENGTH], "little") != end - start - _LENGTH:
            raise OSError("a value is not as long as it says")
        return found[_LENGTH:]


def _place_tables(rows: int) -> list[int]:
    """How long a table of the places of so many values and of their end can be, in bytes."""
    return [size * (rows + 1) for size in (1, 2, 4, 8)]


@dataclass(frozen=True)
class WideColumns:
    """Columns of one version of a table by name: how many bytes a value has, and by fragment where
    its values stand. long: those whose values have any length.
    """

    widths: Mapping[str, int]
    fragments: Mapping[str, Mapping[int, Values]]
    long: Mapping[str, Mapping[int, LongValues]]

    @classmethod
    def of(
        cls, table: Path, version: int, widths: Mapping[str, int], long: Sequence[str] = ()
    ) -> "WideColumns | None":
        """None where some of the files cannot be read in this way. long: columns whose values may
        have any length; fragments that keep them in another way are left out.
        """
        if not hasattr(os, "preadv"):  # Windows
            return None
        found: dict[str, dict[int, Values]] = {name: {} for name in widths}
        lengthy: dict[str, dict[int, LongValues]] = {name: {} for name in long}
        try:
            manifest = manifest_files(table)[version].read_bytes()
            for fragment, files in columns_by_file(manifest).items():
                for name, columns in files.items():
                    own = {one: columns[one] for one in (*widths, *long) if one in columns}
                    pages = pages_of(table / name, list(own.values()))
                    for column, at in own.items():
                        if column in widths:
                            values = Values.of(table / name, pages[at], widths[column])
                            found[column][fragment] = values
                            continue
                        with suppress(ValueError):
                            lengthy[column][fragment] = LongValues.of(table / name, pages[at])
        except (OSError, ValueError, LookupError, OverflowError):
            return None
        return cls(dict(widths), found, lengthy)

    def read_long(self, column: str, row_ids: RowIds) -> list[bytes] | None:
        """The values of these rows in their order; None where one cannot be read."""
        fragments = self.long[column]
        try:
            with ExitStack() as closing:
                opened = _OpenFiles(closing)
                values = []
                for row_id in row_ids.tolist():
                    own = fragments[row_id >> _ROW_BITS]
                    values.append(own.read(opened[own.file], row_id & _ROW))
        except (OSError, KeyError):
            return None
        return values

    def read(self, columns: Sequence[str], row_ids: RowIds) -> "dict[str, ReadValues] | None":
        """The values of these rows in their order; None where one cannot be read."""
        fragments, rows = row_ids >> _ROW_BITS, row_ids & _ROW
        numbers = {one: np.flatnonzero(fragments == one) for one in np.unique(fragments).tolist()}
        read = {}
        try:
            with ExitStack() as closing:
                opened = _OpenFiles(closing)
                for name in columns:
                    width = self.widths[name]
                    files, places = np.empty((2, len(row_ids)), dtype=np.int64)
                    for fragment, own in numbers.items():
                        values = self.fragments[name][fragment]
                        files[own] = opened[values.file]
                        places[own] = values.places(rows[own], width)
                    read[name] = _read(files, places, width)
        except (OSError, KeyError):
            return None
        return read


class _OpenFiles(dict[Path, int]):
    """Files that are opened when they are asked for, and closed in the end."""

    def __init__(self, closing: ExitStack) -> None:
        super().__init__()
        self._closing = closing

    def __missing__(self, path: Path) -> int:
        self[path] = os.open(path, os.O_RDONLY)
        self._closing.callback(os.close, self[path])
        return self[path]


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
    if hasattr(os, "posix_fadvise"):  # a disk gets all wishes at once
        for file, place in zip(files.tolist(), places.tolist(), strict=True):
            os.posix_fadvise(file, place, width, os.POSIX_FADV_WILLNEED)
    for row, (file, place) in enumerate(zip(files.tolist(), places.tolist(), strict=True)):
        own = whole[row * width : (row + 1) * width]
        if os.preadv(file, [own], place) != width:
            raise OSError("a data file is shorter than its pages")
        read.sums[row] = zlib.crc32(own)
