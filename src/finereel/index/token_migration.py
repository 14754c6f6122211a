"""Bring the tokens of a library of a former version into the form in which the model's head reads
them, each once, or those of any library into a smaller format, without decoding or encoding videos.

The table is written anew in one commit: a run that is killed leaves the former one, which answers.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from finereel.errors import LibraryError
from finereel.index.checksums import CHECKSUM_COLUMNS, with_checksums
from finereel.index.manifest import FORMAT, METADATA_KEY, TOKENS_SINCE, Manifest, write_manifest
from finereel.index.protocols import IndexedModel, SearchModel
from finereel.index.schema import clip_schema, decode_path, in_stored_form, to_features
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from finereel.index.tokens import write_tokens
from finereel.io.signals import StopFlag
from finereel.types import OnProgress

AT_ONCE = 256
"""Clips that are read and written at a time: 16 MB on disk, 50 MB in single precision."""


class _StoppedError(Exception):
    """The person does not want to wait; nothing of the new table counts."""


def migrate_tokens(
    library: Path,
    store: ClipStore,
    into: tuple[SearchModel, str],
    on_progress: OnProgress,
    stop: StopFlag,
) -> int:
    """Write the table in the newest version of the schema; the number of its clips, or 0 where there
    was nothing to do or `stop` was set meanwhile. into: the library's model, and the format of
    tokens, the same or a smaller one.

    The caller holds the lock, and the table has the columns of version 2. Its indices are gone
    afterwards. Raises DamagedLibraryError when a clip is not what was written.
    """
    (model, tokens), former = into, store.manifest
    newest = former.format >= TOKENS_SINCE
    if newest and tokens == former.model.stored.format:
        return 0
    indexed = former.model if newest else IndexedModel.of(model)
    stored = replace(indexed.stored, format=tokens)
    indexed = replace(indexed, name=former.model.name, stored=stored)
    manifest = Manifest(indexed, FORMAT)
    # Before the table: a program of a former version must not open it from now on.
    write_manifest(library, manifest)
    schema = clip_schema(indexed, {METADATA_KEY: manifest.to_json()})
    snapshot = store.snapshot()
    row_ids = snapshot.row_ids(with_missing=True)
    own: list[Exception] = []  # what Lance passes on as one of its own

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for start in range(0, len(row_ids), AT_ONCE):
                if stop.is_set():
                    raise _StoppedError
                on_progress("storing tokens", start, len(row_ids))
                rows = snapshot.take_rows(row_ids[start : start + AT_ONCE], snapshot.own_columns)
                yield from _in_form(rows, snapshot, model, schema, indexed).to_batches()
            on_progress("storing tokens", len(row_ids), len(row_ids))
        except Exception as error:
            own.append(error)
            raise

    try:
        store.overwrite(schema, batches())
    except LibraryError as error:
        if own and isinstance(own[0], _StoppedError):
            if newest:
                write_manifest(library, former)
            return 0
        if own:
            raise own[0] from error
        raise
    return len(row_ids)


def _in_form(
    rows: pa.Table, snapshot: Snapshot, model: SearchModel, schema: pa.Schema, sizes: IndexedModel
) -> pa.Table:
    """Rows of a former version in the form of this one."""
    former = to_features(rows, snapshot.sizes)
    read = replace(
        former,
        patches=former.patches[:, : sizes.patches],
        patch_mask=former.patch_mask[:, : sizes.patches],
        contextual=former.contextual[:, : sizes.contextual],
    )
    paths = decode_path(rows["path"][0].as_py())
    columns: dict[str, Any] = write_tokens(in_stored_form(read, model, sizes), sizes, paths)
    plain = [field for field in schema if field.name not in CHECKSUM_COLUMNS]
    arrays = [
        pa.chunked_array([pa.array(columns[field.name], field.type)])
        if field.name in columns
        else rows[field.name].cast(field.type)
        for field in plain
    ]
    return with_checksums(pa.Table.from_arrays(arrays, schema=pa.schema(plain)), schema)
