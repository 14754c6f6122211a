"""`finereel doctor`: find damage in a library, and repair it without losing an intact clip."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from finereel.errors import DamagedLibraryError, FinereelError, LibraryError
from finereel.index.bank import NAME as BANK
from finereel.index.bank import Bank, remove_bank
from finereel.index.checksums import CHECKSUM_COLUMNS, with_checksums
from finereel.index.head import NAME as HEAD
from finereel.index.head import TABLE_FOLDER, changed_files, head_is_damaged
from finereel.index.kept import RowIds
from finereel.index.lance_files import TableVersion, fragment_of, manifest_files, parse_manifest
from finereel.index.manifest import Manifest, index_folders, read_manifest, write_manifest
from finereel.index.opening import BUILDING, begin_library
from finereel.index.presence import NAME as MANIFEST
from finereel.index.presence import not_found
from finereel.index.schema import completed, decode_path, version_of
from finereel.index.settle import lost_version, set_aside, set_aside_files, settle
from finereel.index.snapshot import Snapshot
from finereel.index.status import LOST
from finereel.index.store import ClipStore
from finereel.io.atomic import read_stored_json
from finereel.types import Problem

# Which rows of a damaged table are whole: every row is read, and compared with its checksums.
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


@dataclass
class RepairReport:
    """What a repair did.

    clips: whole ones, kept. dropped: clips that are damaged or of a video that lost one. videos: to
    be indexed again, as far as their names could be read; the next `index` of their folders does
    exactly these and those whose names could not. set_aside: where damaged files went. mended: what
    else was put right.
    """

    clips: int = 0
    dropped: int = 0
    videos: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)


def find_damage(library: Path, thorough: bool) -> list[Problem]:
    """Everything about the stored files that is not as it was written.

    thorough: read every row and compare it with its checksums; else only what is small is looked
    at.
    """
    _require_library(library)
    problems = []
    if read_stored_json(library / MANIFEST) is None:
        problems.append(
            Problem(
                str(library / MANIFEST), "gone, or does not read; the next `index` writes it again"
            )
        )
    manifest, folder = _named(library), _live_folder(library)
    if manifest is not None and (folder is None or manifest.folder != folder.name):
        problems.append(_damaged(library / manifest.folder, f"{MANIFEST} names it, and it is gone"))
    if folder is None:
        return [*problems, _damaged(library, "no clip table is left")]
    if head_is_damaged(folder):
        problems.append(
            Problem(str(folder / HEAD), "it does not read; the next `index` writes it again")
        )
    problems += [
        _damaged(folder / TABLE_FOLDER / name, "it is not what was written")
        for name in changed_files(folder)
    ]
    checks: list[Callable[[Path], object]] = [Bank.load, _read_all if thorough else ClipStore.open]
    for check in checks:
        try:
            found = check(folder)
            problems += found if isinstance(found, list) else []
        except FinereelError as error:
            problems.append(Problem(str(folder), str(error)))
    if lost_version(folder) is not None:
        problems.append(Problem(str(folder), LOST))
    kept = set_aside_files(library)
    if kept:
        word = (
            f"{len(kept)} damaged file{'' if len(kept) == 1 else 's'} set aside; delete them "
            "when you are done"
        )
        problems.append(Problem(str(library / "quarantine"), word))
    return problems


def repair(library: Path) -> RepairReport:
    """Keep every whole clip in a whole table, set damaged files aside. The caller holds the lock.

    Nothing is deleted and no model is needed. Raises LibraryError when neither a table nor
    `library.json` is left.
    """
    _require_library(library)
    report = RepairReport()
    store = _open_or_begin(library, report)
    named = _named(library)
    if named is None or named.model != store.manifest.model:
        if (library / MANIFEST).exists():
            report.set_aside.append(str(set_aside(library, library / MANIFEST)))
        write_manifest(library, store.manifest)
        report.mended.append(f"{library / MANIFEST} was written again from the table")
    _repair_bank(store.folder, report)
    _repair_rows(store, report)
    if changed_files(store.folder, "_indices"):
        names = changed_files(store.folder, "_indices")
        store.drop_indices()
        _set_aside_below(store.folder / TABLE_FOLDER, names, report)
        report.mended.append(
            "the indices of vectors and words were dropped; search reads everything until "
            "`finereel index` makes them again"
        )
    return report


def _require_library(library: Path) -> None:
    if not (library / MANIFEST).exists() and not any(library.glob("index-*")):
        raise not_found(library)


def _open_or_begin(library: Path, report: RepairReport) -> ClipStore:
    folder = _live_folder(library)
    try:
        if folder is not None:
            before = set(set_aside_files(library))
            store = ClipStore.open(folder)
            store.prepare()
            report.set_aside += [
                str(path) for path in set_aside_files(library) if path not in before
            ]
            return store
    except DamagedLibraryError:
        report.mended.append(
            f"{folder} has no whole version of its table; index all of its videos again"
        )
    manifest = _named(library)
    if manifest is None:
        for path in [*library.glob("index-*"), *library.glob(MANIFEST)]:
            set_aside(library, path)
        raise LibraryError(
            f"nothing of the library in {library} can be kept; what is left of it was moved to "
            f"{library / 'quarantine'}: index your videos again"
        )
    for name in (TABLE_FOLDER, HEAD):
        if (library / manifest.folder / name).exists():
            report.set_aside.append(str(set_aside(library, library / manifest.folder / name)))
    return begin_library(library, manifest)


def _repair_bank(folder: Path, report: RepairReport) -> None:
    try:
        Bank.load(folder)
    except DamagedLibraryError:
        if (folder / BANK).exists():
            report.set_aside.append(str(set_aside(folder.parent, folder / BANK)))
        remove_bank(folder)
        report.mended.append(
            "the normalisation was damaged and is off; fit it again with `finereel normalize`"
        )


def _repair_rows(store: ClipStore, report: RepairReport) -> None:
    snapshot = store.unchecked_snapshot()
    found = _salvage(snapshot)
    report.clips, report.dropped, report.videos = len(found.sound), found.dropped, found.videos
    if not found.files and not found.unchecked and not changed_files(store.folder, "_deletions"):
        return
    bare = [field for field in snapshot.table.schema if field.name not in CHECKSUM_COLUMNS]
    schema = completed(pa.schema(bare, snapshot.table.schema.metadata), version_of(snapshot.names))
    broken = [*found.files, *changed_files(store.folder, "_deletions")]
    store.overwrite(schema, _batches(snapshot, found.sound, schema))
    if found.unchecked:
        report.mended.append(f"{found.unchecked} clips of a former version have checksums now")
    _set_aside_below(store.folder / TABLE_FOLDER, broken, report)


def _batches(snapshot: Snapshot, row_ids: list[int], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for rows in sound_rows(snapshot, row_ids):
        if "warning" not in rows.schema.names:
            rows = rows.append_column("warning", pa.nulls(len(rows), pa.string()))
        yield from with_checksums(rows, schema).to_batches()


def _set_aside_below(table: Path, names: list[str], report: RepairReport) -> None:
    library = table.parent.parent
    report.set_aside += [
        str(set_aside(library, table / name)) for name in names if (table / name).exists()
    ]


def _read_all(folder: Path) -> list[Problem]:
    found = _salvage(ClipStore.open(folder).unchecked_snapshot())
    table = folder / TABLE_FOLDER
    problems = [
        _damaged(table / name, "clips in it are not what was written") for name in found.files
    ]
    problems += [_damaged(Path(video), "stored clips of it are damaged") for video in found.videos]
    if found.unchecked:
        what = f"{found.unchecked} clips have no checksums, a former version stored them"
        problems.append(_damaged(table, what))
    return problems


def _salvage(snapshot: Snapshot) -> Salvage:
    manifest = manifest_files(snapshot.folder / TABLE_FOLDER)[snapshot.version]
    return salvage(snapshot, parse_manifest(manifest.read_bytes()))


def _live_folder(library: Path) -> Path | None:
    """The index folder that `library.json` names, or the newest complete one with a table."""
    manifest = _named(library)
    if manifest is not None and (library / manifest.folder / TABLE_FOLDER).is_dir():
        return library / manifest.folder
    complete = [folder for folder in index_folders(library) if not (folder / BUILDING).exists()]
    return next((folder for folder in reversed(complete) if settle(folder) is not None), None)


def _named(library: Path) -> Manifest | None:
    try:
        return read_manifest(library)
    except LibraryError:
        return None


def _damaged(path: Path, what: str) -> Problem:
    return Problem(str(path), f"{what}; run `finereel doctor --repair`")
