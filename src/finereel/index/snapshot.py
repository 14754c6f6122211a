"""Read from one committed version of the clip table."""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Float16
from torch import Tensor

from finereel.errors import QueryError
from finereel.index.checksums import (
    CHECKSUM_COLUMNS,
    FILE_CHECKSUMS,
    FILE_COLUMNS,
    MEDIA_COLUMNS,
    checksum_columns,
    damaged_rows,
    sums_in,
)
from finereel.index.facts import FileFacts, to_facts
from finereel.index.faults import damaged_library, reading
from finereel.index.filtering import columns_of, needs_facts, passing, unknown, why_nothing
from finereel.index.head import TABLE_FOLDER, changed_files
from finereel.index.kept import CANONICAL, KeptRows, RowIds, VectorTable
from finereel.index.lance import LanceTable, text_query
from finereel.index.manifest import Manifest
from finereel.index.query import Filters
from finereel.index.schema import (
    FileRecord,
    decode_path,
    feature_columns,
    to_features,
    to_files,
    to_vectors,
)
from finereel.index.tokens import MASK_COLUMNS, as_values, frame_columns, read_frames
from finereel.index.wide_columns import WideColumns
from finereel.io.storage.places import Place
from finereel.models.features import VideoFeatures

_LOG = logging.getLogger(__name__)

ROW_COLUMNS = ["clip_id", "video_id", "path", "start", "end", "seconds", "bias", "bank"]
MOST_NAMED = 500
"""Files that a query of the table names; where there are more, all rows are looked through."""
KEPT_COLUMNS = [*ROW_COLUMNS, "file_id", "missing"]
THUMBNAIL = "thumbnail"
OFTEN, MOST_KEPT = 4, 1_000_000
"""From so many readings of clips on, what stands beside their features is kept in memory (some 400
bytes a clip), in libraries of up to so many clips.
"""
CLIPS_A_READING = 20_000
"""Reading what is kept of so many clips costs about what one reading of candidates does without."""

SPEAKS = "said is not null and said != ''"
"""What holds of a clip in which something is said."""


@dataclass(frozen=True)
class Clips:
    """Some clips in canonical order (path, then start), so that ties rank the same after any
    rewrite of the table.

    rows: columns ROW_COLUMNS; paths: decoded; features: float32.
    """

    rows: pa.Table
    paths: list[str]
    features: VideoFeatures

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class FrameTable:
    """The frames of some clips in canonical order.

    rows: file, clip, window and times of the frames; paths: decoded; frames, mask: unit vectors as
    float32, and which of them are real.
    """

    rows: pa.Table
    paths: list[str]
    frames: Float[Tensor, "V F D"]
    mask: Bool[Tensor, "V F"]


@dataclass(frozen=True)
class Passing:
    """What passes some filters. unknown: number of videos of which a fact that they read is not
    known.
    """

    row_ids: RowIds
    unknown: int


class Snapshot:
    """A pinned version of the table; row ids are valid for as long as the snapshot lives.

    Every value that is read is compared with its checksum; DamagedLibraryError when one differs.
    """

    def __init__(self, table: LanceTable, manifest: Manifest, folder: Place) -> None:
        self.table = table
        self.sizes = manifest.model
        self.format = manifest.format
        self.version = int(table.version)
        self._schema: pa.Schema = table.schema
        self.names: list[str] = self._schema.names
        self.folder = folder
        self._kept: KeptRows | None = None
        self._vectors: VectorTable | None = None
        self._taken = 0

    @cached_property
    def count(self) -> int:
        """Clips that can be found (their file is not missing)."""
        return len(self.row_ids() if self._vectors is None else self._vectors.row_ids)

    def vectors(self, row_ids: RowIds | None = None) -> VectorTable:
        """The vectors of these clips, or of all, that are not missing."""
        columns = ["vector", "clip_id", "bias", "bank", "missing"]
        every = (
            self.rows(columns)
            if row_ids is None
            else self.take_rows(row_ids, columns, with_row_id=True)
        )
        rows = _present(every)
        table = VectorTable(
            _row_ids(rows),
            to_vectors(rows["vector"], self.sizes.dim),
            rows.drop_columns(["vector"]),
        )
        if row_ids is None and bool((np.diff(table.row_ids) > 0).all()):
            self.keep_vectors(table)
        return table

    def keep_vectors(self, table: VectorTable) -> None:
        """Read the vectors of clips from this table, which has those of all and ascending ids."""
        self._vectors = table

    def vectors_in(self, rows: pa.Table) -> Float16[Tensor, "V D"]:
        """The vectors among some columns."""
        return to_vectors(rows["vector"], self.sizes.dim)

    def present_rows(self, columns: list[str]) -> pa.Table:
        """Some columns of all clips that are not missing, with `_rowid`."""
        return _present(self.rows([*columns, "missing"]))

    def has_whole_index(self) -> bool:
        """Whether there is an approximate index of the vectors whose files are what was written.

        Measured for 100,000 clips of 512 numbers: 50 MB are read and compared. Rows that the index
        does not hold yet are searched by Lance itself; their vectors are compared with their
        checksums here, with all others.
        """
        with reading(self.folder):
            name = index_of(self.table, "vector")
            if name is None:
                return False
            unindexed = self.table.index_stats(name).num_unindexed_rows
        if changed_files(self.folder, "_indices"):
            return False
        if unindexed:
            self.check_vectors()
        return True

    def check_vectors(self) -> None:
        """Compare every vector with its checksum, without keeping any."""
        with reading(self.folder):
            query = self.table.search().select(
                ["vector", "clip_id", *self.checksums_of(["vector", "clip_id"])]
            )
            for batch in query.limit(None).to_batches():
                self._check(pa.Table.from_batches([batch]))

    @property
    def own_columns(self) -> list[str]:
        """All columns but the checksums."""
        return [name for name in self.names if name not in CHECKSUM_COLUMNS]

    def clip_ids(self) -> list[str]:
        """The id of every clip, also of missing files."""
        ids: list[str] = self.rows(["clip_id"])["clip_id"].to_pylist()
        return ids

    def files(self) -> dict[str, FileRecord]:
        """Every file of the library, by path."""
        return to_files(self.rows([name for name in FILE_COLUMNS if name in self.names]))

    @property
    def has_facts(self) -> bool:
        """Whether the table has columns for the facts of files; one of version 1 has not."""
        return set(MEDIA_COLUMNS) <= set(self.names)

    def facts(self) -> dict[str, FileFacts]:
        """The facts and tags of every file, by file id; empty where `has_facts` is False."""
        return to_facts(self.rows(["file_id", *MEDIA_COLUMNS])) if self.has_facts else {}

    def paths_without_facts(self) -> set[str]:
        """The paths of the files of which it is not known what they are."""
        if not self.has_facts:
            return set(self.files())
        rows = self.rows(["path", "container"])
        unknown = rows.filter(pc.is_null(rows["container"]))
        return {decode_path(path) for path in pc.unique(unknown["path"]).to_pylist()}

    def paths_without_words(self) -> set[str]:
        """The paths of the files of which nobody looked yet what is said in them."""
        if "said" not in self.names:
            return set(self.files())
        rows = self.rows(["path", "said"])
        unknown = rows.filter(pc.is_null(rows["said"]))
        return {decode_path(path) for path in pc.unique(unknown["path"]).to_pylist()}

    def tags(self) -> dict[str, tuple[str, ...]]:
        """The tags of every file that has some, by path."""
        if not self.has_facts:
            return {}
        rows = self.rows(["path", "tags"])
        tagged = rows.filter(pc.greater(pc.list_value_length(rows["tags"]), 0)).to_pylist()
        return {decode_path(row["path"]): tuple(row["tags"]) for row in tagged}

    def rows(self, columns: list[str]) -> pa.Table:
        """Some columns of all rows, with `_rowid`."""
        query = self.table.search().select([*columns, *self.checksums_of(columns)])
        return self.read(query.with_row_id(True).limit(None)).select([*columns, "_rowid"])

    def where(self, condition: str, columns: list[str]) -> pa.Table:
        """Some columns of the rows for which a condition holds, written as Lance's SQL; what stands
        in it was checked by the caller.
        """
        query = self.table.search().select([*columns, *self.checksums_of(columns)])
        return self.read(query.where(condition).limit(None)).select(columns)

    def read(self, query: Any) -> pa.Table:
        """Run a Lance query, and compare what it gives with the checksums among it."""
        with reading(self.folder):
            rows = query.to_arrow()
        self._check(rows)
        return rows

    @cached_property
    def speaks(self) -> bool:
        """Whether something is said in any clip and can be searched: an index of it that is not
        what was written would hide clips.
        """
        with reading(self.folder):
            if "said" not in self.names or not self.table.count_rows(SPEAKS):
                return False
            indexed = index_of(self.table, "said") is not None
        if indexed and changed_files(self.folder, "_indices"):
            _LOG.warning(
                "what is said in the videos is not searched, because its index is damaged; run "
                f"`finereel doctor --repair --library {self.folder.parent}`"
            )
            return False
        return True

    def saying(self, phrases: Sequence[str], words: Sequence[str], limit: int) -> pa.Table:
        """The clips in which all of some phrases are said, or else all of some words, also of
        missing files: up to `limit`, the best of them, with `said`, `_score` (BM25) and `_rowid`.
        """
        columns = ["clip_id", "video_id", "path", "start", "end", "missing", "said"]
        query = self.table.search(
            text_query("said", phrases, words), query_type="fts", fts_columns="said"
        ).select([*columns, "_score", *self.checksums_of(columns)])
        rows = self.read(query.with_row_id(True).limit(limit))
        return rows.select([*columns, "_score", "_rowid"])

    def row_ids(self, with_missing: bool = False) -> RowIds:
        """Row ids of all clips that can be found, or of all clips."""
        # Lance's own filter would hide a clip whose mark has changed on the disk before anybody
        # could notice.
        rows = self.rows(["missing"])
        return _row_ids(rows if with_missing else _present(rows))

    def passing(self, filters: Filters) -> Passing:
        """The clips that can be found and pass some filters; those without a fact do not.

        Raises QueryError when there is none, or the table is of version 1 and has no facts.
        """
        if needs_facts(filters) and not self.has_facts:
            raise QueryError(
                "the date, length, codec and tags of these videos are not known, a former version "
                f"indexed them; run `finereel migrate --library {self.folder.parent}`, which "
                "encodes nothing again"
            )
        rows = _present(self.rows(sorted({"path", "missing", *columns_of(filters)})))
        passed = rows.filter(pa.array(passing(rows, filters)))
        if not len(passed):
            raise QueryError(why_nothing(rows, filters))
        lacking = rows.filter(pa.array(unknown(rows, filters)))
        return Passing(_row_ids(passed), pc.count_distinct(lacking["path"]).as_py())

    def take(self, row_ids: RowIds, half: bool = False) -> Clips:
        """These clips with their features. half: patches in half precision where they are kept so."""
        self._taken += 1
        if self._taken > max(OFTEN, self.count // CLIPS_A_READING) and self.count <= MOST_KEPT:
            self.keep_rows()
        if self._kept is None:
            columns = [*ROW_COLUMNS, *feature_columns(self.sizes)]
            return self._clips(self.take_rows(row_ids, columns), half)
        kept = self._kept.take(row_ids)
        columns = feature_columns(self.sizes)
        vectors = None if self._vectors is None else self._vectors.of(_row_ids(kept))
        rows = self.beside(kept, columns[0 if vectors is None else 1 :])
        paths = [decode_path(path) for path in kept["path"].to_pylist()]
        features = to_features(rows, self.sizes, vectors, half)
        return Clips(kept.select(ROW_COLUMNS), paths, features)

    def beside(self, kept: pa.Table, columns: list[str]) -> pa.Table:
        """Some columns of kept rows, in their order; only what is not kept is read."""
        wanted = [name for name in columns if name not in kept.schema.names]
        rows = self._read_wide(wanted, kept)
        if rows is None:
            row_ids = _row_ids(kept)
            with reading(self.folder):
                query = self.table.take_row_ids(np.sort(row_ids).tolist()).select(wanted)
                rows = query.with_row_id().to_arrow()
            rows = rows.take(pa.array(np.searchsorted(_row_ids(rows), row_ids)))
            self._check(
                _with_columns(
                    rows, kept, [*FILE_COLUMNS, FILE_CHECKSUMS, *self.checksums_of(wanted)]
                )
            )
        return _with_columns(rows, kept, columns).select(columns)

    @cached_property
    def _wide(self) -> WideColumns | None:
        """Where the tokens and thumbnails of a local library stand in its files."""
        if not isinstance(self.folder, Path):
            return None
        columns = [self._schema.field(name) for name in feature_columns(self.sizes)]
        wide = [column for column in columns if pa.types.is_fixed_size_list(column.type)]
        widths = {
            column.name: column.type.list_size * column.type.value_type.bit_width // 8
            for column in wide
        }
        return WideColumns.of(self.folder / TABLE_FOLDER, self.version, widths, [THUMBNAIL])

    def _read_wide(self, columns: list[str], kept: pa.Table) -> pa.Table | None:
        """Columns of kept rows, without Lance; None where that is not to be had, or is not what was
        written, so that Lance may tell.
        """
        if self._wide is None or not set(columns) <= set(self._wide.widths):
            return None
        expected = sums_in(kept, self.names, columns)
        read = None if expected is None else self._wide.read(columns, _row_ids(kept))
        if read is None or expected is None:
            return None
        if (np.stack([one.sums for one in read.values()], axis=1) != expected).any():
            return None
        kinds = {name: self._schema.field(name).type for name in columns}
        return pa.table({name: as_values(one.values, kinds[name]) for name, one in read.items()})

    def _read_long(self, column: str, kept: pa.Table) -> list[bytes] | None:
        """A column of kept rows whose values may have any length, without Lance; None where that is
        not to be had, or is not what was written, so that Lance may tell.
        """
        if self._wide is None:
            return None
        expected = sums_in(kept, self.names, [column])
        read = self._wide.read_long(column, _row_ids(kept))
        if (
            read is None
            or expected is None
            or list(map(zlib.crc32, read)) != expected[:, 0].tolist()
        ):
            return None
        return read

    def take_rows(self, row_ids: RowIds, columns: list[str], with_row_id: bool = False) -> pa.Table:
        """Some columns of these rows, and the checksums. Ids of deleted rows are passed over."""
        # Sorted first: reading 200 scattered clips took 11 ms with sorted row numbers, 112 ms
        # without.
        ordered = np.sort(row_ids).tolist()
        query = self.table.take_row_ids(ordered).select([*columns, *self.checksums_of(columns)])
        return self.read(query.with_row_id() if with_row_id else query)

    def sample(self, count: int) -> RowIds:
        """Row ids of `count` clips that can be found, or of all where there are no more: always the
        same clips, whatever their order in the table.
        """
        rows = _present(self.rows(["clip_id", "missing"]))
        if len(rows) > count:
            drawn = [zlib.crc32(clip_id.encode()) for clip_id in rows["clip_id"].to_pylist()]
            rows = rows.take(pa.array(np.argsort(drawn, kind="stable")[:count]))
        return _row_ids(rows)

    def keep_rows(self) -> None:
        """Keep in memory what stands in every row but its features, for who asks often."""
        if self._kept is None:
            masks = [name for name in MASK_COLUMNS if name in self.names]
            columns = [*KEPT_COLUMNS, *masks]
            query = self.table.search().select([*columns, *self.checksums_of(columns)])
            self._kept = KeptRows.of(self.read(query.with_row_id(True).limit(None)))

    def windows_of(self, file_ids: Sequence[str]) -> pa.Table:
        """File, start and end of the clips of some files, with `_rowid`."""
        columns = ["file_id", "start", "end"]
        if self._kept is not None or len(file_ids) > MOST_NAMED:
            rows = self.rows(columns) if self._kept is None else self._kept.rows
            rows = rows.select([*columns, "_rowid"])
            return rows.filter(pc.is_in(rows["file_id"], pa.array(file_ids, pa.string())))
        chosen = ", ".join(f"'{file_id}'" for file_id in file_ids)
        query = self.table.search().select([*columns, *self.checksums_of(columns)])
        found = query.where(f"file_id IN ({chosen})").with_row_id(True).limit(None)
        return self.read(found).select([*columns, "_rowid"])

    def frames_of(self, row_ids: RowIds) -> FrameTable:
        """The frames of these clips, without their other features."""
        columns, beside = frame_columns(self.sizes), [*ROW_COLUMNS[:-2], "file_id"]
        if self._kept is None:
            rows = self.take_rows(row_ids, [*beside, *columns]).sort_by(CANONICAL)
        else:
            rows = self.beside(self._kept.take(row_ids), [*beside, *columns])
        frames, mask = read_frames(rows, self.sizes)
        paths = [decode_path(path) for path in rows["path"].to_pylist()]
        return FrameTable(rows.drop_columns(columns), paths, frames, mask)

    def of_file(self, file_id: str) -> Clips:
        """All clips of one file in time order; none when the library does not hold it."""
        return self._clips(
            self.take_rows(self._of_file(file_id), [*ROW_COLUMNS, *feature_columns(self.sizes)])
        )

    def rows_of_file(self, file_id: str) -> pa.Table:
        """All columns of the rows of one file."""
        return self.take_rows(self._of_file(file_id), self.own_columns)

    def starts_of_file(self, file_id: str) -> dict[str, float]:
        """Return the start of each clip of one file in seconds, by clip id and in their order."""
        rows = self.rows(["file_id", "clip_id", "start"])
        rows = rows.filter(pc.equal(rows["file_id"], file_id)).sort_by("clip_id")
        return dict(zip(rows["clip_id"].to_pylist(), rows["start"].to_pylist(), strict=True))

    def thumbnails(self, clip_ids: Sequence[str]) -> dict[str, bytes]:
        """The thumbnail of each clip."""
        if not clip_ids:
            return {}
        columns = ["clip_id", THUMBNAIL]
        if self._kept is not None:
            known = pc.is_in(self._kept.rows["clip_id"], pa.array(clip_ids, pa.string()))
            kept = self._kept.rows.filter(known)
            read = self._read_long(THUMBNAIL, kept)
            if read is None:
                read = self.beside(kept, columns)[THUMBNAIL].to_pylist()
            return dict(zip(kept["clip_id"].to_pylist(), read, strict=True))
        chosen = ", ".join(f"'{clip_id}'" for clip_id in clip_ids)
        query = (
            self.table.search()
            .select([*columns, *self.checksums_of(columns)])
            .where(f"clip_id IN ({chosen})")
        )
        rows = self.read(query.limit(None))
        return dict(zip(rows["clip_id"].to_pylist(), rows[THUMBNAIL].to_pylist(), strict=True))

    def paths_of(self, video_ids: Sequence[str]) -> dict[str, list[str]]:
        """The paths of all files that hold each content and are not missing, sorted."""
        rows = self._contents.filter(
            pc.is_in(self._contents["video_id"], pa.array(video_ids, pa.string()))
        )
        found: dict[str, set[str]] = {}
        for video_id, path in set(zip(*(column.to_pylist() for column in rows), strict=True)):
            found.setdefault(video_id, set()).add(decode_path(path))
        return {video_id: sorted(paths) for video_id, paths in found.items()}

    @cached_property
    def _contents(self) -> pa.Table:
        """Content and path of every clip that is not missing."""
        columns = ["video_id", "path", "missing"]
        rows = self.rows(columns) if self._kept is None else self._kept.rows
        return _present(rows).select(["video_id", "path"])

    def clips_of(self, file_ids: Sequence[str], columns: list[str]) -> pa.Table:
        """Some columns of the clips of some files, also of missing ones."""
        rows = self.rows(["file_id"])
        chosen = pc.is_in(rows["file_id"], pa.array(list(file_ids), pa.string()))
        return self.take_rows(_row_ids(rows.filter(chosen)), columns)

    def _of_file(self, file_id: str) -> RowIds:
        rows = self.rows(["file_id"])
        return _row_ids(rows.filter(pc.equal(rows["file_id"], file_id)))

    def checksums_of(self, columns: list[str]) -> list[str]:
        """The columns with the checksums of these."""
        return [name for name in checksum_columns(columns) if name in self.names]

    def _check(self, rows: pa.Table) -> None:
        damaged = damaged_rows(rows, self.names)
        if damaged.any():
            named = rows.select(
                [name for name in rows.schema.names if name in ("path", FILE_CHECKSUMS)]
            )
            sound = named.filter(pa.array(damaged & ~damaged_rows(named, self.names)))
            paths = sound["path"].to_pylist() if "path" in sound.schema.names else []
            videos = ", ".join(sorted({decode_path(path) for path in paths})[:3])
            of = f" (among them of {videos})" if videos else ""
            raise damaged_library(
                self.folder,
                f"{int(damaged.sum())} of {len(rows)} clips are not what was written{of}",
            )

    def _clips(self, rows: pa.Table, half: bool = False) -> Clips:
        rows = rows.sort_by(CANONICAL)
        paths = [decode_path(path) for path in rows["path"].to_pylist()]
        return Clips(rows.select(ROW_COLUMNS), paths, to_features(rows, self.sizes, half=half))


def index_of(table: LanceTable, column: str) -> str | None:
    """The name of the index of a column, whatever other columns have one; None where there is
    none.
    """
    names = (index.name for index in table.list_indices() if index.columns == [column])
    return next(names, None)


def _present(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.invert(rows["missing"]))


def _with_columns(rows: pa.Table, others: pa.Table, names: Sequence[str]) -> pa.Table:
    """Rows, and of the same rows those of these columns that they lack and `others` has."""
    for name in names:
        if name in others.schema.names and name not in rows.schema.names:
            rows = rows.append_column(name, others[name])
    return rows


def _row_ids(rows: pa.Table) -> RowIds:
    ids: RowIds = rows["_rowid"].to_numpy().astype(np.int64)
    return ids
