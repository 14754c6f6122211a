"""Find the intact rows of a damaged table by reading every row and verifying its checksums."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from finereel.errors import DamagedLibraryError
from finereel.index.head import changed_files
from finereel.index.lance_files import TableVersion, fragment_of
from finereel.index.schema import decode_path
from finereel.index.snapshot import RowIds, Snapshot

BLOCK = 256
"""Rows that are read at a time, with everything in them: 18 MB."""


@dataclass
class Salvage:
    """What can be read of a version, in the order of the table.

    sound: row ids whose file is whole. dropped: number of rows that are damaged, or of a file that
    lost one. videos: their files, as far as their names can be read. files: data files with a
    damaged row. unchecked: rows without checksums, which were stored by a former version.
    """

    sound: list[int] = field(default_factory=list)
    dropped: int = 0
    videos: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    unchecked: int = 0


@dataclass(frozen=True)
class _ReadRow:
    row_id: int
    file_id: str | None
    path: str


_UNKNOWN = _ReadRow(-1, None, "")
"""Stands for rows of which nothing can be known."""


def salvage(snapshot: Snapshot, version: TableVersion) -> Salvage:
    """Read everything.

    A file that lost a clip is dropped as a whole, so that the next `index` reads it again. Where a
    damaged row does not say whose it is, that may be the file of the row before or after it.
    """
    result = Salvage()
    rows: list[_ReadRow] = []
    hidden = {fragment_of(name) for name in changed_files(snapshot.folder, "_deletions")}
    for fragment in sorted(version.fragments):
        ids = (fragment << 32) + np.arange(version.rows[fragment], dtype=np.int64)
        found = _read_fragment(snapshot, ids, result)
        if fragment in hidden:
            # Nobody knows which of these rows were deleted, and which are hidden now.
            found = [_UNKNOWN, *(_ReadRow(row.row_id, None, row.path) for row in found), _UNKNOWN]
        if any(row.file_id is None for row in found):
            result.files += version.fragments[fragment]
        rows += found
    lost = _files_that_lost_a_clip(rows)
    result.sound = [
        row.row_id for row in rows if row.file_id is not None and row.file_id not in lost
    ]
    result.dropped = len(rows) - rows.count(_UNKNOWN) - len(result.sound)
    named = {row.path for row in rows if row.path and (row.file_id is None or row.file_id in lost)}
    result.videos = sorted(decode_path(path) for path in named)
    return result


def sound_rows(snapshot: Snapshot, row_ids: list[int]) -> Iterator[pa.Table]:
    """All columns of these rows but the checksums, block by block."""
    for start in range(0, len(row_ids), BLOCK):
        yield snapshot.take_rows(np.array(row_ids[start : start + BLOCK]), snapshot.own_columns)


def _files_that_lost_a_clip(rows: list[_ReadRow]) -> set[str]:
    lost: set[str] = set()
    for place, row in enumerate(rows):
        if row.file_id is None and not row.path:
            before = next(
                (other.file_id for other in reversed(rows[:place]) if other.file_id), None
            )
            after = next((other.file_id for other in rows[place:] if other.file_id), None)
            lost |= {file_id for file_id in (before, after) if file_id}
    damaged = {row.path for row in rows if row.file_id is None}
    return lost | {row.file_id for row in rows if row.file_id and row.path in damaged}


def _read_fragment(snapshot: Snapshot, ids: RowIds, result: Salvage) -> list[_ReadRow]:
    found: list[_ReadRow] = []
    for start in range(0, len(ids), BLOCK):
        found += _read(snapshot, ids[start : start + BLOCK], result)
    return found


def _read(snapshot: Snapshot, ids: RowIds, result: Salvage) -> list[_ReadRow]:
    """These rows, a damaged one without its file id; halves of a block that does not read are read
    by themselves.
    """
    try:
        rows = snapshot.take_rows(ids, snapshot.own_columns, with_row_id=True)
    except DamagedLibraryError:
        if len(ids) == 1:
            return [_ReadRow(int(ids[0]), None, _path(snapshot, ids))]
        middle = len(ids) // 2
        return _read(snapshot, ids[:middle], result) + _read(snapshot, ids[middle:], result)
    result.unchecked += (
        rows["checksums"].null_count if "checksums" in rows.schema.names else len(rows)
    )
    named = zip(
        rows["_rowid"].to_pylist(),
        rows["file_id"].to_pylist(),
        rows["path"].to_pylist(),
        strict=True,
    )
    return [_ReadRow(*values) for values in named]


def _path(snapshot: Snapshot, ids: RowIds) -> str:
    try:
        paths: list[str] = snapshot.take_rows(ids, ["path"])["path"].to_pylist()
    except DamagedLibraryError:
        return ""
    return paths[0] if paths else ""
