"""The clip table in an object store: several writers append at once, without a lock.

What replaces rows (changed files, marks, compaction, indices) takes the lease of the library
(`finereel.io.storage.lease`), and asks for it once more before it begins; appending takes none.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

import pyarrow as pa

from finereel.errors import LibraryBusyError
from finereel.index.faults import storage_errors
from finereel.index.manifest import METADATA_KEY, Manifest
from finereel.index.remote import connected
from finereel.index.schema import clip_schema
from finereel.index.snapshot import SPEAKS
from finereel.index.store import ROWS_PER_FRAGMENT, SMALL_FRAGMENTS, TABLE, ClipStore
from finereel.io.storage.lease import leased
from finereel.io.storage.places import Place, StorePath

KEEP_READ = timedelta(hours=1)
"""How long an old version stays: longer than a replica takes to follow."""


class RemoteClipStore(ClipStore):
    """A `ClipStore` whose folder is a `StorePath`."""

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

    def prepare(self) -> None:
        """Bring a table of a former version up to date."""
        with storage_errors(self.folder, "read"):
            self._table.checkout_latest()
            self._schema = None
        self.upgrade()

    def commit(self, rows: Sequence[pa.Table], replaced: Sequence[str] = ()) -> None:
        """Add rows; with `replaced`, as `ClipStore.commit` does, holding the lease.

        Where another writer added the same clips meanwhile, those that came second go.
        """
        if replaced or not rows:
            super().commit(rows, replaced)
            return
        fresh = pa.concat_tables(rows)
        with storage_errors(self.folder, "written"):
            self._table.checkout_latest()
            before = int(self._table.version)
            twice = self._places_of(fresh)
            self._table.add(fresh)
            alone = int(self._table.version) == before + 1
        if len(twice) or not alone:
            self._drop_doubled(fresh)

    def _places_of(self, rows: pa.Table) -> pa.Table:
        """Which clips of these are in the table, `clip_id` and `_rowid`."""
        files = sorted(set(rows["file_id"].to_pylist()))
        chosen = ", ".join(f"'{file_id}'" for file_id in files)
        query = self._table.search().select(["clip_id"]).with_row_id(True)
        found: pa.Table = query.where(f"file_id IN ({chosen})").limit(None).to_arrow()
        return found.filter(pa.compute.is_in(found["clip_id"], rows["clip_id"].combine_chunks()))

    def _drop_doubled(self, rows: pa.Table) -> None:
        """Keep the first row of every clip. Whoever else wrote them does the same."""
        with storage_errors(self.folder, "written"):
            self._table.checkout_latest()
            found = self._places_of(rows)
        if len(found) == len(set(found["clip_id"].to_pylist())):
            return
        with self._committing("written"):
            found = self._places_of(rows).sort_by("_rowid")
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

    def refresh_ann(self, threshold: int) -> None:
        """As `ClipStore.refresh_ann`, unless another process changes the library."""
        if self._table.count_rows() < threshold:
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
