"""Every stored value has a checksum in its row, whatever became of the row."""

from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import DamagedLibraryError
from finereel.index.checksums import (
    CHECKSUM_COLUMNS,
    CHECKSUMS,
    FILE_CHECKSUMS,
    checksums_of,
    damaged_rows,
)
from finereel.index.manifest import METADATA_KEY, Manifest
from finereel.index.schema import ClipBias, FileRecord, copy_rows
from finereel.index.store import TABLE, ClipStore
from finereel.library import Library
from finereel.video.files import FileState
from index.doubles import ToyModel, ToySource, write_video
from index.test_store import FILE, SCHEMA, SIZES, rows

TWIN = FileRecord("ef" * 8, FILE.video_id, "/videos/b.mp4", FileState(10, 30), warning="cut short")


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore.create(tmp_path / "index-x", Manifest(SIZES))


def stored(store: ClipStore) -> pa.Table:
    return store.snapshot().table.to_arrow()


def changed(table: pa.Table, name: str) -> pa.Table:
    """The table with another value of one column in its first row."""
    position, column = table.schema.get_field_index(name), table[name].combine_chunks()
    first = column[0].as_py()
    if isinstance(first, list):
        first = ["cats" if isinstance(first[0], str) else 1.5, *first[1:]]
    elif isinstance(first, bytes):
        first = bytes([first[0] ^ 1]) + first[1:]
    elif first is None:
        first = [] if pa.types.is_list(column.type) else ""
    elif isinstance(first, bool):
        first = not first
    elif isinstance(first, str):
        first = "x" + first[1:]
    else:
        first = (
            type(first)(first + 1) if not hasattr(first, "replace") else first.replace(year=1999)
        )
    values = pa.concat_arrays([pa.array([first], column.type), column[1:]])
    return table.set_column(position, table.schema.field(position), values)


@pytest.mark.parametrize("name", [name for name in SCHEMA.names if name not in CHECKSUM_COLUMNS])
def test_another_value_in_any_column_is_noticed_in_its_row_alone(name: str) -> None:
    table = rows(FILE, "dog", "cat", "cow")
    assert not damaged_rows(table, SCHEMA.names).any()
    assert damaged_rows(changed(table, name), SCHEMA.names).tolist() == [True, False, False]


@pytest.mark.parametrize("name", [CHECKSUMS, FILE_CHECKSUMS])
def test_another_checksum_is_noticed(name: str) -> None:
    table = rows(FILE, "dog", "cat")
    sums = table[name].to_pylist()
    sums[1][0] ^= 1
    position = table.schema.get_field_index(name)
    spoilt = table.set_column(
        position, table.schema.field(position), pa.array(sums, table.schema.field(position).type)
    )
    assert damaged_rows(spoilt, SCHEMA.names).tolist() == [False, True]


@given(
    st.lists(st.none() | st.lists(st.floats(width=32), max_size=3), min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_a_value_has_one_checksum_wherever_it_stands(
    values: list[list[float] | None], start: int
) -> None:
    whole = pa.table({"bias": pa.array(values, pa.list_(pa.float32()))})
    alone = np.concatenate([checksums_of(whole.slice(row, 1)) for row in range(len(values))])
    assert np.array_equal(checksums_of(whole), alone)
    assert np.array_equal(checksums_of(whole.slice(start)), alone[start:])


def test_null_and_empty_differ() -> None:
    sums = checksums_of(
        pa.table(
            {"warning": pa.array([None, ""]), "bias": pa.array([None, []], pa.list_(pa.float32()))}
        )
    )
    assert (sums[0] != sums[1]).all()


def test_checksums_hold_after_a_copy_a_rename_a_missing_mark_and_compaction(
    store: ClipStore,
) -> None:
    original = rows(FILE, "dog", "cat")
    store.commit(
        [original, copy_rows(original, TWIN, ClipBias("bank:1", np.ones((2, 3), dtype=np.float32)))]
    )
    moved = FileRecord(FILE.file_id, FILE.video_id, "/caf\udce9.mp4", FileState(5, 6), missing=True)
    store.change([moved])
    store.tidy(force=True)
    table = stored(store)
    assert not damaged_rows(table, store.schema.names).any()
    assert table[CHECKSUMS].null_count == table[FILE_CHECKSUMS].null_count == 0
    assert store.files() == {moved.path: moved, TWIN.path: TWIN}


def test_a_changed_path_is_noticed_whatever_it_has_become(store: ClipStore) -> None:
    store.commit([rows(FILE, "dog", "cat")])
    snapshot = store.snapshot()
    for path in ("/x\0", "/x\0zz"):
        with pytest.raises(DamagedLibraryError, match="1 of 2 clips"):
            snapshot._check(changed_to(stored(store), path))


def changed_to(table: pa.Table, path: str) -> pa.Table:
    paths = [path, *table["path"].to_pylist()[1:]]
    return table.set_column(table.schema.get_field_index("path"), "path", pa.array(paths))


def old_library(library: Path, videos: Path) -> Library:
    """A library as the version before checksums made it."""
    made = Library.open(library, ToyModel(), ToySource())
    made.add([videos])
    folder = next(library.glob("index-*"))
    table = stored(ClipStore.open(folder))
    kept = table.drop_columns([CHECKSUMS, FILE_CHECKSUMS, "warning"])
    described = {METADATA_KEY: ClipStore.open(folder).manifest.to_json()}
    lancedb.connect(folder).create_table(
        TABLE, kept.replace_schema_metadata(described), mode="overwrite"
    )
    (folder / "head.json").unlink()
    return Library.open(library, ToyModel(), ToySource())


def test_an_old_library_answers_without_checksums_and_gets_them_with_its_next_write(
    tmp_path: Path,
) -> None:
    videos = write_video(tmp_path / "videos" / "a.toy", "dog", "cat").parent
    library = old_library(tmp_path / "library", videos)
    folder = next((tmp_path / "library").glob("index-*"))
    assert CHECKSUMS not in ClipStore.open(folder).schema.names
    before = library.search("dog")
    assert library.status().clips == 2
    write_video(videos / "b.toy", "cow")
    model = ToyModel()
    Library.open(tmp_path / "library", model, ToySource()).add([videos])
    assert model.encoded == 1
    table = stored(ClipStore.open(folder))
    assert table[CHECKSUMS].is_null().to_pylist() == [True, True, False]
    assert not damaged_rows(table, table.schema.names).any()
    assert library.search("dog")[0] == before[0]
    (videos / "a.toy").rename(videos / "c.toy")
    assert library.add([videos]).renamed == 1
    assert stored(ClipStore.open(folder))[FILE_CHECKSUMS].null_count == 0
