"""The Arrow schema of a clip's row, and the conversion between features and rows.

Vectors are fixed-size lists of float16, and so are tokens in the format `fp16`
(`finereel.index.tokens`): measured against raw bytes they read about as fast (200 clips in 10 ms
against 9 ms), take the same space, and any Arrow tool can open them. Masks are packed bits. Every
value has a checksum in its row, see `finereel.index.checksums`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Float16, Float32, Float64
from torch import Tensor
from torch.nn.functional import normalize

from finereel.index.checksums import (
    CHECKSUM_COLUMNS,
    CHECKSUMS,
    CONTENT_CHECKSUMS,
    CONTENT_COLUMNS,
    FILE_CHECKSUMS,
    FILE_COLUMNS,
    MEDIA_CHECKSUMS,
    MEDIA_COLUMNS,
    as_lists,
    checksums_of,
    clip_columns,
    with_checksums,
)
from finereel.index.facts import MEDIA_TYPES, FileFacts
from finereel.index.manifest import FORMAT, METADATA_KEY, TOKENS_SINCE, Manifest
from finereel.index.protocols import IndexedModel, SearchModel, TokenStorer
from finereel.index.tokens import (
    from_halves,
    not_finite,
    read_tokens,
    to_halves,
    token_fields,
    write_tokens,
)
from finereel.io.storage.places import Place
from finereel.models.features import VideoFeatures
from finereel.types import Window
from finereel.video.files import FileState

_ZSTD = {b"lance-encoding:compression": b"zstd"}

UNFINISHED = -(2**63)
"""Stands for the modification time in the rows of a file whose later clips are still to come. The
row that completes the file has the real one, so a file is finished exactly when one of its rows
says so.
"""

PARTLY = "partly read: "
"""How the warning about a damaged file begins."""


@dataclass(frozen=True)
class FileRecord:
    """One video file of the library. `file_id` survives a rename; `video_id` is the hash of the
    content.

    path: as Python has it (bytes that are not UTF-8 as surrogates). missing: the file was gone when
    last looked for.
    warning: why a damaged file was read only in part, or how a sound one was read other than
    planned; None for most. facts: only for making rows; `Snapshot.facts` reads them.
    """

    file_id: str
    video_id: str
    path: str
    state: FileState
    missing: bool = False
    warning: str | None = None
    facts: FileFacts = field(default=FileFacts(), compare=False)

    @property
    def finished(self) -> bool:
        """Whether all clips of the file are in the library."""
        return self.state.mtime_ns != UNFINISHED

    def begun(self) -> "FileRecord":
        """The record for rows that other clips of the file follow; it fits no file on disk."""
        return replace(self, state=FileState(self.state.size, UNFINISHED))


@dataclass(frozen=True)
class ClipRecord:
    """What a clip is besides its features: its window, the time of each real frame in seconds, a
    small picture, some small frames side by side (empty where there are none), and what is said, None
    where that is not known.
    """

    window: Window
    seconds: Float64[np.ndarray, " N"]
    thumbnail: bytes
    strip: bytes = b""
    said: str | None = None


@dataclass(frozen=True)
class ClipBias:
    """Normalisation of V clips of one file: a column per granularity of the bank called `bank`."""

    bank: str
    values: Float32[np.ndarray, "V G"]


def feature_columns(sizes: IndexedModel) -> list[str]:
    """The columns that `to_features` reads: there are none for what the model's head does
    not read.
    """
    return ["vector", *(field.name for field in token_fields(sizes))]


def clip_schema(
    sizes: IndexedModel, metadata: dict[bytes, bytes], version: int = FORMAT
) -> pa.Schema:
    """The columns of the clip table for features of the model's sizes, in a version of the
    schema.
    """
    columns = [
        ("clip_id", pa.string()),
        ("file_id", pa.string()),
        ("video_id", pa.string()),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("missing", pa.bool_()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("seconds", pa.list_(pa.float64(), sizes.frames)),
        ("vector", pa.list_(pa.float16(), sizes.dim)),
        *((field.name, field.type) for field in token_fields(sizes)),
        ("thumbnail", pa.binary()),
        ("bias", pa.list_(pa.float32())),
        ("bank", pa.string()),
        ("added_at", pa.timestamp("us", tz="UTC")),
    ]
    present = [pa.field(*column) for column in columns]
    schema = completed(pa.schema(present, metadata=metadata), version)
    return schema if version < TOKENS_SINCE else _compressed(schema)


def _compressed(schema: pa.Schema) -> pa.Schema:
    """Times and checksums as lists that Lance compresses, which it does not do with fixed-size ones:
    measured on 10,000 clips of 50-clip files, 23 bytes a clip instead of 170.
    """
    for place, column in enumerate(schema):
        if column.name in ("seconds", FILE_CHECKSUMS, MEDIA_CHECKSUMS, CONTENT_CHECKSUMS):
            item = pa.field("item", column.type.value_type, metadata=_ZSTD)
            kept = pa.field(column.name, pa.list_(item), column.nullable, _ZSTD)
            schema = schema.set(place, kept)
    return schema


def completed(schema: pa.Schema, version: int) -> pa.Schema:
    """The columns of a table, and after them those that it lacks of a version of the schema.

    A table that is made with its checksums has no row without; in one that got the columns later,
    null means a row that was stored before.
    """
    added = [column for column in _late_columns(schema.names) if column.name not in schema.names]
    if version > 1:
        added += [column for column in _media_columns() if column.name not in schema.names]
    return pa.schema([*schema, *added], metadata=schema.metadata)


def version_of(names: list[str]) -> int:
    """The version of the schema that a table with these columns has, up to 2: what came with
    version 3 are no columns, and its tables were all made with a description that says so.
    """
    return 2 if {MEDIA_CHECKSUMS, CONTENT_CHECKSUMS} <= set(names) else 1


def manifest_of(schema: pa.Schema, folder: Place) -> Manifest:
    """What a table in a folder says of itself. Columns that came with version 2 were added without a
    new description.
    """
    manifest = Manifest.parse((schema.metadata or {})[METADATA_KEY], folder)
    if manifest.format >= TOKENS_SINCE:
        return manifest
    return replace(manifest, format=version_of(schema.names))


def _late_columns(names: list[str]) -> list[pa.Field]:
    """Columns that tables of version 1 had not from the beginning."""
    return [
        pa.field("warning", pa.string()),
        _checksum_field(CHECKSUMS, len(clip_columns(names))),
        _checksum_field(FILE_CHECKSUMS, len(FILE_COLUMNS)),
    ]


def _media_columns() -> list[pa.Field]:
    """The columns that came with version 2."""
    return [
        *(pa.field(name, kind) for name, kind in MEDIA_TYPES.items()),
        _checksum_field(MEDIA_CHECKSUMS, len(MEDIA_COLUMNS)),
        pa.field("said", pa.string()),
        pa.field("strip", pa.binary()),
        _checksum_field(CONTENT_CHECKSUMS, len(CONTENT_COLUMNS)),
    ]


def _checksum_field(name: str, count: int) -> pa.Field:
    return pa.field(name, pa.list_(pa.uint32(), count), nullable=False)


def encode_path(path: str) -> str:
    """A path as valid UTF-8: a byte that is none (a surrogate in Python) becomes NUL + two hex
    digits.

    No path holds a NUL, so `decode_path` gives back exactly the same path.

    >>> encode_path("plain.mp4"), decode_path(encode_path("caf\\udce9.mp4")) == "caf\\udce9.mp4"
    ('plain.mp4', True)
    """
    return "".join(f"\0{ord(c) - 0xDC00:02x}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in path)


def decode_path(stored: str) -> str:
    """The inverse of `encode_path`."""
    head, *escaped = stored.split("\0")
    return head + "".join(chr(0xDC00 + int(part[:2], 16)) + part[2:] for part in escaped)


def to_rows(
    file: FileRecord,
    clips: list[ClipRecord],
    features: VideoFeatures,
    bias: ClipBias | None,
    schema: pa.Schema,
    first: int = 0,
) -> pa.Table:
    """Clips of one file as table rows, clip number `first` and those after it. features: in the form
    that the table keeps, see `in_stored_form`.

    Raises DataError when a feature is not finite in half precision: such a clip could never be
    ranked.
    """
    sizes = sizes_in(schema, features)
    columns: dict[str, Any] = _file_columns(file, len(clips)) | {
        "clip_id": clip_ids(file.file_id, first, len(clips)),
        "start": [clip.window.start for clip in clips],
        "end": [clip.window.end for clip in clips],
        "seconds": [_padded(clip.seconds, features.frames.shape[1]) for clip in clips],
        "vector": _vectors(features.video, file.path),
        "thumbnail": [clip.thumbnail for clip in clips],
        "bias": [None] * len(clips) if bias is None else list(bias.values),
        "bank": [None if bias is None else bias.bank] * len(clips),
        "added_at": [datetime.now(UTC)] * len(clips),
        "said": [clip.said for clip in clips],
        "strip": [clip.strip or None for clip in clips],
    }
    columns |= file.facts.columns(len(clips)) | write_tokens(features, sizes, file.path)
    plain = [column for column in schema if column.name not in CHECKSUM_COLUMNS]
    arrays = [_array(columns[column.name], column.type) for column in plain]
    return with_checksums(pa.Table.from_arrays(arrays, schema=pa.schema(plain)), schema)


def copy_rows(
    rows: pa.Table, file: FileRecord, bias: ClipBias | None, said: Sequence[str] = ()
) -> pa.Table:
    """The clips of one file, in time order, as the clips of another file with the same content.

    They keep their facts; tags of the other file take the place of theirs, and so does what is said
    in every clip, where that is given.
    """
    columns: dict[str, Any] = _file_columns(file, len(rows)) | {
        "clip_id": clip_ids(file.file_id, 0, len(rows)),
        "bias": [None] * len(rows) if bias is None else list(bias.values),
        "bank": [None if bias is None else bias.bank] * len(rows),
    }
    if any(said):
        columns["said"] = said
    if file.facts.tags:
        columns["tags"] = file.facts.columns(len(rows))["tags"]
    for name in columns.keys() & set(rows.schema.names):
        position = rows.schema.get_field_index(name)
        column = rows.schema.field(position)
        rows = rows.set_column(position, column, pa.array(columns[name], column.type))
    return with_checksums(rows, rows.schema)


def file_changes(files: list[FileRecord]) -> pa.Table:
    """One row per file, with the columns that a rename, a return or a disappearance changes, and
    their checksums.
    """
    kinds = {"size": pa.int64(), "mtime_ns": pa.int64(), "missing": pa.bool_()}
    facts = [_file_facts(file) for file in files]
    rows = {
        name: pa.array([fact[name] for fact in facts], kinds.get(name, pa.string()))
        for name in FILE_COLUMNS
    }
    return pa.table(rows | {FILE_CHECKSUMS: as_lists(checksums_of(pa.table(rows)))})


def to_files(rows: pa.Table) -> dict[str, FileRecord]:
    """The files that rows with FILE_COLUMNS belong to, by path. A table of a former version has no
    `warning`.

    The rows of a file that was committed in parts differ: the one that completed it says its state
    and its warning.
    """
    files: dict[str, FileRecord] = {}
    columns = [name for name in FILE_COLUMNS if name in rows.schema.names]
    for row in rows.select(columns).group_by(columns).aggregate([]).to_pylist():
        path = decode_path(row["path"])
        state = FileState(row["size"], row["mtime_ns"])
        record = FileRecord(
            row["file_id"], row["video_id"], path, state, row["missing"], row.get("warning")
        )
        if record.finished or path not in files:
            files[path] = record
    return files


def in_stored_form(
    features: VideoFeatures, model: SearchModel, sizes: IndexedModel
) -> VideoFeatures:
    """Clips as a table keeps them and `to_features` gives them back, in half precision.

    features: as the model made them. They are rounded to half precision before they are brought into
    another form, so that a table that was migrated holds the same numbers as one that was made now.
    """
    rounded = features.to(torch.float16)
    if not sizes.stored.prepared:
        return rounded
    assert isinstance(model, TokenStorer), "a library in stored form comes from such a model"
    return model.stored(rounded.to(torch.float32)).to(torch.float16)


def sizes_in(schema: pa.Schema, features: VideoFeatures) -> IndexedModel:
    """What the description of a table says of its tokens; without one, that they are as given."""
    described = (schema.metadata or {}).get(METADATA_KEY)
    if described is not None:
        return Manifest.parse(described, Path()).model
    counts = (features.frames.shape[1], features.patches.shape[1], features.video.shape[1])
    return IndexedModel("", "", *counts, features.contextual.shape[1])


def to_features(
    rows: pa.Table,
    sizes: IndexedModel,
    vectors: Float16[Tensor, "V D"] | None = None,
    half: bool = False,
) -> VideoFeatures:
    """The features of rows with `feature_columns`, as float32, in row order. vectors: those of the
    clips, where they are at hand and not among the rows. half: see `read_tokens`.
    """
    if vectors is None:
        vectors = to_vectors(rows["vector"], sizes.dim)
    # Rounded to half precision a unit vector is 1.0002 long; scores above 100 % would follow.
    video = normalize(vectors.float(), dim=-1)
    return read_tokens(rows, sizes, video, half)


def to_vectors(column: pa.ChunkedArray, dim: int) -> Float16[Tensor, "V D"]:
    """The video vectors as they are stored, in half precision."""
    return from_halves(column).reshape(-1, dim)


def clip_ids(file_id: str, first: int, count: int) -> list[str]:
    """The ids of `count` clips of a file from number `first` on.

    >>> clip_ids("ab", 1, 2)
    ['ab-00001', 'ab-00002']
    """
    return [f"{file_id}-{number:05d}" for number in range(first, first + count)]


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, type=kind)


def _file_columns(file: FileRecord, count: int) -> dict[str, Any]:
    return {name: [value] * count for name, value in _file_facts(file).items()}


def _file_facts(file: FileRecord) -> dict[str, Any]:
    """The values of FILE_COLUMNS."""
    return {
        "file_id": file.file_id,
        "video_id": file.video_id,
        "path": encode_path(file.path),
        "size": file.state.size,
        "mtime_ns": file.state.mtime_ns,
        "missing": file.missing,
        "warning": file.warning,
    }


def _padded(seconds: Float64[np.ndarray, " N"], length: int) -> Float64[np.ndarray, " F"]:
    # Padding repeats the last real time, so that no reader meets a NaN.
    return np.pad(seconds[:length], (0, max(0, length - len(seconds))), mode="edge")


def _vectors(video: Float[Tensor, "V D"], path: str) -> pa.FixedSizeListArray:
    try:
        return to_halves(video)
    except OverflowError as error:
        raise not_finite(path) from error
