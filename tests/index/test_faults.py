"""Places as people have them: full, read-only and strange disks, growth, and a rebuild that dies at
its switch.
"""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from research.attacks.library_scenarios import SCENARIOS, State, compare, fill, opened, same, state

from finereel.errors import LibraryError
from finereel.index import opening, store
from finereel.index.store import ClipStore
from finereel.io.locks import sharing
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video
from support.failing_disk import failing_disk

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES, errno.ESTALE)

POINTS = 7


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled place, and where it must stand: paths of videos are in the library."""
    folder = tmp_path_factory.mktemp("faults")
    fill(folder / "place")
    (folder / "place").rename(folder / "base")
    return folder


def placed(base: Path, name: str) -> Path:
    place = base / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base / "base", place)
    SCENARIOS[name].prepare(place)
    return place


@pytest.mark.parametrize("name", ["first add", "remove", "normalise", "rebuild"])
def test_a_failing_call_is_a_typed_error_and_the_state_is_that_of_before_or_after(
    base: Path, name: str
) -> None:
    place = placed(base, name)
    before = state(place)
    with failing_disk(place / "library") as counter:
        SCENARIOS[name].act(place)
    after = state(place)
    assert after is not None
    # Some of them, spread evenly: the attack `disk_errors` tries every one.
    for nth in range(1, counter.calls + 1, max(1, counter.calls // POINTS)):
        place = placed(base, name)
        number = ERRORS[nth % len(ERRORS)]
        try:
            with failing_disk(place / "library", nth, number):
                SCENARIOS[name].act(place)
        except LibraryError as error:
            complaint = _complaint(str(error), place)
        else:
            complaint = ""
        assert not complaint
        assert not compare(state(place), before, after, SCENARIOS[name].steps)


def _complaint(message: str, place: Path) -> str:
    good = (
        str(place) in message
        and "\n" not in message
        and ("same command again" in message or "read-only" in message)
    )
    return "" if good else message


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program catches it."""


def _die(*arguments: object) -> None:
    del arguments
    raise Killed


@pytest.mark.parametrize("at", ["write_manifest", "_drop", "remove_bank"])
def test_a_rebuild_that_dies_around_its_switch_answers_as_an_undisturbed_one(
    base: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    place = placed(base, "rebuild")
    before = state(place)
    SCENARIOS["rebuild"].act(place)
    after = state(place)
    place = placed(base, "rebuild")
    with monkeypatch.context() as patch:
        patch.setattr(opening, at, _die)
        try:
            SCENARIOS["rebuild"].act(place)
        except Killed:
            now = state(place)
            assert same(now, before) or same(now, after)
    SCENARIOS["rebuild"].act(place)
    assert same(state(place), after)
    assert len(list((place / "library").glob("*index-*"))) == 1


def test_the_next_writer_removes_what_a_killed_rebuild_left(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = placed(base, "rebuild")
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_drop", _die)
        with pytest.raises(Killed):
            SCENARIOS["rebuild"].act(place)
    assert len(list((place / "library").glob("index-*"))) == 2
    opened(place, seed=1).remove([place / "videos" / "v0.toy"])
    assert len(list((place / "library").glob("*index-*"))) == 1


def _size(library: Path) -> int:
    return sum(path.stat().st_size for path in library.rglob("*") if path.is_file())


def _dates(videos: Path, turn: int) -> None:
    for path in videos.iterdir():
        os.utime(path, (1e9 + turn, 1e9 + turn))


def _unplug(library: Library, videos: Path) -> None:
    videos.rename(videos.with_name("away"))
    library.add([videos])
    videos.with_name("away").rename(videos)


GROWTH: dict[str, Callable[[Library, Path, int], object]] = {
    "dates": lambda library, videos, turn: _dates(videos, turn),
    "unplugged": lambda library, videos, turn: _unplug(library, videos),
    "removed": lambda library, videos, turn: library.remove(
        [videos / "v0.toy", videos / "v1.toy"], exclude=False
    ),
}


@pytest.mark.parametrize("name", GROWTH)
def test_disk_use_stays_within_twice_the_content(tmp_path: Path, name: str) -> None:
    for number in range(4):
        write_video(
            tmp_path / "videos" / f"v{number}.toy", *(f"dog{number}{clip}" for clip in range(4))
        )
    library = Library.open(tmp_path / "library", ToyModel(dim=128, frames=8), ToySource())
    library.add([tmp_path / "videos"])
    fresh = _size(library.path)
    for turn in range(8):
        GROWTH[name](library, tmp_path / "videos", turn)
        library.add([tmp_path / "videos"])
        assert len(library.search("dog01")) == 4
        assert _size(library.path) <= 2 * fresh


def test_a_version_that_is_being_read_is_not_dropped(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "v.toy", *(f"dog{clip}" for clip in range(40)))
    library = Library.open(tmp_path / "library", ToyModel(dim=128, frames=8), ToySource())
    library.add([tmp_path / "videos"])
    with sharing(library.path):
        pinned = ClipStore.open(next(library.path.glob("index-*"))).snapshot()
        for turn in range(4):
            _dates(tmp_path / "videos", turn)
            library.add([tmp_path / "videos"])
        assert len(pinned.take(pinned.row_ids())) == 40
    _dates(tmp_path / "videos", 5)
    fresh = _size(library.path)
    library.add([tmp_path / "videos"])
    assert _size(library.path) < fresh / 2


def test_a_library_where_files_cannot_have_two_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "usb é 100%#1"
    write_video(place / "videos" / "a.toy", "dog", "cat")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", _refused(errno.EPERM))
        patch.setattr(store, "has_hard_links", lambda folder: False)
        patch.chdir(
            "/proc"
        )  # No folder can be made here: nothing may be left where the person happens to be.
        library = opened(place)
        library.add([place / "videos"])
        os.utime(place / "videos" / "a.toy", (1, 1))
        library.add([place / "videos"])
        assert len(library.search("dog", per_video=None)) == 2
    assert len(opened(place).search("dog", per_video=None)) == 2
    assert opened(place).remove([place / "videos"]) == 1


def _refused(number: int) -> Callable[..., None]:
    def call(*arguments: object, **more: object) -> None:
        del arguments, more
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_library_that_can_only_be_read(
    base: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    place = placed(base, "remove")
    monkeypatch.setattr(store, "locked", _refused(number))
    library = opened(place)
    assert library.search("dog1")
    assert library.status().videos == 7
    assert library.doctor()
    assert library.describe(place / "videos" / "v1.toy", ["dog1", "cat2"])
    for write in (
        lambda: library.add([place / "videos"]),
        lambda: library.remove([place]),
        library.remove_normalization,
    ):
        with pytest.raises(LibraryError, match=r"is read-only here: .* It can be searched"):
            write()


def test_a_library_that_moved_keeps_working(base: Path) -> None:
    place = placed(base, "remove")
    shutil.move(place / "library", place / "elsewhere")
    moved = Library.open(place / "elsewhere", ToyModel(), ToySource())
    assert moved.search("dog1")[0].video.endswith("v1.toy")
    assert moved.add([place / "videos"]).indexed == 0


@pytest.mark.parametrize(
    "what", ["file", "dangling link", "link in a circle", "folder below a file"]
)
def test_a_place_that_can_be_no_library(tmp_path: Path, what: str) -> None:
    place = tmp_path / "place"
    write_video(tmp_path / "videos" / "a.toy", "dog")
    if what == "file":
        place.write_text("hello")
    elif what == "dangling link":
        place.symlink_to(tmp_path / "absent" / "target")
    elif what == "link in a circle":
        place.symlink_to(place)
    else:
        (tmp_path / "file").touch()
        place = tmp_path / "file" / "place"
    library = Library.open(place, ToyModel(), ToySource())
    for use in (library.status, library.doctor, lambda: library.search("dog")):
        with pytest.raises(LibraryError, match=str(place)):
            use()
    with pytest.raises(LibraryError, match=str(place)):
        library.add([tmp_path / "videos"])


def test_errors_of_the_program_keep_their_type(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = placed(base, "remove")
    monkeypatch.setattr(Library, "_searcher", lambda library, store: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        opened(place).search("dog1")


def test_states_are_told_apart() -> None:
    scores = {text: {"a": 1.0, "b": 2.0} for text in ("dog1", "cat2 cow3", "yak1")}
    full = State("toy", scores, ("bad.toy: no video",), 0)
    assert compare(full, None, full, steps=True) == ""
    assert (
        compare(
            replace(full, problems=(*full.problems, "library.json: gone")), None, full, steps=True
        )
        == ""
    )
    lost = State("toy", {text: {"a": 1.0} for text in scores}, ("bad.toy: no video",), 0)
    assert "lost" in compare(lost, full, full, steps=True)
    assert "doubled" in compare(State("toy", lost.scores, (), 1), None, full, steps=True)
    shifted = State("toy", {text: {"a": 1.003} for text in scores}, (), 0)
    assert "scores" in compare(shifted, None, full, steps=True)
    assert "doctor" in compare(
        State("toy", lost.scores, ("other.toy: no video",), 0), None, full, steps=True
    )
    assert "neither" in compare(lost, full, full, steps=False)
