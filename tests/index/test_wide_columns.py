"""Tokens read straight from the table's files are those that Lance reads, and where the files are
not as expected Lance reads them.
"""

import multiprocessing
import sys
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from finereel.errors import DamagedLibraryError
from finereel.index import wide_columns
from finereel.index.manifest import Manifest
from finereel.index.protocols import IndexedModel, StoredTokens
from finereel.index.schema import ClipRecord, FileRecord, to_rows
from finereel.index.snapshot import Clips, Snapshot
from finereel.index.store import ClipStore
from finereel.index.wide_columns import WideColumns
from finereel.models.features import StoredFeatures
from finereel.types import Window
from finereel.video.files import FileState
from support.kernels import without_kernels

FRAMES, PER_FRAME, DIM, CLIPS = 4, 3, 256, 20


def picture(number: int, clip: int) -> bytes:
    """The thumbnail of a clip: of any length, but those of file 2 so short that Lance packs them."""
    drawn = np.random.default_rng([number, clip])
    length = int(drawn.integers(0, 9 if number == 2 else 4000)) * (clip != 3)
    return drawn.bytes(length)


def write(store: ClipStore, number: int, replaced: bool = False) -> None:
    """One file of random clips; the last frame of every third is padding."""
    generator = torch.Generator().manual_seed(number)
    patches = torch.randn(CLIPS, FRAMES * PER_FRAME, DIM, generator=generator)
    patches = torch.nn.functional.normalize(patches, dim=-1)
    mask = torch.ones(CLIPS, FRAMES, dtype=torch.bool)
    mask[::3, -1] = False
    patch_mask = mask.repeat_interleave(PER_FRAME, dim=1)
    patches[~patch_mask] = 0
    frames = patches[:, ::PER_FRAME]
    features = StoredFeatures(patches[:, 0], frames, patches, mask, patch_mask)
    file = FileRecord(f"{number:016x}", f"{number:032x}", f"/{9 - number}.mp4", FileState(1, 1))
    records = [
        ClipRecord(Window(float(n), n + 1.0), np.arange(FRAMES, dtype=float), picture(number, n))
        for n in range(CLIPS)
    ]
    rows = to_rows(file, records, features, None, store.schema)
    store.commit([rows], [file.file_id] if replaced else [])


def made(folder: Path, tokens: str = "fp16") -> ClipStore:
    """Three files in as many fragments, one of them written twice."""
    kept = StoredTokens(True, (), PER_FRAME, tokens)
    model = IndexedModel("m", "f", FRAMES, FRAMES * PER_FRAME, DIM, stored=kept)
    store = ClipStore.create(folder / "index-1", Manifest(model))
    for number in range(3):
        write(store, number)
    write(store, 1, replaced=True)
    return store


def same(one: Clips, other: Clips) -> None:
    assert one.rows.to_pylist() == other.rows.to_pylist()
    assert one.paths == other.paths
    for part in fields(one.features):
        mine, theirs = getattr(one.features, part.name), getattr(other.features, part.name)
        assert not isinstance(mine, Tensor) or torch.equal(mine, theirs), part.name


def without_lance(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only files be read from here on."""
    monkeypatch.setattr(snapshot, "read", lambda query: pytest.fail("Lance was asked"))


@pytest.mark.parametrize("kernels", ["on", "off"])
@pytest.mark.parametrize("tokens", ["fp16", "int8", "2bit"])
def test_what_is_read_is_what_lance_reads(
    tokens: str, kernels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEREEL_KERNELS", kernels)
    snapshot = made(tmp_path, tokens).snapshot()
    row_ids = np.random.default_rng(0).permutation(snapshot.row_ids())[:30]
    plain = snapshot.take(row_ids)
    assert len(plain) == 30
    snapshot.vectors()
    snapshot.keep_rows()
    without_lance(snapshot, monkeypatch)
    same(snapshot.take(row_ids), plain)


def test_vectors_are_read_where_they_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = made(tmp_path).snapshot()
    plain = snapshot.take(snapshot.row_ids())
    snapshot.keep_rows()
    row_ids = snapshot.row_ids()
    without_lance(snapshot, monkeypatch)
    same(snapshot.take(row_ids), plain)


def test_patches_may_stay_in_half_precision(tmp_path: Path) -> None:
    snapshot = made(tmp_path).snapshot()
    row_ids = snapshot.row_ids()
    for _ in range(2):
        plain, halves = snapshot.take(row_ids), snapshot.take(row_ids, half=True)
        assert halves.features.patches.dtype == torch.float16
        assert torch.equal(halves.features.patches.float(), plain.features.patches)
        assert torch.equal(halves.features.frames, plain.features.frames)
        snapshot.keep_rows()


def test_a_smaller_table_is_read_as_well(tmp_path: Path) -> None:
    store = made(tmp_path)
    store._table.optimize()
    snapshot = store.snapshot()
    plain = snapshot.take(snapshot.row_ids())
    snapshot.keep_rows()
    same(snapshot.take(snapshot.row_ids()), plain)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_kernels_read_and_sum_as_python_does(tmp_path: Path, threads: int) -> None:
    library = wide_columns._library()
    if library is None:
        without_kernels(every_processor=False)
    content = np.random.default_rng(0).bytes(5000)
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as file:
        for width in (1, 15, 16, 63, 64, 65, 79, 128, 200, 1024):
            places = np.arange(7, dtype=np.int64)[::-1] * 11
            files = np.full(7, file.fileno(), dtype=np.int64)
            values, sums = np.zeros((7, width), np.uint8), np.zeros(7, np.uint32)
            arrays = zip(
                ("files", "places", "to", "sums"), (files, places, values, sums), strict=True
            )
            given = {name: array.ctypes.data for name, array in arrays}
            library.read(library.Rows(count=7, width=width, threads=threads, **given))
            wanted = [content[place : place + width] for place in places.tolist()]
            assert [row.tobytes() for row in values] == wanted
            assert sums.tolist() == [zlib.crc32(each) for each in wanted]
        places[3] = 5000 - 1023
        with pytest.raises(OSError, match="shorter"):
            library.read(library.Rows(count=7, width=1024, threads=threads, **given))


@pytest.mark.skipif(sys.platform != "linux", reason="children are not forked there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_reads_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads do not come along, and nothing may wait for them."""
    snapshot = made(tmp_path).snapshot()
    monkeypatch.setattr(wide_columns, "_WORTH_A_THREAD", 1)
    snapshot.keep_rows()
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        snapshot.take(snapshot.row_ids())
        child = multiprocessing.get_context("fork").Process(target=_read, args=(snapshot,))
        child.start()
        child.join(60)
    finally:
        torch.set_num_threads(before)
    code = child.exitcode
    child.kill()
    assert code == 0


def _read(snapshot: Snapshot) -> None:
    kept, wide = snapshot._kept, snapshot._wide
    assert kept is not None
    assert wide is not None
    read = wide.read(["patches"], kept.row_ids)
    assert read is not None
    sums = [zlib.crc32(value) for value in read["patches"].values]
    assert read["patches"].sums.tolist() == sums


@pytest.mark.parametrize("kernels", ["on", "off"])
def test_a_changed_byte_is_noticed(
    kernels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEREEL_KERNELS", kernels)
    snapshot = made(tmp_path).snapshot()
    row_ids = snapshot.row_ids()
    snapshot.keep_rows()
    wide = WideColumns.of(snapshot.folder / "clips.lance", snapshot.version, {"patches": 4096})
    assert wide is not None
    values = wide.fragments["patches"][row_ids[0] >> 32]
    with values.file.open("r+b") as file:
        file.seek(int(values.places(row_ids[:1] & 0xFFFFFFFF, 4096)[0]) + 99)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 4]))
    with pytest.raises(DamagedLibraryError, match="not what was written"):
        snapshot.take(row_ids)
    assert len(snapshot.take(row_ids[1:])) == len(row_ids) - 1


def clip_ids(snapshot: Snapshot, *numbers: int) -> list[str]:
    """Those of the clips of these files."""
    every = snapshot.rows(["clip_id"])["clip_id"].to_pylist()
    return [one for one in every if int(one.split("-")[0], 16) in numbers]


def test_thumbnails_are_read_from_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = made(tmp_path).snapshot()
    wanted = clip_ids(snapshot, 0, 1)
    plain = snapshot.thumbnails(wanted)
    assert set(map(len, plain.values())) > {0}
    assert plain[wanted[5]] == picture(0, 5)
    snapshot.keep_rows()
    monkeypatch.setattr(snapshot, "beside", lambda *_: pytest.fail("Lance was asked"))
    assert snapshot.thumbnails(wanted) == plain


def test_thumbnails_that_are_kept_in_another_way_are_left_to_lance(tmp_path: Path) -> None:
    snapshot = made(tmp_path).snapshot()
    small, every = clip_ids(snapshot, 2), clip_ids(snapshot, 0, 1, 2)
    plain = snapshot.thumbnails(every)
    snapshot.keep_rows()
    assert snapshot._read_long("thumbnail", snapshot._kept.rows) is None  # type: ignore[union-attr]
    assert snapshot.thumbnails(every) == plain
    assert set(snapshot.thumbnails(small)) == set(small)


@pytest.mark.parametrize("place", ["value", "length", "table"])
def test_a_changed_thumbnail_is_noticed(place: str, tmp_path: Path) -> None:
    snapshot = made(tmp_path).snapshot()
    wanted = clip_ids(snapshot, 0)
    snapshot.keep_rows()
    wide = WideColumns.of(snapshot.folder / "clips.lance", snapshot.version, {}, ["thumbnail"])
    assert wide is not None
    assert wide.read_long("thumbnail", np.array([1])) == [picture(0, 1)]
    values = wide.long["thumbnail"][0]
    (begins, _), (table, size) = values.pages[0].buffers
    entry = size // (CLIPS + 1)
    at = {"value": begins + 9, "length": begins, "table": table + entry}[place]
    with values.file.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 4]))
    row = int(place == "table")
    assert wide.read_long("thumbnail", np.array([row])) != [picture(0, row)]
    assert wide.read_long("thumbnail", np.array([7])) == [picture(0, 7)]
    if place == "value":
        with pytest.raises(DamagedLibraryError, match="not what was written"):
            snapshot.thumbnails(wanted)


def test_rows_without_a_thumbnail_are_told_apart(tmp_path: Path) -> None:
    snapshot = made(tmp_path).snapshot()
    wide = WideColumns.of(snapshot.folder / "clips.lance", snapshot.version, {}, ["thumbnail"])
    assert wide is not None
    assert wide.read_long("thumbnail", np.array([CLIPS])) is None
    assert wide.read_long("thumbnail", np.array([77 << 32])) is None
    values = wide.long["thumbnail"][0]
    values.file.unlink()
    assert wide.read_long("thumbnail", np.array([0])) is None


def test_other_files_are_left_to_lance(tmp_path: Path) -> None:
    snapshot = made(tmp_path).snapshot()
    table = Path(str(snapshot.folder)) / "clips.lance"
    known = {"patches": 4096, "frames": 2048}
    assert WideColumns.of(table, snapshot.version, known) is not None
    assert WideColumns.of(table, snapshot.version, {"patches": 4095}) is None
    assert WideColumns.of(table, snapshot.version + 1, known) is None
    wide = WideColumns.of(table, snapshot.version, known)
    assert wide is not None
    assert wide.read(["patches"], np.array([77 << 32])) is None
    assert wide.read(["patches"], np.array([CLIPS])) is None
    values = wide.fragments["patches"][0]
    with values.file.open("r+b") as file:
        file.truncate(values.offset[0] + 100)
    assert wide.read(["patches"], np.array([0])) is None
    assert WideColumns.of(table, snapshot.version, known) is None
