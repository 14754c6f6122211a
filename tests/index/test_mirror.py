"""Copies of a table's files: the same rows without the store, and the store where a copy is not
right.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from finereel.errors import ConfigError
from finereel.index import mirror
from finereel.index.mirror import RemoteSnapshot, mirror_of
from finereel.index.remote_store import RemoteClipStore
from finereel.index.snapshot import OFTEN
from finereel.io.storage.places import StorePath
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video
from support.object_store import BUCKET, known, moto

COLUMNS = ["clip_id", "vector", "frames"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url, known(url):
        yield url


@pytest.fixture
def place(server: str, request: pytest.FixtureRequest) -> StorePath:
    return StorePath(f"s3://{BUCKET}/{request.node.name}")


def opened(place: StorePath) -> Library:
    return Library.open(place, model=ToyModel(), source=ToySource())


def snapshot_of(library: Library) -> RemoteSnapshot:
    store = library._existing()
    assert isinstance(store, RemoteClipStore)
    found = store.snapshot()
    assert isinstance(found, RemoteSnapshot)
    return found


def filled(place: StorePath, folder: Path, *words: str) -> Library:
    library = opened(place)
    library.add([write_video(folder / f"{word}.toy", word, "cat") for word in words])
    return library


def copied(snapshot: RemoteSnapshot) -> None:
    """Read until copies are there."""
    for _ in range(OFTEN + 1):
        snapshot.take_rows(snapshot.row_ids(), COLUMNS)
    assert snapshot.filling is not None
    settled(snapshot)


def settled(snapshot: RemoteSnapshot) -> None:
    """Wait for copies that are under way."""
    if snapshot.filling is not None:
        snapshot.filling.join()


def test_what_is_read_often_is_read_here(
    place: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = filled(place, tmp_path, "dog", "fish")
    snapshot = snapshot_of(library)
    row_ids = snapshot.row_ids()
    before = snapshot.take_rows(row_ids, COLUMNS, with_row_id=True)
    assert snapshot.filling is None
    copied(snapshot)
    near = snapshot._near
    assert near is not None
    monkeypatch.setattr(snapshot, "table", None)  # nothing asks the store any more
    assert snapshot.take_rows(row_ids, COLUMNS, with_row_id=True) == before
    another = snapshot_of(opened(place))
    again = another.take_rows(row_ids, COLUMNS, with_row_id=True)
    assert again == before
    assert another._near is not None


def test_features_beside_kept_rows_are_read_here(
    place: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = snapshot_of(filled(place, tmp_path, "dog", "fish"))
    row_ids = snapshot.row_ids()
    snapshot.keep_rows()
    before = snapshot.take(row_ids)
    copied(snapshot)
    monkeypatch.setattr(snapshot, "table", None)
    after = snapshot.take(row_ids)
    assert after.rows == before.rows
    assert torch.equal(after.features.frames, before.features.frames)
    clip_ids = after.rows["clip_id"].to_pylist()
    assert set(snapshot.thumbnails(clip_ids)) == set(clip_ids)


def test_a_new_commit_is_copied_and_what_is_old_goes(
    place: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = filled(place, tmp_path, "dog", "fish")
    copied(snapshot_of(library))
    monkeypatch.setattr(mirror, "KEEP_SECONDS", -1.0)
    library.remove([tmp_path / "dog.toy"])
    library.add([write_video(tmp_path / "bird.toy", "bird")])
    snapshot = snapshot_of(library)
    rows = snapshot.take_rows(snapshot.row_ids(), COLUMNS)
    settled(snapshot)  # at once, for there are copies
    assert snapshot._near is not None
    assert len(rows) == 3
    assert snapshot.take_rows(snapshot.row_ids(), COLUMNS) == rows
    copies = mirror_of(snapshot.folder)
    assert copies is not None
    assert len(list(copies.place.glob("clips.lance/_versions/*"))) == 1
    assert not list(copies.place.glob("parts/*"))


def test_a_damaged_copy_is_not_used(
    place: StorePath, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    library = filled(place, tmp_path, "dog", "fish")
    snapshot = snapshot_of(library)
    before = snapshot.take_rows(snapshot.row_ids(), COLUMNS)
    copied(snapshot)
    copies = mirror_of(snapshot.folder)
    assert copies is not None
    for path in copies.place.glob("clips.lance/data/*"):
        content = bytearray(path.read_bytes())
        content[: len(content) // 2] = bytes(len(content) // 2)
        path.write_bytes(content)
    again = snapshot_of(opened(place))
    assert again.take_rows(again.row_ids(), COLUMNS) == before
    assert "are not used" in caplog.text


def test_another_library_at_the_same_address_is_not_taken_for_the_old(
    place: StorePath, tmp_path: Path
) -> None:
    copied(snapshot_of(filled(place, tmp_path, "dog")))
    place.remove_all()
    library = filled(place, tmp_path / "new", "bird")
    snapshot = snapshot_of(library)
    rows = snapshot.take_rows(snapshot.row_ids(), ["path"])
    settled(snapshot)
    assert snapshot.take_rows(snapshot.row_ids(), ["path"]) == rows
    assert {Path(path).name for path in rows["path"].to_pylist()} == {"bird.toy"}


def test_a_table_above_the_budget_stays_where_it_is(
    place: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEREEL_TABLE_CACHE_GIB", "0.000001")
    snapshot = snapshot_of(filled(place, tmp_path, "dog"))
    copied(snapshot)
    assert snapshot._near is None
    monkeypatch.setenv("FINEREEL_TABLE_CACHE_GIB", "0")
    assert mirror_of(place) is None
    monkeypatch.setenv("FINEREEL_TABLE_CACHE_GIB", "much")
    with pytest.raises(ConfigError, match="is a number of GiB"):
        opened(place).search("dog")
