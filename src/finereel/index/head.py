"""`head.json`: the newest committed version of the clip table and what its files must look like.

A commit of Lance counts once every file of it is forced to disk and `head.json` names it. So a
power cut loses at most a commit that nobody was told of, and a version that vanishes later is
missed: the head holds a copy of its manifest.

In an object store there is no head: an object is durable and whole once it is written, so a version
counts as soon as Lance has written its manifest.
"""

import base64
import errno
import json
import os
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from finereel.index.lance_files import TableVersion, manifest_files, parse_manifest
from finereel.io.atomic import read_stored_json, sync_file, sync_folder, write_file
from finereel.io.storage.places import Place, StorePath

NAME = "head.json"
TABLE_FOLDER = "clips.lance"


@dataclass(frozen=True)
class CommitHead:
    """version: the newest that counts. manifest: the bytes of its manifest. files: the CRC-32 of
    every file with deleted rows and of every index file, by path below the table. normalized:
    whether there is a bank of captions.
    """

    version: int
    manifest: bytes
    files: dict[str, int] = field(default_factory=dict)
    normalized: bool = False

    def table(self) -> TableVersion:
        """The files of this version."""
        return parse_manifest(self.manifest)

    def to_json(self) -> bytes:
        """As `head.json` holds it."""
        body = {
            "version": self.version,
            "manifest": base64.b64encode(self.manifest).decode(),
            "files": self.files,
            "normalized": self.normalized,
        }
        return json.dumps(body | {"checksum": _checksum(body)}, indent=1).encode()


def read_head(folder: Place) -> CommitHead | None:
    """The head of an index folder; None when it is absent (a former version made the index) or
    damaged.
    """
    if isinstance(folder, StorePath):
        return None
    body = read_stored_json(folder / NAME)
    if body is None or body.pop("checksum", None) != _checksum(body):
        return None
    return CommitHead(**body | {"manifest": base64.b64decode(body["manifest"])})


def head_is_damaged(folder: Path) -> bool:
    """Whether there is a head that does not read."""
    return (folder / NAME).exists() and read_head(folder) is None


def write_head(folder: Place, head: CommitHead) -> None:
    """Make `head` the state that counts."""
    write_file(folder / NAME, head.to_json())


def mark_normalized(folder: Place, normalized: bool) -> None:
    """Note that a bank is there, so that its loss is noticed."""
    head = read_head(folder)
    if head is not None and head.normalized != normalized:
        write_head(folder, replace(head, normalized=normalized))


def seal(folder: Place) -> None:
    """Force the newest version of the table to disk, then let it count. The caller holds the lock.

    Costs an fsync per new file and per folder, see `sync_version`.
    """
    if isinstance(folder, StorePath):
        return
    table = folder / TABLE_FOLDER
    newest = max(manifest_files(table).items())
    content = newest[1].read_bytes()
    head = read_head(folder)
    if head is not None and (head.version, head.manifest) == (newest[0], content):
        return
    version = parse_manifest(content)
    fresh = version.files - (set() if head is None else head.table().files)
    _require_whole(table, {name: size for name, size in version.data.items() if name in fresh})
    sync_version(table, fresh, newest[1])
    known = {} if head is None else head.files
    files = {
        name: known[name] if name in known else file_checksum(table / name)
        for name in _unrowed(table, version)
    }
    write_head(folder, CommitHead(newest[0], content, files, head is not None and head.normalized))


def _require_whole(table: Path, sizes: dict[str, int]) -> None:
    """Lance may lose the error of its last write to a file, and commit a file that was cut
    short.
    """
    for name, size in sizes.items():
        if size and (table / name).stat().st_size != size:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(table / name))


def sync_version(table: Path, fresh: set[str], manifest: Path) -> None:
    """Data first and the manifest after it, each with its folder; then the folders above."""
    paths = [table / name for name in sorted(fresh) if (table / name).exists()]
    folders = [path for path in paths if path.is_dir()]
    for path in [
        *(path for folder in folders for path in folder.iterdir()),
        *(set(paths) - set(folders)),
    ]:
        sync_file(path)
    for folder in [*folders, *{path.parent for path in paths}]:
        sync_folder(folder)
    sync_file(manifest)
    for folder in (manifest.parent, table, table.parent):
        sync_folder(folder)


def changed_files(folder: Place, below: str = "") -> list[str]:
    """Which files with deleted rows (`_deletions`) or of an index (`_indices`) are not what they
    were, or are gone.
    """
    if isinstance(folder, StorePath):
        return []
    head = read_head(folder)
    known = {} if head is None else head.files
    table = folder / TABLE_FOLDER
    return [
        name
        for name, value in known.items()
        if name.startswith(below) and _is_other(table / name, value)
    ]


def file_checksum(path: Path) -> int:
    """The CRC-32 of a file's content."""
    value = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def _is_other(path: Path, expected: int) -> bool:
    try:
        return file_checksum(path) != expected
    except OSError:
        return True


def _unrowed(table: Path, version: TableVersion) -> list[str]:
    """The files of a version that no row's checksum covers."""
    inner = [file for folder in version.indices for file in sorted((table / folder).iterdir())]
    return [*version.deletions, *(str(file.relative_to(table)) for file in inner)]


def _checksum(body: dict[str, object]) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())
