"""The clip table in an object store: several writers append at once, without a lock.

What replaces rows (changed files, marks, compaction, indices) takes the lease of the library
(`finereel.io.storage.lease`), and asks for it once more before it begins; appending takes none.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from finereel.errors import LibraryBusyError
from finereel.index.coarse_choice import LEAST_APPROXIMATE
from finereel.index.faults import storage_errors
from finereel.index.lance import LanceTable
from finereel.index.lance_files import manifest_name, parse_manifest
from finereel.index.manifest import METADATA_KEY, Manifest
from finereel.index.mirror import RemoteSnapshot
from finereel.index.remote import TABLE_FOLDER, connected
from finereel.index.schema import clip_schema
from finereel.index.snapshot import SPEAKS, Snapshot
from finereel.index.store import ROWS_PER_FRAGMENT, SMALL_FRAGMENTS, TABLE, ClipStore
from finereel.io.storage.lease import leased
from finereel.io.storage.places import Place, StorePath

CROWDED, PATIENCE = "Too many concurrent writers", 20
"""What Lance says when it gives up, and how often a commit is begun before we do."""
KEEP_READ = timedelta(hours=1)
"""How long an old version stays: longer than a replica takes to follow."""


class RemoteClipStore(ClipStore):
    """A `ClipStore` whose folder is a `StorePath`."""

    near = False

    def __init__(self, folder: Place, table: LanceTable, manifest: Manifest) -> None:
        super().__init__(folder, table, manifest)
        self._known: set[int] = set()

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
            super().commit(rows, replaced)
            return
        fresh = pa.concat_tables(rows)
        with storage_errors(self.folder, "written"):
            self._append(fresh)
            found = self._places_of(fresh)
        if len(found) > len(fresh):
            self._drop_doubled(fresh)

    def _append(self, rows: pa.Table) -> None:
        """Add rows. Where other writers were faster for half a minute, Lance gives up and nothing of
        the commit is visible: it is tried again, after a pause that differs between writers.
        """
        for trial in range(PATIENCE):
            try:
                self._table.add(rows)
            except RuntimeError as error:
                if CROWDED not in str(error) or trial + 1 == PATIENCE:
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
        """Merge small fragments and drop old versions, unless another process does so."""
        with storage_errors(self.folder, "compacted"):
            self._table.checkout_latest()
            stats = self._table.stats()
        crowd = SMALL_FRAGMENTS + stats["num_rows"] // ROWS_PER_FRAGMENT
        if force or stats["fragment_stats"]["num_small_fragments"] > crowd:
            with suppress(LibraryBusyError), leased(self._library, patience=0.0):
                self._optimize("compacted")

    def refresh_ann(self, threshold: int | None) -> None:
        """As `ClipStore.refresh_ann`, unless another process changes the library; without a
        threshold from LEAST_APPROXIMATE rows on.
        """
        threshold = LEAST_APPROXIMATE if threshold is None else threshold
        if self.rows() < threshold:
            return
        with suppress(LibraryBusyError), leased(self._library, patience=0.0):
            super().refresh_ann(threshold)

    def refresh_words(self) -> None:
        """As `ClipStore.refresh_words`, unless another process changes the library."""
        if "said" not in self.schema.names or not self._table.count_rows(SPEAKS):
            return
        with suppress(LibraryBusyError), leased(self._library, patience=0.0):
            super().refresh_words()

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
