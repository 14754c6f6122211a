"""The clip table in an object store: several writers append at once, without a lock.

What replaces rows (changed files, marks, compaction, indices) takes the lease of the library
(`finereel.io.storage.lease`), and asks for it once more before it begins; appending takes none.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from finereel.errors import LibraryBusyError, ObjectStoreError
from finereel.index.coarse_choice import LEAST_APPROXIMATE
from finereel.index.faults import storage_errors
from finereel.index.lance import LanceTable
from finereel.index.lance_files import manifest_name, parse_manifest
from finereel.index.manifest import METADATA_KEY, Manifest
from finereel.index.mirror import RemoteSnapshot
from finereel.index.remote import TABLE_FOLDER, connected
from finereel.index.schema import clip_schema, manifest_of
from finereel.index.snapshot import SPEAKS, Snapshot
from finereel.index.store import ROWS_PER_FRAGMENT, SMALL_FRAGMENTS, TABLE, ClipStore, any_of
from finereel.io.storage.lease import leased, passed_over
from finereel.io.storage.places import Place, StorePath

CROWDED = ("Too many concurrent writers", "Retryable commit conflict")
"""What Lance says when it gives up because of other writers."""
PATIENCE = 20
"""How often a commit is begun before we give up."""
KEEP_READ = timedelta(hours=1)
"""How long an old version stays: longer than a replica takes to follow."""


class RemoteClipStore(ClipStore):
    """A `ClipStore` whose folder is a `StorePath`."""

    near = False

    def __init__(self, folder: Place, table: LanceTable, manifest: Manifest) -> None:
        super().__init__(folder, table, manifest)
        self._known: set[int] = set()
        self._read = 0

    @classmethod
    def create(cls, folder: Place, manifest: Manifest) -> "RemoteClipStore":
        """The table in `folder`, empty unless another writer made it at the same time."""
        schema = clip_schema(manifest.model, {METADATA_KEY: manifest.to_json()}, manifest.format)
        with storage_errors(folder, "made"):
            table = connected(folder).create_table(
                TABLE, schema.empty_table(), schema=schema, exist_ok=True
            )
        return cls(folder, table, manifest)

    @property
    def _library(self) -> StorePath:
        assert isinstance(self.folder, StorePath)
        return self.folder.parent

    def unchecked_snapshot(self) -> Snapshot:
        """As `ClipStore.unchecked_snapshot`; what is read of it often is copied to this machine."""
        found = super().unchecked_snapshot()
        self._read = found.version
        return RemoteSnapshot(found.table, self.manifest, self.folder)

    def prepare(self) -> None:
        """Bring a table of a former version up to date."""
        with storage_errors(self.folder, "read"):
            self._table.checkout_latest()
            self._schema = None
        self.upgrade()
        self._known = set(self._fragments(self.version()))

    def commit(self, rows: Sequence[pa.Table], replaced: Sequence[str] = ()) -> None:
        """Add rows; with `replaced`, as `ClipStore.commit` does, holding the lease.

        Where another writer added the same clips meanwhile, those that came second go.
        """
        if replaced or not rows:
            with leased(self._library) as hold:
                self._patiently(lambda: ClipStore.commit(self, rows, replaced))
                passed = not hold.renewed()
            if passed and rows:
                self._give_way(pa.concat_tables(rows))
            return
        fresh = pa.concat_tables(rows)
        with storage_errors(self.folder, "written"):
            self._patiently(lambda: self._table.add(fresh))
            found = self._places_of(fresh)
        if len(found) > len(fresh):
            self._patiently(lambda: self._drop_doubled(fresh))

    def _give_way(self, rows: pa.Table) -> None:
        """Another process took the lease over before these rows were committed: of files that it
        wrote too, they go.
        """
        own = pc.unique(rows["file_id"])
        with self._committing("written"):
            found = self._table.search().select(["file_id", "path"]).limit(None).to_arrow()
            mine = pc.is_in(found["file_id"], own)
            theirs = found.filter(pc.invert(mine))["path"].combine_chunks()
            crossed = found.filter(pc.and_(mine, pc.is_in(found["path"], theirs)))
            if len(crossed):
                self._table.delete(any_of(pc.unique(crossed["file_id"]).to_pylist()))
        raise passed_over(self._library, "what that one wrote stays")

    def overwrite(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> None:
        """As `ClipStore.overwrite`, of the state that the last snapshot shows. Raises
        LibraryBusyError where somebody committed since then, whose rows would be lost: the table is
        then as it was.
        """
        read = self._read
        with leased(self._library):
            super().overwrite(schema, rows)
            now = self.version()
            if now == read + 1:
                return
            with storage_errors(self.folder, "written"):
                self._table.checkout(now - 1)
                self._table.restore()
                self._schema = None
            self.manifest = manifest_of(self.schema, self.folder)
        raise LibraryBusyError(
            f"{self._library} was added to meanwhile, so it is as it was; run the same command again "
            "while nobody adds"
        )

    def _update(self, key: str, changes: pa.Table) -> None:
        """As `ClipStore._update`."""
        self._patiently(lambda: ClipStore._update(self, key, changes))

    def _patiently(self, commit: Callable[[], object]) -> None:
        """Commit. Where other writers were faster for half a minute, Lance gives up and nothing of
        the commit is visible: it is tried again, after a pause that differs between writers.
        """
        for trial in range(PATIENCE):
            try:
                commit()
            except (RuntimeError, ObjectStoreError) as error:
                if not _crowded(error) or trial + 1 == PATIENCE:
                    raise
                time.sleep(random.uniform(0, 2 * (trial + 1)))
                self._table.checkout_latest()
            else:
                return

    def _places_of(self, rows: pa.Table) -> pa.Table:
        """Where these clips are, `clip_id` and `_rowid`, among the fragments that came since this
        was asked last: what was there before, the planner knew.
        """
        fragments = self._fragments(int(self._table.version))
        fresh = {number: count for number, count in fragments.items() if number not in self._known}
        self._known = set(fragments)
        ids = [(number << 32) + place for number in sorted(fresh) for place in range(fresh[number])]
        if not ids:
            return rows.select(["clip_id"])
        found: pa.Table = self._table.take_row_ids(ids).select(["clip_id"]).with_row_id().to_arrow()
        return found.filter(pc.is_in(found["clip_id"], rows["clip_id"].combine_chunks()))

    def _fragments(self, version: int) -> dict[int, int]:
        """The number of rows of each fragment of a version; nothing is told of a table in memory,
        which has one writer.
        """
        place = self.folder / TABLE_FOLDER / manifest_name(version)
        if isinstance(place, StorePath) and place.scheme == "memory":
            return {}
        return parse_manifest(place.read_bytes()).rows

    def _drop_doubled(self, rows: pa.Table) -> None:
        """Keep the first row of every clip. Whoever else wrote them does the same."""
        with self._committing("written"):
            query = self._table.search().select(["clip_id"]).with_row_id(True)
            files = ", ".join(f"'{file_id}'" for file_id in set(rows["file_id"].to_pylist()))
            found = query.where(f"file_id IN ({files})").limit(None).to_arrow().sort_by("_rowid")
            seen, doubled = set[str](), []
            for row in found.to_pylist():
                if row["clip_id"] in seen:
                    doubled.append(str(row["_rowid"]))
                seen.add(row["clip_id"])
            if doubled:
                self._table.delete(f"_rowid IN ({', '.join(doubled)})")

    def tidy(self, force: bool = False) -> None:
        """Merge small fragments and drop old versions, unless another process does so; among too many
        writers it is left to the next time.
        """
        with storage_errors(self.folder, "compacted"):
            self._table.checkout_latest()
            stats = self._table.stats()
        crowd = SMALL_FRAGMENTS + stats["num_rows"] // ROWS_PER_FRAGMENT
        if force or stats["fragment_stats"]["num_small_fragments"] > crowd:
            self._at_leisure(lambda: self._optimize("compacted"))

    def _at_leisure(self, change: Callable[[], None]) -> None:
        """Make a change that can wait, holding the lease; nothing where another process has it, or
        other writers are faster.
        """
        try:
            with leased(self._library, patience=0.0):
                change()
        except LibraryBusyError:
            return
        except ObjectStoreError as error:
            if not _crowded(error):
                raise

    def refresh_ann(self, threshold: int | None) -> None:
        """As `ClipStore.refresh_ann`, unless another process changes the library; without a
        threshold from LEAST_APPROXIMATE rows on.
        """
        threshold = LEAST_APPROXIMATE if threshold is None else threshold
        if self.rows() < threshold:
            return
        self._at_leisure(lambda: ClipStore.refresh_ann(self, threshold))

    def refresh_words(self) -> None:
        """As `ClipStore.refresh_words`, unless another process changes the library."""
        if "said" not in self.schema.names or not self._table.count_rows(SPEAKS):
            return
        self._at_leisure(lambda: ClipStore.refresh_words(self))

    @contextmanager
    def _committing(self, done: str) -> Iterator[None]:
        """Hold the lease; a commit counts by itself."""
        with leased(self._library) as hold, storage_errors(self.folder, done):
            self._table.checkout_latest()
            hold.require()
            yield

    def _optimize(self, done: str) -> None:
        with self._committing(done):
            self._table.optimize(cleanup_older_than=KEEP_READ)


def _crowded(error: BaseException) -> bool:
    """Whether Lance gave up because other writers were faster."""
    told = f"{error} {error.__cause__}"
    return any(words in told for words in CROWDED)
