"""The clip table on disk: every change is one atomic LanceDB commit, every read uses one committed
version.

A writer holds `finereel.index.store.writer_lock`. Readers do not wait for it: a `Snapshot` is pinned
to a version, and old versions are kept for KEEP_OLD, longer than any search takes, or at least
while a reader is counted (`finereel.io.locks.sharing`). A commit counts once `head.json` names it,
which is after its files are forced to disk (`finereel.index.head`): so all that writes goes through
`_committing`.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from finereel.errors import LibraryBusyError, LibraryError
from finereel.index.coarse_choice import LEAST_APPROXIMATE, CoarseChoice, exact_up_to
from finereel.index.facts import FileFacts, fact_changes
from finereel.index.faults import damaged_library, reading, storage_errors
from finereel.index.head import changed_files, seal
from finereel.index.lance import FTS, IvfSq, LanceTable
from finereel.index.manifest import METADATA_KEY, Manifest
from finereel.index.remote import connected
from finereel.index.schema import FileRecord, clip_schema, completed, file_changes, manifest_of
from finereel.index.settle import roll_back, settle
from finereel.index.snapshot import SPEAKS, Snapshot, index_of
from finereel.io.atomic import CAUSES
from finereel.io.locks import has_hard_links, locked, sole_use
from finereel.io.storage.lease import leased
from finereel.io.storage.places import Place, StorePath, size_of

TABLE = "clips"
KEEP_OLD = timedelta(minutes=10)
KEEP_ALL = timedelta(days=36_500)
SMALL_FRAGMENTS = 32
ROWS_PER_FRAGMENT = 2_000
WASTE = 1.5
"""A table that takes up this many times what its clips need is made smaller at the end of a run."""
SLACK_BYTES = 8192

WORDS = {
    "with_position": True,
    "base_tokenizer": "icu",
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": True,
    "max_token_length": None,
}
"""How the text of clips becomes words: in any language, also in those that are written without
spaces, and as they are written, for a phrase is exact.
"""


class ClipStore:
    """The table of one library and one model.

    folder: the index folder; it holds `clips.lance`. near: whether all rows are read fast enough to
    do so after every commit.
    """

    near = True

    def __init__(self, folder: Place, table: LanceTable, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._table = table
        self._schema: pa.Schema | None = None

    @classmethod
    def create(cls, folder: Place, manifest: Manifest) -> "ClipStore":
        """An empty table in `folder`; what a crash left there before its first commit is
        overwritten.
        """
        schema = clip_schema(manifest.model, {METADATA_KEY: manifest.to_json()}, manifest.format)
        with storage_errors(folder, "made"):
            if isinstance(folder, Path):
                folder.mkdir(parents=True, exist_ok=True)
            settle(folder)
            table = _overwritten(folder, schema.empty_table(), schema)
            seal(folder)
        return cls(folder, table, manifest)

    @classmethod
    def open(cls, folder: Place) -> "ClipStore":
        """Raises DamagedLibraryError when the table cannot be read; it is never replaced by an
        empty one.
        """
        version = settle(folder)
        if version is None:
            raise damaged_library(folder, "it cannot be read, for no version of it is whole")
        with reading(folder):
            table = counted = connected(folder).open_table(TABLE)
            if table.version != version:  # an interrupted commit may have changed the columns
                counted = connected(folder).open_table(TABLE)
                counted.checkout(version)
            schema = counted.schema
        return cls(folder, table, manifest_of(schema, folder))

    @property
    def schema(self) -> pa.Schema:
        """The columns, for building rows; read once for every state of them."""
        if self._schema is None:
            self._schema = self._table.schema
        return self._schema

    def snapshot(self) -> Snapshot:
        """The newest committed state, unaffected by later commits.

        Raises DamagedLibraryError when a file that says which rows are deleted is not what was
        written.
        """
        snapshot = self.unchecked_snapshot()
        changed = changed_files(self.folder, "_deletions")
        if changed and self.version() == snapshot.version:
            raise damaged_library(self.folder, f"{changed[0]} is not what was written")
        return snapshot

    def unchecked_snapshot(self) -> Snapshot:
        """The newest committed state, whatever became of its deleted rows."""
        version = self.version()
        with reading(self.folder):
            table = connected(self.folder).open_table(TABLE)
            table.checkout(version)
            schema = table.schema
        return Snapshot(table, manifest_of(schema, self.folder), self.folder)

    def version(self) -> int:
        """The number of the newest commit that counts, by any process."""
        version = settle(self.folder)
        if version is None:
            raise damaged_library(self.folder, "it cannot be read, for no version of it is whole")
        return version

    def files(self) -> dict[str, FileRecord]:
        """Every file of the library, by path."""
        return self.snapshot().files()

    def prepare(self) -> None:
        """Before the first change of a process, which holds the lock: remove what an interrupted
        commit left, and bring a table of a former version up to date.
        """
        with storage_errors(self.folder, "written"):
            roll_back(self.folder)
            with reading(self.folder):
                self._table = LanceTable(
                    connected(self.folder), TABLE, location=commit_address(self.folder)
                )
                self._schema = None
            seal(self.folder)
        self.upgrade()

    def upgrade(self) -> None:
        """Give the table of a former version the columns it lacks, in one commit; nothing is
        encoded or rewritten.

        Its rows have no checksums (null) until they are written again.
        """
        self._complete(self.manifest.format)

    def migrate(self) -> None:
        """Give the table the columns that came with version 2 of the schema, in one commit; nothing
        is encoded or rewritten, and the facts of its files are not known yet.
        """
        self._complete(2)
        self.manifest = replace(self.manifest, format=max(2, self.manifest.format))

    def _complete(self, version: int) -> None:
        names = self.schema.names
        lacking = [
            field.with_nullable(True)
            for field in completed(self.schema, version)
            if field.name not in names
        ]
        if lacking:
            with self._committing("brought up to date"):
                self._table.add_columns(lacking)
                self._schema = None

    def commit(self, rows: Sequence[pa.Table], replaced: Sequence[str] = ()) -> None:
        """Add rows and, in the same commit, drop all rows of the files `replaced` (file ids).

        A reader sees the old rows or the new ones, never neither. Raises LibraryError when the disk
        refuses; nothing of this call is visible then.
        """
        fresh = pa.concat_tables(rows) if rows else self.schema.empty_table()
        with self._committing("written"):
            if not replaced:
                self._table.add(fresh)
            elif len(fresh):
                merge = (
                    self._table.merge_insert("clip_id")
                    .when_matched_update_all()
                    .when_not_matched_insert_all()
                )
                merge.when_not_matched_by_source_delete(any_of(replaced)).execute(fresh)
            else:
                self._table.delete(any_of(replaced))

    def change(self, files: Sequence[FileRecord]) -> None:
        """New path, file state or missing mark of files, by file id, in one commit.

        Cost: Lance rewrites the rows of these files (60 KB per clip), no decoding and no encoding.
        """
        with self._committing("written"):
            self._update("file_id", file_changes(list(files)))

    def describe(self, facts: Mapping[str, FileFacts]) -> None:
        """New facts and tags of files, by file id, in one commit; costs what `change` does."""
        with self._committing("written"):
            self._update("file_id", fact_changes(facts))

    def say(self, changes: pa.Table) -> None:
        """What is said in clips, by clip id, in one commit, see `finereel.index.words`; costs what
        `change` does.
        """
        with self._committing("written"):
            self._update("clip_id", changes)

    def _update(self, key: str, changes: pa.Table) -> None:
        """Put new values into the rows with equal keys, of the types that the table has."""
        fields = [self.schema.field(name) for name in changes.schema.names]
        arrays = [changes[field.name].cast(field.type) for field in fields]
        typed = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        self._table.merge_insert(key).when_matched_update_all().execute(typed)

    def overwrite(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> None:
        """Put these rows in the place of all rows, in one commit; former versions keep theirs."""
        with self._committing("written"):
            reader = pa.RecordBatchReader.from_batches(schema, rows)
            self._table = _overwritten(self.folder, reader, schema)
            self._schema = None
        self.manifest = manifest_of(schema, self.folder)

    def drop_indices(self) -> None:
        """Search everything until `refresh_ann` and `refresh_words` make the indices again."""
        with self._committing("written"):
            for index in self._table.list_indices():
                self._table.drop_index(index.name)

    def bytes_per_clip(self) -> int:
        """What the newest version takes on disk for each clip, also of missing files and with its
        pictures, without rows that are deleted but still in its files; 0 without clips.
        """
        with reading(self.folder):
            stats = connected(self.folder).open_table(TABLE).stats()
        return round(_bytes_needed(stats) / max(1, int(stats["num_rows"])))

    def tidy(self, force: bool = False) -> None:
        """Merge small fragments and drop old versions, once they are worth the copying.

        Versions younger than KEEP_OLD go only where the table takes up much more than its clips
        need (WASTE), and only while nobody reads the library.
        """
        with storage_errors(self.folder, "compacted"):
            self._table.checkout_latest()
            stats = self._table.stats()
            crowd = SMALL_FRAGMENTS + stats["num_rows"] // ROWS_PER_FRAGMENT
            wasteful = (
                size_of(self.folder / f"{TABLE}.lance") > WASTE * _bytes_needed(stats) + SLACK_BYTES
            )
        if force or wasteful or stats["fragment_stats"]["num_small_fragments"] > crowd:
            self._optimize("compacted")
        if wasteful:
            self._drop_unread()

    def _drop_unread(self) -> None:
        """Drop every version but the newest, and what killed writers left, unless somebody
        reads.
        """
        with sole_use(self.folder.parent) as alone, self._committing("compacted"):
            if alone:
                self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
                assert isinstance(self.folder, Path)
                for staged in (self.folder / f"{TABLE}.lance").rglob("*#[0-9]*"):
                    staged.unlink(missing_ok=True)

    def rows(self) -> int:
        """Number of clips, also of missing files."""
        return int(self._table.count_rows())

    def refresh_ann(self, threshold: int | None) -> None:
        """Make the approximate index once the table has `threshold` rows, and take in new rows when
        they are many. None: once an exact look takes too long here, see
        `finereel.index.coarse_choice`; there is no index of fewer rows.

        What the index finds is measured when it is made and when the library has doubled.
        """
        count = self.rows()
        if count < (LEAST_APPROXIMATE if threshold is None else threshold):
            return
        choice = self._choice(exact=threshold is None and self.near)
        if count <= choice.exact_up_to:
            return
        with self._committing("indexed"):
            name = index_of(self._table, "vector")
            if name is None:
                self._table.create_index("vector", config=IvfSq(distance_type="dot"))
        self._take_in(name)
        if name is None or count > 2 * choice.clips:
            choice.checked(self.snapshot()).save(self.folder)

    def _choice(self, exact: bool) -> CoarseChoice:
        """What was measured, with the size up to which a look is exact where that is wanted."""
        known = CoarseChoice.load(self.folder)
        choice = known
        if exact and not known.exact_up_to:
            choice = replace(known, exact_up_to=exact_up_to(self.manifest.model.dim))
        elif not exact:
            choice = replace(known, exact_up_to=0)
        if choice != known:
            choice.save(self.folder)
        return choice

    def refresh_words(self) -> None:
        """Make the index of what is said once there is something, and take in new rows when they
        are many. Until then Lance itself reads the rows that the index does not hold.
        """
        if "said" not in self.schema.names:
            return
        with self._committing("indexed"):
            name = index_of(self._table, "said")
            if name is None and self._table.count_rows(SPEAKS):
                self._table.create_index("said", config=FTS(**WORDS))
        self._take_in(name)

    def _take_in(self, name: str | None) -> None:
        """Let an index hold the rows that it does not, when they are many."""
        if name is None:
            return
        unindexed = self._table.index_stats(name).num_unindexed_rows
        if unindexed > self._table.count_rows() // 20:
            self._optimize("indexed")

    @contextmanager
    def _committing(self, done: str) -> Iterator[None]:
        """Let what is committed within the block count, once it is forced to disk."""
        with storage_errors(self.folder, done):
            self._table.checkout_latest()
            yield
            seal(self.folder)

    def _optimize(self, done: str) -> None:
        """Compact, and drop old versions only once the new one counts: until then an old one is the
        one that does.
        """
        with self._committing(done):
            self._table.optimize(cleanup_older_than=KEEP_ALL)
        with self._committing(done):
            self._table.optimize(cleanup_older_than=KEEP_OLD)


def _bytes_needed(stats: dict[str, Any]) -> float:
    """What the clips of the newest version take up, without rows that are deleted but still in
    their files.
    """
    fragments = stats["fragment_stats"]
    written = fragments["num_fragments"] * fragments["lengths"]["mean"]
    return float(stats["total_bytes"] * stats["num_rows"] / max(1, written))


def _overwritten(
    folder: Place, rows: pa.Table | pa.RecordBatchReader, schema: pa.Schema
) -> LanceTable:
    """The table of `folder`, holding these rows alone."""
    place = commit_address(folder)
    return LanceTable.create(
        connected(folder), TABLE, rows, schema, mode="overwrite", location=place
    )


def commit_address(folder: Place) -> str | None:
    """How a writer names the table in `folder` to Lance, or None for the name that Lance gives it.

    Lance commits by giving the new version's file its name only where that is free, by a hard link.
    Without hard links (exFAT, FAT, some network shares) it renames, as it does at addresses of this
    form; that another writer takes the same version meanwhile is what the library's own lock
    forbids.
    """
    if isinstance(folder, StorePath) or has_hard_links(folder):
        return None
    return "file+uring://" + quote(os.fsencode((folder / f"{TABLE}.lance").absolute()))


def any_of(file_ids: Sequence[str]) -> str:
    """The condition of Lance's SQL that holds for the rows of these files."""
    # File ids are hexadecimal by construction, so no quoting can go wrong.
    return "file_id IN (" + ", ".join(f"'{file_id}'" for file_id in file_ids) + ")"


# One writer of a library at a time.
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def writer_lock(folder: Place, sole: bool = True) -> Iterator[None]:
    """Hold the library's write lock for the length of the block, see `locked`. Readers take no
    lock. In an object store it is a lease, which those who only add (`sole` is False) do not take.

    Raises LibraryBusyError, naming the process that writes, when the lock is taken, and
    LibraryError for a library that can only be read.
    """
    with ExitStack() as held:
        if isinstance(folder, StorePath):
            if sole:
                held.enter_context(leased(folder))
            yield
            return
        try:
            held.enter_context(locked(folder / "lock", lambda holder: _busy(folder, holder)))
        except OSError as error:
            if error.errno in _READ_ONLY:
                raise _read_only(folder, error) from error
            with storage_errors(folder, "locked"):
                raise
        yield


def _busy(folder: Path, holder: str) -> LibraryBusyError:
    return LibraryBusyError(
        f"{folder} is being written by process {holder}; wait until it ends (searching is possible "
        "meanwhile)"
    )


def _read_only(folder: Path, error: OSError) -> LibraryError:
    cause = CAUSES[error.errno or errno.EACCES]
    return LibraryError(
        f"the library {folder} is read-only here: {cause.words}. It can be searched; to change it, "
        "make the folder "
        "writable, or copy it to a place that is"
    )
