"""Before Lance opens a table: choose the version that counts and verify its manifest.

Lance always reads the newest manifest, and takes one of zeros for an empty table. After a power cut
the newest manifest may be torn; one that vanished would silently give the answers of yesterday. So
the manifests are looked at here first.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from finereel.errors import DamagedLibraryError
from finereel.index.head import TABLE_FOLDER, CommitHead, read_head
from finereel.index.lance_files import TableVersion, manifest_files, manifest_name, parse_manifest
from finereel.index.remote import newest_version
from finereel.io.atomic import replace_file, sync_folder
from finereel.io.storage.places import Place, StorePath


def settle(folder: Place) -> int | None:
    """Make the version that counts readable, and return its number; None when the table has no
    whole version.

    Torn manifests go to the quarantine, and a lost or changed one is written again from its copy in
    the head: exactly the bytes that were there. Any process may do so, with or without the lock.
    Raises DamagedLibraryError when that is needed and the folder cannot be written.
    """
    if isinstance(folder, StorePath):
        return newest_version(folder)
    try:
        head = _restored_head(folder)
        newest = 0 if head is None else head.version
        for version, path in sorted(manifest_files(folder / TABLE_FOLDER).items(), reverse=True):
            if version <= newest:
                break
            if _is_whole(folder, path) and head is None:
                return version
    except OSError as error:
        raise DamagedLibraryError(
            f"the newest state of the library in {folder} is damaged and cannot be repaired there "
            f"({error.strerror}); "
            f"run `finereel doctor --library {folder.parent}` where the folder can be written"
        ) from error
    return None if head is None else head.version


def lost_version(folder: Place) -> int | None:
    """The version that a power cut destroyed before it counted, as long as no later commit has
    taken its place.
    """
    if isinstance(folder, StorePath):
        return None
    head = read_head(folder)
    torn = manifest_files(folder.parent / FOLDER / folder.name / TABLE_FOLDER)
    newest = max(torn, default=0)
    return newest if newest > (0 if head is None else head.version) else None


def roll_back(folder: Place) -> None:
    """Remove the versions that a killed process or a power cut kept from counting, and the files
    that only they have.

    The caller holds the lock. Nobody was told of such a version and no reader uses it.
    """
    head = read_head(folder)
    settle(folder)
    if head is None or isinstance(folder, StorePath):
        return
    table = folder / TABLE_FOLDER
    doomed: set[str] = set()
    kept: set[str] = set()
    for version, path in manifest_files(table).items():
        try:
            files = parse_manifest(path.read_bytes()).files
        except (
            ValueError
        ):  # an old version that nobody reads any more, but that keeps Lance from dropping it
            set_aside(folder.parent, path)
            continue
        (doomed if version > head.version else kept).update(files)
        if version > head.version:
            path.unlink()
    sync_folder(table / "_versions")
    for name in doomed - kept:
        shutil.rmtree(table / name) if (table / name).is_dir() else (table / name).unlink(
            missing_ok=True
        )


def _missing_files(table: Path, version: TableVersion) -> list[str]:
    """The files of a version that are gone or do not have the size that the manifest says."""
    lacking = [
        name for name in (*version.deletions, *version.indices) if not (table / name).exists()
    ]
    return lacking + [
        name for name, size in version.data.items() if not _has_size(table / name, size)
    ]


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size if size else path.stat().st_size > 0
    except OSError:
        return False


def _restored_head(folder: Path) -> CommitHead | None:
    """The head, its manifest in place."""
    while (head := read_head(folder)) is not None:
        table = folder / TABLE_FOLDER
        path = manifest_files(table).get(head.version)
        if path is not None and _content(path) == head.manifest:
            return head
        if (
            read_head(folder) != head
        ):  # a writer went on meanwhile, and may have dropped that version
            continue
        if path is not None:
            with suppress(FileNotFoundError):
                set_aside(folder.parent, path)
        path = table / manifest_name(head.version)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Lance must see no other file among the manifests.
        with replace_file(path, within=folder) as fresh:
            fresh.write_bytes(head.manifest)
    return None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_whole(folder: Path, path: Path) -> bool:
    """Whether a version that no head vouches for can be read; a torn manifest is set aside."""
    content = _content(path)
    if content is None:  # a writer dropped an old version meanwhile
        return False
    try:
        version = parse_manifest(content)
    except ValueError:
        set_aside(folder.parent, path)
        return False
    return not _missing_files(folder / TABLE_FOLDER, version)


# Damaged files are set aside in `LIBRARY/quarantine`, never deleted: somebody may still get
# something out of them.
FOLDER = "quarantine"


def set_aside(library: Path, path: Path) -> Path:
    """Move a file or folder of the library into its quarantine, under its path below the library;
    returns where to.
    """
    relative = path.relative_to(library)
    place = library / FOLDER / relative
    number = 1
    while place.exists():
        place = library / FOLDER / relative.with_name(f"{relative.name}.{number}")
        number += 1
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    for folder in (path.parent, *place.parents):
        sync_folder(folder)
        if folder == library:
            break
    return place


def set_aside_files(library: Path) -> list[Path]:
    """Everything in the quarantine."""
    return sorted(path for path in (library / FOLDER).rglob("*") if path.is_file())
