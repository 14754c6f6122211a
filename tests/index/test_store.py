"""Rows, snapshots, the journal and the lock: what must hold on disk."""

import json
import multiprocessing
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import normalize

from finereel.errors import DataError, LibraryBusyError
from finereel.index.facts import FileFacts
from finereel.index.journal import Failure, Journal
from finereel.index.manifest import Manifest
from finereel.index.protocols import IndexedModel
from finereel.index.schema import (
    ClipBias,
    ClipRecord,
    FileRecord,
    clip_schema,
    copy_rows,
    decode_path,
    encode_path,
    to_features,
    to_rows,
)
from finereel.index.store import ClipStore, writer_lock
from finereel.models.features import VideoFeatures
from finereel.types import Window
from finereel.video.files import FileState
from index.doubles import ToyModel, word_frames

MODEL = ToyModel()
SIZES = IndexedModel.of(MODEL)
SCHEMA = clip_schema(SIZES, {})
FACTS = FileFacts(
    datetime(2026, 3, 1, tzinfo=UTC), 4.0, 8, 8, 25.0, "toys", "toy", "none", ("dogs", "holiday")
)
FILE = FileRecord("ab" * 8, "cd" * 16, "/videos/a.mp4", FileState(10, 20), facts=FACTS)


def records(count: int) -> list[ClipRecord]:
    return [
        ClipRecord(Window(2.0 * i, 2.0 * i + 2), 2 * i + np.arange(3.0), b"jpeg", b"webp")
        for i in range(count)
    ]


FEATURES = MODEL.encode_video([word_frames("dog")])


def rows(file: FileRecord, *words: str):  # type: ignore[no-untyped-def]
    features = MODEL.encode_video([word_frames(word) for word in words])
    return to_rows(file, records(len(words)), features, None, SCHEMA)


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    return ClipStore.create(tmp_path / "index-x", Manifest(SIZES))


def test_features_survive_the_table_in_half_precision() -> None:
    features = MODEL.encode_video(
        [word_frames("dog"), word_frames("cat", count=2), word_frames("cow", count=9)]
    )
    back = to_features(to_rows(FILE, records(3), features, None, SCHEMA), SIZES)
    assert torch.equal(back.frame_mask, features.frame_mask)
    assert torch.equal(back.patch_mask, features.patch_mask)
    assert torch.equal(back.frames, features.frames.half().float())
    assert torch.equal(back.patches, features.patches.half().float())
    assert torch.allclose(back.video, features.video, atol=1e-3)
    assert torch.allclose(back.video.norm(dim=-1), torch.ones(3), atol=1e-6)


@pytest.mark.parametrize(("patches", "contextual"), [(0, 0), (0, 4), (8, 4)])
def test_only_what_a_head_reads_has_a_column(tmp_path: Path, patches: int, contextual: int) -> None:
    sizes = IndexedModel("m", "f", frames=4, patches=patches, dim=16, contextual=contextual)
    schema = clip_schema(sizes, {})
    assert ("patches" in schema.names, "patch_mask" in schema.names) == (patches > 0, patches > 0)
    assert ("contextual" in schema.names) == (contextual > 0)
    generator = torch.Generator().manual_seed(0)
    features = VideoFeatures(
        normalize(torch.randn(3, 16, generator=generator), dim=-1),
        torch.randn(3, 4, 16, generator=generator),
        torch.randn(3, patches, 16, generator=generator),
        torch.tensor([[True, True, False, False]] * 3),
        torch.tensor([[True, False] * (patches // 2)] * 3).reshape(3, patches).bool(),
        torch.randn(3, contextual, 16, generator=generator),
    )
    store = ClipStore.create(tmp_path / "index-f", Manifest(sizes))
    store.commit([to_rows(FILE, records(3), features, None, store.schema)])
    snapshot = ClipStore.open(tmp_path / "index-f").snapshot()
    back = snapshot.take(snapshot.row_ids()).features
    for name in ("frames", "patches", "frame_mask", "patch_mask", "contextual"):
        stored = getattr(features, name)
        assert torch.equal(
            getattr(back, name), stored.half().float() if stored.is_floating_point() else stored
        ), name


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_any_mask_survives(masks: list[list[bool]]) -> None:
    frame_mask = torch.tensor(masks)
    count = len(masks)
    features = VideoFeatures(
        torch.ones(count, 16),
        torch.zeros(count, 4, 16),
        torch.zeros(count, 8, 16),
        frame_mask,
        frame_mask.repeat(1, 2),
    )
    back = to_features(to_rows(FILE, records(count), features, None, SCHEMA), SIZES)
    assert torch.equal(back.frame_mask, frame_mask)
    assert torch.equal(back.patch_mask, frame_mask.repeat(1, 2))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_features_that_no_half_can_hold_are_refused(value: float) -> None:
    features = MODEL.encode_video([word_frames("dog")])
    features.frames[0, 0, 0] = value
    with pytest.raises(DataError, match="not finite"):
        to_rows(FILE, records(1), features, None, SCHEMA)


@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name))
def test_every_file_name_survives(name: bytes) -> None:
    path = os.fsdecode(name)
    assert decode_path(encode_path(path)) == path
    encode_path(path).encode("utf-8")


def test_a_copy_has_its_own_identity_and_bias() -> None:
    twin = FileRecord("ef" * 8, FILE.video_id, "/videos/b.mp4", FileState(10, 30))
    copied = copy_rows(
        rows(FILE, "dog", "cat"), twin, ClipBias("bank:1", np.ones((2, 3), dtype=np.float32))
    )
    assert copied["clip_id"].to_pylist() == [f"{twin.file_id}-00000", f"{twin.file_id}-00001"]
    assert set(copied["path"].to_pylist()) == {"/videos/b.mp4"}
    assert copied["bank"].to_pylist() == ["bank:1"] * 2
    assert copied["start"].to_pylist() == [0.0, 2.0]


def test_a_replacement_is_one_commit_and_a_snapshot_stays_as_it_was(store: ClipStore) -> None:
    other = FileRecord("11" * 8, "22" * 16, "/videos/o.mp4", FileState(1, 1))
    store.commit([rows(FILE, "dog", "cat"), rows(other, "cow")])
    before, version = store.snapshot(), store.version()
    renewed = FileRecord("33" * 8, "44" * 16, FILE.path, FileState(11, 21))
    store.commit([rows(renewed, "yak")], [FILE.file_id])
    assert store.version() == version + 1
    assert before.count == 3
    assert len(before.take(before.row_ids())) == 3
    assert store.snapshot().count == 2
    assert store.files()[FILE.path].file_id == renewed.file_id


def test_clips_come_in_path_and_time_order_whatever_the_order_on_disk(store: ClipStore) -> None:
    first = FileRecord("55" * 8, "66" * 16, "/videos/0.mp4", FileState(1, 1))
    store.commit([rows(FILE, "dog", "cat")])
    store.commit([rows(first, "cow")])
    snapshot = store.snapshot()
    clips = snapshot.take(snapshot.row_ids()[::-1].copy())
    assert clips.paths == ["/videos/0.mp4", FILE.path, FILE.path]
    assert clips.rows["start"].to_pylist() == [0.0, 0.0, 2.0]
    expected = MODEL.encode_video([word_frames(word) for word in ("cow", "dog", "cat")])
    assert torch.equal(clips.features.frames, expected.frames.half().float())


def test_old_versions_are_dropped_when_tidied_but_not_young_ones(store: ClipStore) -> None:
    store.commit([rows(FILE, "dog")])
    snapshot = store.snapshot()
    store.tidy(force=True)
    assert snapshot.take(snapshot.row_ids()).paths == [FILE.path]


def test_a_change_moves_all_clips_of_a_file(store: ClipStore) -> None:
    store.commit([rows(FILE, "dog", "cat")])
    moved = FileRecord(
        FILE.file_id, FILE.video_id, "/elsewhere/it's.mp4", FileState(5, 6), missing=True
    )
    store.change([moved])
    assert store.files() == {moved.path: moved}
    assert store.snapshot().count == 0


def test_the_journal_keeps_the_last_word_on_every_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.record(Failure("/a", 1, 2, "first"))
    journal.record(Failure("/b", 1, 2, "cut", partial=True))
    journal.record(Failure("/a", 3, 4, "second"))
    again = Journal(tmp_path)
    cut = FileRecord("ab" * 8, "cd" * 16, "/b", FileState(1, 2))
    assert [failure.error for failure in again.current({"/b": cut}).values()] == ["second", "cut"]
    assert again.with_warnings({"/b": cut})["/b"].warning == "partly read: cut"
    again.forget({"/a", "/b", "/never"})
    assert Journal(tmp_path).paths() == []


FAILURE = Failure("/videos/a.mp4", 10, 20, "bad")
"""A line about the state in which FILE is in the table."""


@pytest.mark.parametrize(
    ("failure", "record", "obsolete"),
    [
        (FAILURE, None, False),
        (FAILURE, FILE, True),
        (replace(FAILURE, mtime_ns=9), FILE, True),
        (replace(FAILURE, mtime_ns=9, replaces=FILE.file_id), FILE, False),
        (replace(FAILURE, replaces="00" * 8), FILE, True),
        (replace(FAILURE, passing=True, replaces=FILE.file_id), FILE, True),
        (replace(FAILURE, passing=True, replaces=FILE.file_id), FILE.begun(), False),
        (FAILURE, FILE.begun(), True),
        (replace(FAILURE, partial=True), FILE, False),
        (replace(FAILURE, partial=True), None, True),
        (replace(FAILURE, partial=True), replace(FILE, warning="cut"), True),
        (replace(FAILURE, partial=True, mtime_ns=9), FILE, True),
    ],
)
def test_a_line_older_than_the_rows_is_obsolete(
    failure: Failure, record: FileRecord | None, obsolete: bool
) -> None:
    assert failure.obsolete(record) is obsolete


def test_lines_of_former_versions_are_read(tmp_path: Path) -> None:
    lines = [
        {
            "path": "/a",
            "size": 1,
            "mtime_ns": 2,
            "error": "/a: the file is damaged",
            "partial": False,
        },
        {
            "path": "/b",
            "size": 1,
            "mtime_ns": 2,
            "error": "/b: there is no such file",
            "partial": False,
        },
        {
            "path": "/c",
            "size": 1,
            "mtime_ns": 2,
            "error": "/c: cannot be opened (Permission denied); check",
            "partial": False,
        },
    ]
    (tmp_path / "failures.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = Journal(tmp_path).current({})
    assert [failure.passing for failure in found.values()] == [False, True, True]


def test_a_film_is_finished_once_one_row_says_so(store: ClipStore) -> None:
    begun = to_rows(
        FILE.begun(), records(1), MODEL.encode_video([word_frames("dog")]), None, store.schema
    )
    store.commit([begun])
    assert not store.files()[FILE.path].finished
    end = replace(FILE, warning="cut off")
    store.commit(
        [
            to_rows(
                end,
                records(1),
                MODEL.encode_video([word_frames("cat")]),
                None,
                store.schema,
                first=1,
            )
        ]
    )
    assert store.files() == {FILE.path: end}
    assert list(store.snapshot().starts_of_file(FILE.file_id)) == [
        f"{FILE.file_id}-00000",
        f"{FILE.file_id}-00001",
    ]


def _hold(folder: Path, held, release) -> None:  # type: ignore[no-untyped-def]
    with writer_lock(folder):
        held.set()
        release.wait(600)


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held, release))
    holder.start()
    assert held.wait(600)
    with pytest.raises(LibraryBusyError, match=str(holder.pid)), writer_lock(tmp_path):
        pass
    holder.kill()
    holder.join()
    with writer_lock(tmp_path), pytest.raises(LibraryBusyError), writer_lock(tmp_path):
        pass


def test_facts_and_tags_survive_the_table(store: ClipStore) -> None:
    plain = FileRecord("11" * 8, "22" * 16, "/videos/o.mp4", FileState(1, 1))
    store.commit([rows(FILE, "dog", "cat"), rows(plain, "cow")])
    assert store.snapshot().facts() == {FILE.file_id: FACTS, plain.file_id: FileFacts()}
    assert store.snapshot().tags() == {FILE.path: ("dogs", "holiday")}
    untagged = replace(FACTS, tags=())
    store.describe({FILE.file_id: untagged, plain.file_id: FileFacts(tags=("cows",))})
    assert store.snapshot().facts()[FILE.file_id] == untagged
    assert store.snapshot().tags() == {plain.path: ("cows",)}
    assert store.snapshot().count == 3
    copied = copy_rows(store.snapshot().rows_of_file(FILE.file_id), plain, None)
    assert copied["video_codec"].to_pylist() == ["toy", "toy"]
    assert copied["strip"].to_pylist() == [b"webp", b"webp"]


def test_a_table_of_version_1_gets_the_columns_of_version_2_and_keeps_its_rows(
    tmp_path: Path,
) -> None:
    store = ClipStore.create(tmp_path / "index-1", Manifest(SIZES, format=1))
    store.commit([to_rows(FILE, records(1), FEATURES, None, store.schema)])
    before = store.snapshot()
    assert (store.manifest.format, before.has_facts, before.facts()) == (1, False, {})
    store.migrate()
    assert ClipStore.open(tmp_path / "index-1").manifest.format == 2
    after = store.snapshot()
    assert after.facts() == {FILE.file_id: FileFacts()}
    for name in before.own_columns:
        assert after.rows([name])[name].equals(before.rows([name])[name]), name
    assert set(after.names) == set(SCHEMA.names)
    store.commit(
        [to_rows(replace(FILE, file_id="33" * 8), records(1), FEATURES, None, store.schema)]
    )
    store.describe({FILE.file_id: FACTS})
    assert set(store.snapshot().facts().values()) == {FACTS}
    assert store.version() == before.version + 3
