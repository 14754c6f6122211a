"""Files of vectors beside the table: those of another state, damaged or cut short are passed over,
and whoever writes makes them again.
"""

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finereel.index import sidecar
from finereel.index.bank import Bank
from finereel.index.coarse import ExactCoarse, first_look
from finereel.index.events import AddSettings
from finereel.index.head import read_head, write_head
from finereel.index.sidecar import open_bias, open_vectors, refresh_vectors
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video
from index.made_vectors import add_clips, bank_of, random_vectors, table_of
from support.processes import FORK


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files for tables of any size."""
    monkeypatch.setattr(sidecar, "KEPT_FROM", 1)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sidecar") / "index-0"
    store = table_of(folder)
    for number in range(2):
        add_clips(store, random_vectors(300, number), number)
    return folder


@pytest.fixture
def store(template: Path, tmp_path: Path) -> ClipStore:
    """A table of 600 clips without files."""
    shutil.copytree(template, tmp_path / "index-0")
    return ClipStore.open(tmp_path / "index-0")


def files(store: ClipStore) -> list[Path]:
    return sorted(Path(str(store.folder)).glob("vectors-*.i8"))


def require_same(store: ClipStore) -> None:
    """The file gives what the table does."""
    kept = open_vectors(store.snapshot())
    assert kept is not None
    table = store.snapshot().vectors()
    order = np.argsort(table.row_ids)
    np.testing.assert_array_equal(kept.table.row_ids, table.row_ids[order])
    halves = table.vectors.numpy()[order]
    np.testing.assert_array_equal(kept.table.vectors.numpy(), halves)
    restored = kept.int8.numbers[:, : halves.shape[1]] * kept.int8.scales[:, None]
    np.testing.assert_allclose(restored, halves, atol=0.005)


def test_the_file_holds_what_the_table_does(store: ClipStore) -> None:
    assert open_vectors(store.snapshot()) is None
    refresh_vectors(store)
    assert [path.name for path in files(store)] == [f"vectors-{store.version()}.i8"]
    require_same(store)


def test_hidden_clips_are_not_in_it(store: ClipStore) -> None:
    record = next(iter(store.files().values()))
    store.change([replace(record, missing=True)])
    refresh_vectors(store)
    require_same(store)
    kept = open_vectors(store.snapshot())
    assert kept is not None
    assert len(kept.table.row_ids) == store.snapshot().count == 300


def test_every_damage_is_noticed(store: ClipStore) -> None:
    refresh_vectors(store)
    (path,) = files(store)
    content, snapshot = path.read_bytes(), store.snapshot()
    random = np.random.default_rng(0)
    places = [0, 8, 12, 20, *random.integers(0, len(content) // 3, 10).tolist()]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(changed)
        kept = open_vectors(snapshot)
        assert kept is None or place > 2048, place  # a gap between arrays
    for length in (0, 3, 16, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert open_vectors(snapshot) is None
    refresh_vectors(store)
    assert path.read_bytes() == content
    require_same(store)


def test_a_changed_half_is_noticed_when_it_is_read(store: ClipStore) -> None:
    refresh_vectors(store)
    (path,) = files(store)
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    kept = open_vectors(store.snapshot())
    if kept is None:  # without kernels all of them are read at once
        return
    assert kept.table.of(kept.table.row_ids[:-1]) is not None
    assert kept.table.of(kept.table.row_ids[-1:]) is None


def test_a_file_of_another_version_or_table_is_passed_over(store: ClipStore) -> None:
    refresh_vectors(store)
    old = store.snapshot()
    (path,) = files(store)
    add_clips(store, random_vectors(50, 9), 9)
    assert open_vectors(store.snapshot()) is None
    assert open_vectors(old) is not None
    # The same number in another table.
    path.rename(path.with_name(f"vectors-{store.version()}.i8"))
    assert open_vectors(store.snapshot()) is None
    refresh_vectors(store)
    require_same(store)


def test_what_did_not_change_is_taken_from_the_last_file(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_vectors(store)
    add_clips(store, random_vectors(50, 9), 9)
    store.commit([], [f"{0:016x}"])
    read = []
    vectors = Snapshot.vectors

    def counted(self: Snapshot, row_ids: np.ndarray | None = None) -> object:
        read.append(None if row_ids is None else len(row_ids))
        return vectors(self, row_ids)

    query = random_vectors(1, 5)[0]
    monkeypatch.setattr(Snapshot, "vectors", counted)
    before = first_look(store.snapshot(), None).candidates(query, 350)  # as a server does meanwhile
    refresh_vectors(store)
    monkeypatch.undo()
    monkeypatch.setattr(sidecar, "KEPT_FROM", 1)
    assert read == [50, 50]
    exact = ExactCoarse(store.snapshot().vectors(), None)
    assert before.tolist() == exact.candidates(query, 350).tolist()
    assert len(files(store)) == 1
    require_same(store)
    # Compaction moves rows: nothing of the last file is where it was.
    store.tidy(force=True)
    refresh_vectors(store)
    require_same(store)


def test_of_a_damaged_last_file_nothing_is_taken(store: ClipStore) -> None:
    refresh_vectors(store)
    (path,) = files(store)
    content = bytearray(path.read_bytes())
    content[-700] ^= 1
    path.write_bytes(content)
    add_clips(store, random_vectors(50, 9), 9)
    refresh_vectors(store)
    require_same(store)


def test_the_bias_of_a_bank_has_a_file(store: ClipStore) -> None:
    bank = bank_of(store, 0)
    refresh_vectors(store)
    snapshot = store.snapshot()
    bias, kept = open_bias(snapshot, bank), open_vectors(snapshot)
    assert bias is not None
    assert kept is not None
    rows = sidecar.rows_of(snapshot, kept.table.row_ids)
    np.testing.assert_array_equal(bias, bank.biases_of(rows)[:, 0])
    other = bank_of(store, 1)
    assert open_bias(snapshot, other) is None
    refresh_vectors(store)
    assert open_bias(snapshot, other) is not None


def test_below_the_size_there_is_none(store: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh_vectors(store)
    monkeypatch.setattr(sidecar, "KEPT_FROM", 601)
    refresh_vectors(store)
    assert not files(store)


def test_a_folder_that_cannot_be_written_is_searched_all_the_same(
    store: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sidecar, "_write", full)
    refresh_vectors(store)
    assert not files(store)
    assert open_vectors(store.snapshot()) is None


class _Fatal(np.ndarray):
    """Its bytes are read twice, for the checksum and when they are written: then the process is
    killed.
    """

    asked = 0

    @property
    def data(self) -> memoryview:  # type: ignore[override]
        _Fatal.asked += 1
        if _Fatal.asked == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.asarray(self).data


def _write_and_die(folder: Path, name: str) -> None:
    """Killed before the array `name` is written."""
    sidecar.KEPT_FROM = 1
    write = sidecar._write

    def torn(path: Path, described: dict[str, object], arrays: dict[str, np.ndarray]) -> None:
        write(path, described, arrays | {name: arrays[name].view(_Fatal)})

    sidecar._write = torn
    refresh_vectors(ClipStore.open(folder))


@pytest.mark.parametrize("name", ["row_ids", "vectors"])
def test_a_process_killed_while_writing_leaves_no_file(store: ClipStore, name: str) -> None:
    child = FORK.Process(target=_write_and_die, args=(Path(str(store.folder)), name))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert not files(store)
    assert open_vectors(store.snapshot()) is None
    refresh_vectors(store)
    require_same(store)


def test_a_commit_that_did_not_count_leaves_no_file_that_does(store: ClipStore) -> None:
    head = read_head(store.folder)
    assert head is not None
    add_clips(store, random_vectors(50, 9), 9)
    refresh_vectors(store)
    version = store.version()
    write_head(store.folder, head)  # as before the commit
    again = ClipStore.open(store.folder)
    again.prepare()
    add_clips(again, random_vectors(50, 8), 8)
    assert again.version() == version
    assert open_vectors(again.snapshot()) is None


def _search(path: Path, said: Path) -> None:
    hits = Library.open(path, ToyModel(), ToySource()).search("b7 a7", 5)
    said.write_text("\n".join(f"{hit.video} {hit.score!r}" for hit in hits), encoding="utf-8")


def test_another_process_gives_the_same_answers(tmp_path: Path) -> None:
    for number in range(40):
        write_video(tmp_path / "videos" / f"{number:03d}.toy", f"a{number}", f"b{number}")
    library = Library.open(tmp_path / "library", ToyModel(), ToySource())
    library.add([tmp_path / "videos"], settings=AddSettings())
    (index,) = library.path.glob("index-*")
    assert len(list(index.glob("vectors-*.i8"))) == 1
    answers = []
    for name in ("with", "without"):
        child = FORK.Process(target=_search, args=(library.path, tmp_path / name))
        child.start()
        child.join(120)
        answers.append((tmp_path / name).read_text(encoding="utf-8"))
        for path in index.glob("vectors-*.i8"):
            path.unlink()
    assert answers[0] == answers[1] != ""
    library.fit_normalization([f"a{number}" for number in range(8)])
    assert len(list(index.glob("vectors-*.i8"))) == len(list(index.glob("bias-*.f32"))) == 1
    library.remove([tmp_path / "videos" / "004.toy"])
    snapshot = ClipStore.open(index).snapshot()
    assert [path.name for path in index.glob("vectors-*.i8")] == [f"vectors-{snapshot.version}.i8"]
    bank = Bank.load(index)
    assert bank is not None
    assert open_bias(snapshot, bank) is not None
