"""A library in an object store: the same answers as in a folder, and several writers at once."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finereel.errors import LibraryBusyError, LibraryError, LibraryNotFoundError, ObjectStoreError
from finereel.index.events import AddSettings
from finereel.index.lance import LanceTable
from finereel.index.remote import newest_version
from finereel.index.remote_store import RemoteClipStore
from finereel.index.settings import LibrarySettings
from finereel.io.storage import lease
from finereel.io.storage.places import StorePath
from finereel.io.storage.probe import require_conditions
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video
from support.object_store import BUCKET, careless, known, moto, seaweedfs
from support.processes import FORK

Act = Callable[[str, Path, list[str]], None]
WORDS = ("dog", "cat", "fish", "bird", "tree", "car")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url, known(url):
        yield url


@pytest.fixture(params=["memory", "s3"])
def place(request: pytest.FixtureRequest) -> StorePath:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    if request.param == "s3":
        request.getfixturevalue("server")
    return StorePath(f"{request.param}://{BUCKET}/{name}")


def opened(place: StorePath | Path) -> Library:
    return Library.open(place, model=ToyModel(), source=ToySource())


def films(folder: Path) -> Path:
    write_video(folder / "a.toy", "dog", "cat")
    write_video(folder / "b.toy", "fish")
    (folder / "c.toy").write_text("! torn\n", encoding="utf-8")
    return folder


def test_answers_are_those_of_a_folder(place: StorePath, tmp_path: Path) -> None:
    videos = films(tmp_path / "videos")
    there, here = opened(place), opened(tmp_path / "library")
    assert there.add([videos]).clips == here.add([videos]).clips == 3
    for text in ("cat", "fish"):
        assert there.search(text) == here.search(text)
    assert there.doctor(verify=True) == here.doctor(verify=True)
    again = opened(place).add([videos])
    assert (again.unchanged, again.known_bad, again.clips) == (2, 1, 0)
    write_video(videos / "a.toy", "dog", "bird")
    (videos / "c.toy").unlink()
    assert there.add([videos]).indexed == here.add([videos]).indexed == 1
    assert there.search("bird") == here.search("bird")
    assert there.doctor() == here.doctor() == []
    assert there.remove([videos / "b.toy"]) == 1
    assert there.tag([videos], ["home"]) == 1
    assert there.fit_normalization(["dog", "bird"]).startswith("bank:")
    status = opened(place).status()
    assert (status.clips, status.excluded) == (2, (str(videos / "b.toy"),))
    assert status.normalization.startswith("bank:")
    assert status.bytes > 0


def test_what_works_in_folders_only_says_so(place: StorePath, tmp_path: Path) -> None:
    library = opened(place)
    library.add([films(tmp_path)])
    with pytest.raises(LibraryError, match="a rebuild works on a library in a local folder only"):
        library.rebuild(ToyModel(seed=1))
    with pytest.raises(LibraryError, match="repairing works on a library in a local folder only"):
        library.repair()


def test_there_is_no_library_yet(place: StorePath) -> None:
    with pytest.raises(LibraryNotFoundError, match=f"there is no library at {place}"):
        opened(place).search("dog")


def test_no_bucket(server: str, tmp_path: Path) -> None:
    library = opened(StorePath("s3://no-such-bucket/library"))
    for act in (lambda: library.search("dog"), lambda: library.add([films(tmp_path)])):
        with pytest.raises(ObjectStoreError, match="there is no bucket s3://no-such-bucket; make"):
            act()


def test_what_two_writers_change_in_the_settings_is_all_kept(place: StorePath) -> None:
    known_then = LibrarySettings(10.0, ("/a", "/b"))
    known_then.save(place)
    LibrarySettings(10.0, ("/a", "/b", "/c")).save(place, known_then)
    LibrarySettings(10.0, ("/a", "/d"), ("/x",)).save(place, known_then)
    assert LibrarySettings.load(place) == LibrarySettings(10.0, ("/a", "/c", "/d"), ("/x",))


def append(address: str, folder: Path, names: list[str]) -> None:
    """A run over some videos."""
    opened(StorePath(address)).add([folder / name for name in names])


def commit_each(address: str, folder: Path, names: list[str]) -> None:
    """A commit for each of some videos."""
    library = opened(StorePath(address))
    library.add([folder / name for name in names], settings=AddSettings(commit_clips=1))


def at_server(url: str, act: Act, address: str, folder: Path, share: list[str]) -> None:
    """The server that forks has the environment of its own start."""
    with known(url):
        act(address, folder, share)


def at_once(act: Act, place: StorePath, folder: Path, shares: list[list[str]]) -> None:
    """A process of its own for each share."""
    url = os.environ["AWS_ENDPOINT_URL"]
    writers = [
        FORK.Process(target=at_server, args=(url, act, str(place), folder, share))
        for share in shares
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
        assert writer.exitcode == 0


def write_films(folder: Path, count: int) -> list[str]:
    return [
        write_video(folder / f"{number}.toy", f"word{number}", WORDS[number % 6]).name
        for number in range(count)
    ]


def check_all_there(place: StorePath, clips: int, appends: int) -> None:
    library = opened(place)
    assert library.status().clips == clips
    assert library.doctor() == []
    assert library.status().version >= appends
    found = library.search(f"word{clips // 2 - 1}")[0]
    assert Path(found.video).name == f"{clips // 2 - 1}.toy"


def test_writers_that_append_at_once_lose_nothing(server: str, tmp_path: Path) -> None:
    place = StorePath(f"s3://{BUCKET}/appended")
    names = write_films(tmp_path, 12)
    at_once(commit_each, place, tmp_path, [names[0::3], names[1::3], names[2::3]])
    check_all_there(place, 24, 12)


def test_writers_of_the_same_videos_double_nothing(server: str, tmp_path: Path) -> None:
    place = StorePath(f"s3://{BUCKET}/same")
    names = write_films(tmp_path, 3)
    at_once(append, place, tmp_path, [names, names, names])
    check_all_there(place, 6, 1)


def test_a_commit_that_comes_second_leaves_no_clip_twice(server: str, tmp_path: Path) -> None:
    place = StorePath(f"s3://{BUCKET}/second")
    library = opened(place)
    library.add([films(tmp_path)])
    store = library._existing()
    assert isinstance(store, RemoteClipStore)
    rows = store.snapshot().table.search().limit(None).to_arrow().select(store.schema.names)
    store.commit([rows])
    assert sorted(store.snapshot().clip_ids()) == sorted(rows["clip_id"].to_pylist())


def test_the_newest_version_is_that_of_lance(server: str, tmp_path: Path) -> None:
    place = StorePath(f"s3://{BUCKET}/versions")
    library = opened(place)
    for name in write_films(tmp_path, 3):
        library.add([tmp_path / name])
    store = library._existing()
    assert isinstance(store.folder, StorePath)
    store._table.checkout_latest()
    assert newest_version(store.folder) == store._table.version


def test_wrong_credentials_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with careless(status=403) as url, known(url), pytest.raises(ObjectStoreError) as caught:
        opened(StorePath("s3://forbidden/library")).search("dog")
    assert "the store refuses these credentials; set AWS_ACCESS_KEY_ID" in str(caught.value)


@pytest.fixture
def seaweed(tmp_path: Path) -> Iterator[str]:
    with seaweedfs(tmp_path / "volumes") as url, known(url):
        yield url


@pytest.mark.slow
def test_many_appends_by_four_writers_on_a_real_server(seaweed: str, tmp_path: Path) -> None:
    place = StorePath(f"s3://{BUCKET}/many")
    names = write_films(tmp_path / "videos", 200)
    shares = [names[writer::4] for writer in range(4)]
    at_once(commit_each, place, tmp_path / "videos", shares)
    check_all_there(place, 400, 200)


@pytest.mark.slow
def test_a_real_server_honours_conditions(seaweed: str, tmp_path: Path) -> None:
    require_conditions(StorePath(f"s3://{BUCKET}/conditions"))


def stall_once(
    monkeypatch: pytest.MonkeyPatch, commit: str, meanwhile: Callable[[], object]
) -> None:
    """Whoever next begins `commit` stops, is passed over as a holder of the lease while `meanwhile`
    runs in another process (here a thread), and goes on.
    """
    real = getattr(LanceTable, commit)

    def stalled(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(LanceTable, commit, real)
        monkeypatch.setattr(lease, "LEASE_SECONDS", -1.0)
        thread = threading.Thread(target=meanwhile)
        thread.start()
        thread.join()
        monkeypatch.setattr(lease, "LEASE_SECONDS", 30.0)
        return real(*args, **kwargs)

    monkeypatch.setattr(LanceTable, commit, stalled)


def rows_of(place: StorePath, column: str) -> list[str]:
    rows: list[str] = opened(place)._existing().snapshot().rows([column])[column].to_pylist()
    return sorted(rows)


def test_a_holder_that_stalled_before_its_commit_gives_way(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StorePath(f"s3://{BUCKET}/stalled")
    video = write_video(tmp_path / "a.toy", "dog")
    write_video(tmp_path / "b.toy", "fish")
    opened(place).add([tmp_path])
    write_video(video, "dog", "cat")

    def newer() -> None:
        write_video(video, "dog", "bird", "tree")
        opened(place).add([video])

    stall_once(monkeypatch, "merge_insert", newer)
    with pytest.raises(LibraryBusyError, match="another one took over; what that one wrote stays"):
        opened(place).add([video])
    assert len(rows_of(place, "clip_id")) == 4  # three of a.toy, one of b.toy
    assert opened(place).add([tmp_path]).unchanged == 2
    assert opened(place).search("tree")[0].video == str(video)


def test_what_is_added_while_all_rows_are_written_anew_is_not_lost(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StorePath(f"s3://{BUCKET}/rewritten")
    opened(place).add([films(tmp_path / "old")])
    fresh = write_video(tmp_path / "new" / "new.toy", "bird")
    stall_once(monkeypatch, "create", lambda: opened(place).add([fresh]))
    with pytest.raises(LibraryBusyError, match="was added to meanwhile, so it is as it was"):
        opened(place).migrate(tokens="int8")
    assert len(rows_of(place, "clip_id")) == 4
    assert opened(place).search("bird")[0].video == str(fresh)
    opened(place).migrate(tokens="int8")
    assert opened(place).status().tokens == "int8"
    assert len(rows_of(place, "clip_id")) == 4


def test_writers_that_are_faster_put_off_a_compaction_and_repeat_a_commit(
    place: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter(["Too many concurrent writers. Attempted 4 times"] * 2)
    real = LanceTable.add

    def add(self: LanceTable, rows: object) -> object:
        for words in told:
            raise RuntimeError(f"lance error: {words}")
        return real(self, rows)

    def optimize(self: LanceTable, **_: object) -> None:
        raise RuntimeError("lance error: Too many concurrent writers. Attempted 4 times")

    monkeypatch.setattr(LanceTable, "add", add)
    monkeypatch.setattr(LanceTable, "optimize", optimize)
    monkeypatch.setattr("finereel.index.remote_store.time.sleep", lambda seconds: None)
    assert opened(place).add([films(tmp_path)]).clips == 3
    store = opened(place)._existing()
    store.tidy(force=True)


def test_a_compaction_waits_while_another_process_has_the_lease(
    place: StorePath, tmp_path: Path
) -> None:
    library = opened(place)
    for word in ("dog", "cat"):
        library.add([write_video(tmp_path / f"{word}.toy", word)])
    version = library.status().version
    store = library._existing()
    waiting = threading.Thread(target=store.tidy, kwargs={"force": True})
    with lease.leased(place):
        waiting.start()
        waiting.join()
    assert library.status().version == version
    store.tidy(force=True)
    assert library.status().version > version
