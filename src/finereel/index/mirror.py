"""Files of a table in an object store, kept on this machine for who asks often.

A file of a table is never changed once it is written, so a copy is right for as long as the manifest
that names it is. The manifest of the version is read from the store and compared before any copy is
used. Where a copy does not read, or its rows are not what was written, the store is asked.
"""

import functools
import hashlib
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from finereel.errors import ConfigError, FinereelError
from finereel.index.kept import RowIds
from finereel.index.lance import LanceTable, lancedb
from finereel.index.lance_files import TableVersion, manifest_files, manifest_name, parse_manifest
from finereel.index.manifest import Manifest
from finereel.index.remote import TABLE_FOLDER
from finereel.index.snapshot import OFTEN, Snapshot
from finereel.io.storage.client import server
from finereel.io.storage.places import Place, StorePath
from finereel.io.user_cache import user_cache

_LOG = logging.getLogger(__name__)

BUDGET = "FINEREEL_TABLE_CACHE_GIB"
"""The variable that says how large a table may be of which copies are kept; 0 for none."""
BUDGET_GIB = 4.0
FREE_SHARE = 0.5
"""How much of the free space of the disk copies may take."""
KEEP_SECONDS = 600.0
"""How long copies of a former version stay, for who still reads it."""
_FILES_AT_ONCE = 4


class Mirror:
    """Copies of the files of the table in an index folder; `mirror_of` gives the one of a process."""

    def __init__(self, folder: StorePath) -> None:
        named = f"{folder}\n{folder.options}\n{server()}"
        name = hashlib.blake2b(named.encode(), digest_size=12).hexdigest()
        self.place = user_cache() / "tables" / name
        self._table = folder / TABLE_FOLDER
        self._lock = threading.Lock()

    @property
    def begun(self) -> bool:
        """Whether there are copies, perhaps of another version."""
        return self.place.is_dir()

    def opened(self, version: int) -> LanceTable | None:
        """A version of the table, read from the copies; None where they are not complete."""
        path = self.place / TABLE_FOLDER / manifest_name(version)
        try:
            if path.read_bytes() != (self._table / manifest_name(version)).read_bytes():
                return None
            table: LanceTable = lancedb.connect(self.place).open_table(
                TABLE_FOLDER[: -len(".lance")]
            )
            table.checkout(version)
        except (FinereelError, OSError, RuntimeError, ValueError):
            return None
        return table

    def fill(self, version: int) -> None:
        """Copy what is not here of a version, its manifest last; where it is larger than the budget,
        nothing.
        """
        with self._lock:
            content = (self._table / manifest_name(version)).read_bytes()
            found = parse_manifest(content)
            if not self._affordable(found):
                return
            here = self.place / TABLE_FOLDER
            (here / "_versions").mkdir(parents=True, exist_ok=True, mode=0o700)
            names = [*found.data, *found.deletions]
            with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
                list(pool.map(self._copy, [name for name in names if not (here / name).exists()]))
            self._write(manifest_name(version), content)
            self._drop_old()

    def _affordable(self, version: TableVersion) -> bool:
        size = sum(version.data.values())
        if not all(version.data.values()) or size > budget():
            return False
        self.place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return size < FREE_SHARE * shutil.disk_usage(self.place.parent).free

    def _copy(self, name: str) -> None:
        part = self._part(name)
        (self._table / name).download(part)
        part.replace(self.place / TABLE_FOLDER / name)

    def _write(self, name: str, content: bytes) -> None:
        part = self._part(name)
        part.write_bytes(content)
        part.replace(self.place / TABLE_FOLDER / name)

    def _part(self, name: str) -> Path:
        """A file that is on its way. Lance lists the folder of manifests, so it is not there."""
        folder = self.place / "parts"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.place / TABLE_FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def _drop_old(self) -> None:
        """Remove what only former versions need, once it is old."""
        table, kept = self.place / TABLE_FOLDER, set[str]()
        manifests = manifest_files(table)
        newest = max(manifests)
        for version, path in manifests.items():
            if version != newest and _age(path) > KEEP_SECONDS:
                path.unlink(missing_ok=True)
                continue
            with suppress(OSError, ValueError):
                kept |= {str(table / name) for name in parse_manifest(path.read_bytes()).files}
        found = [*table.glob("data/*"), *table.glob("_deletions/*"), *self.place.glob("parts/*")]
        for path in found:
            if str(path) not in kept and _age(path) > KEEP_SECONDS:
                path.unlink(missing_ok=True)


def mirror_of(folder: Place) -> Mirror | None:
    """The copies of a table's files; None for one that is near, or where nobody wants any.

    Raises ConfigError where the environment names no size.
    """
    if not isinstance(folder, StorePath) or folder.scheme == "memory" or not budget():
        return None
    return _mirror_of(folder, server())


@functools.lru_cache(maxsize=64)
def _mirror_of(folder: StorePath, asked: str) -> Mirror:
    del asked  # the environment
    return Mirror(folder)


class RemoteSnapshot(Snapshot):
    """A `Snapshot` of a table in an object store. From OFTEN readings on, the files of the table are
    copied to this machine in a thread, where the budget allows it, and then read here.
    """

    def __init__(self, table: LanceTable, manifest: Manifest, folder: Place) -> None:
        super().__init__(table, manifest, folder)
        self._manifest = manifest
        self._mirror = mirror_of(folder)
        self._near: Snapshot | None = None
        self._readings = 0
        self.filling: threading.Thread | None = None

    def take_rows(self, row_ids: RowIds, columns: list[str], with_row_id: bool = False) -> pa.Table:
        """See `Snapshot.take_rows`."""
        rows = self._read_here(lambda near: near.take_rows(row_ids, columns, with_row_id))
        return super().take_rows(row_ids, columns, with_row_id) if rows is None else rows

    def beside(self, kept: pa.Table, columns: list[str]) -> pa.Table:
        """See `Snapshot.beside`."""
        rows = self._read_here(lambda near: near.beside(kept, columns))
        return super().beside(kept, columns) if rows is None else rows

    def _read_here(self, read: Callable[[Snapshot], pa.Table]) -> pa.Table | None:
        """What the copies give; None where there are none yet, or they cannot be read."""
        if self._mirror is not None:
            self._approach(self._mirror)
        if self._near is None:
            return None
        try:
            return read(self._near)
        except (FinereelError, OSError, RuntimeError, ValueError) as error:
            _LOG.warning(
                f"the copies of {self.folder} in {self._near.folder} are not used: {error}"
            )
            self._near = self._mirror = None
            return None

    def _approach(self, mirror: Mirror) -> None:
        """Use the copies if they are complete; see that they become so."""
        self._readings += 1
        if self._readings == 1 and mirror.begun:
            self._open_near(mirror)
        wanted = mirror.begun or self._readings > OFTEN
        if self._near is None and self.filling is None and wanted:
            self.filling = threading.Thread(
                target=self._fill, args=(mirror,), daemon=True, name="finereel-mirror"
            )
            self.filling.start()

    def _fill(self, mirror: Mirror) -> None:
        try:
            mirror.fill(self.version)
            self._open_near(mirror)
        except (FinereelError, OSError, ValueError) as error:
            _LOG.info(f"{self.folder} was not copied to {mirror.place}: {error}")

    def _open_near(self, mirror: Mirror) -> None:
        table = mirror.opened(self.version)
        self._near = None if table is None else Snapshot(table, self._manifest, mirror.place)


def budget() -> float:
    """How large a table may be of which copies are kept, in bytes."""
    given = os.environ.get(BUDGET, "") or str(BUDGET_GIB)
    try:
        size = 2**30 * float(given)
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise ConfigError(f"{BUDGET} is a number of GiB, 0 for no copies at all, got {given!r}")
    return size


def _age(path: Path) -> float:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime
    return 0.0
