"""Trouble that passes, folders that are not here now, what is left out, and the length of clips."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from finereel.errors import (
    BrokenVideoError,
    ConfigError,
    FinereelError,
    LibraryError,
    NotAVideoError,
    StalledVideoError,
    VideoError,
)
from finereel.index import events
from finereel.index.events import AddReport, AddSettings
from finereel.index.settings import LibrarySettings
from finereel.index.store import ClipStore
from finereel.library import Library
from index.doubles import ToyModel, ToySource, ToyStream, write_video


class CuttingSource(ToySource):
    """Cuts as it is told to: a toy line of several seconds becomes clips of `plan.length`."""

    def clips(self, path, plan):  # type: ignore[no-untyped-def]
        self.lengths.append(plan.length)
        return super().clips(path, plan)

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[float | None] = []


class Place:
    """A folder of 6 toy videos and a library."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.videos = root / "videos"
        for number in range(6):
            write_video(self.videos / f"v{number}.toy", f"dog{number}")
        self.model, self.source = ToyModel(), CuttingSource()
        self.library = Library.open(root / "library", self.model, self.source)

    def add(
        self,
        *paths: Path,
        on_event: Callable[[events.AddEvent], None] | None = None,
        **settings: object,
    ) -> AddReport:
        return self.library.add(
            paths or [self.videos], on_event=on_event, settings=AddSettings(**settings)
        )  # type: ignore[arg-type]

    def problems(self) -> dict[str, str]:
        return {Path(problem.path).name: problem.error for problem in self.library.doctor()}

    def names(self) -> list[str]:
        return sorted({Path(hit.video).stem for hit in self.library.search("x", 1000)})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def _fail_at(
    monkeypatch: pytest.MonkeyPatch, place: Place, where: str, name: str, error: Exception
) -> None:
    """`error` comes up once, while the file `name` is looked at, hashed, opened or read."""
    if where == "reading":
        read = ToyStream._read

        def broken(self: ToyStream):  # type: ignore[no-untyped-def]
            yield from read(self)
            if self._path.name == name:
                raise error

        monkeypatch.setattr(ToyStream, "_read", broken)
        return
    method = {"looking": "state", "hashing": "content_hash", "opening": "clips"}[where]
    real = getattr(place.source, method)

    def refuse(path: Path, *rest: object) -> object:
        if path.name == name:
            raise error
        return real(path, *rest)

    monkeypatch.setattr(place.source, method, refuse)


@pytest.mark.parametrize("where", ["looking", "hashing", "opening", "reading"])
@pytest.mark.parametrize(
    "number",
    [
        errno.EACCES,
        errno.ENOENT,
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENOMEM,
        errno.EMFILE,
    ],
)
def test_trouble_that_passes_is_said_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(patch, place, where, "v3.toy", OSError(number, os.strerror(number)))
        report = place.add(batch_clips=1)
    assert (report.indexed, report.failed, report.unread) == (5, 0, 1)
    reason = os.strerror(number).lower()
    assert place.problems() == {
        "v3.toy": f"could not be read this time: {reason}; it will be tried again"
    }
    assert (place.library.status().failed, place.library.status().unread) == (0, 1)
    report = place.add()
    assert (report.indexed, report.known_bad, report.unchanged) == (1, 0, 5)
    assert place.problems() == {}


def test_the_reader_s_word_for_trouble_is_not_the_file_s_fault_either(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(
            patch,
            place,
            "opening",
            "v3.toy",
            VideoError(f"{place.videos / 'v3.toy'}: cannot be read (it sleeps)"),
        )
        assert place.add().unread == 1
    assert "cannot be read (it sleeps)" in place.problems()["v3.toy"]
    assert place.add().indexed == 1


@pytest.mark.parametrize("where", ["opening", "reading"])
def test_a_decoder_that_got_no_time_is_not_the_file_s_fault(
    place: Place, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(
            patch,
            place,
            where,
            "v3.toy",
            StalledVideoError("no clip within 30 s: the machine is busy"),
        )
        report = place.add(batch_clips=1)
    assert (report.unread, report.failed) == (1, 0)
    assert "the machine is busy; it will be tried again" in place.problems()["v3.toy"]
    assert (place.add().indexed, place.problems()) == (1, {})


def test_trouble_with_a_file_of_the_library_keeps_its_clips(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.add()
    write_video(place.videos / "v3.toy", "a", "b")
    with monkeypatch.context() as patch:
        _fail_at(patch, place, "opening", "v3.toy", OSError(errno.EIO, "Input/output error"))
        assert place.add().unread == 1
    assert "v3" in place.names()
    assert set(place.problems()) == {"v3.toy"}
    assert place.add().indexed == 1
    assert place.problems() == {}


def test_a_bad_file_that_changed_while_it_was_read_is_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while it is copied: what is there so far may not decode, or only in part."""
    for name in ("v2.toy", "v3.toy"):
        (place.videos / name).write_text("! cut\n" if name == "v2.toy" else "2 dog3\n! cut\n")

    def grow(event: events.AddEvent) -> None:
        if isinstance(event, events.FileStarted) and event.number == 2:
            write_video(place.videos / "v2.toy", "dog2")
            write_video(place.videos / "v3.toy", "dog3", "cat3")

    report = place.add(on_event=grow, queue_clips=1)
    assert report.failed == 0
    place.add()
    assert (place.problems(), place.library.status().clips) == ({}, 7)


def test_content_that_is_bad_is_remembered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _fail_at(patch, place, "opening", "v3.toy", BrokenVideoError("no"))
        assert place.add().failed == 1
    assert place.add().known_bad == 1
    assert place.library.status().failed == 1


def test_a_decoder_that_cannot_start_ends_the_run_and_fails_no_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_at(
            patch, place, "opening", "v3.toy", FinereelError("the decoding process does not start")
        )
        with pytest.raises(FinereelError, match="does not start"):
            place.add(commit_seconds=1000.0)
    assert place.problems() == {}
    assert place.names() == ["v0", "v1", "v2"], "what was encoded before is kept"
    assert place.add().indexed == 3


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_folder_that_goes_away_in_the_middle_of_a_run(place: Place, how: str) -> None:
    """A share that drops: the folder is gone, or the mount point is an empty folder."""
    place.add(place.videos / "v0.toy")

    def drop(event: events.AddEvent) -> None:
        if isinstance(event, events.FileStarted) and event.number == 3:
            place.videos.rename(place.root / "offline")
            if how == "empty":
                place.videos.mkdir()

    report = place.add(on_event=drop, queue_clips=1)
    assert (report.failed, report.unread, report.missing) == (0, 0, 0)
    assert report.indexed + report.left == 5
    assert report.left >= 2
    assert str(report.away[0]).startswith(
        f"the folder {place.videos} is not here now ({report.left} videos): "
    )
    assert place.library.status().missing == 0
    assert set(place.problems()) == {"videos"}
    shutil.rmtree(place.videos, ignore_errors=True)
    (place.root / "offline").rename(place.videos)
    assert place.add().indexed == report.left
    assert (place.problems(), len(place.names())) == ({}, 6)


def test_a_folder_that_went_away_before_its_files_were_looked_at(place: Place) -> None:
    place.add()
    find = place.source.find

    def drop(paths):  # type: ignore[no-untyped-def]
        found = find(paths)
        place.videos.rename(place.root / "offline")
        return found

    place.source.find = drop  # type: ignore[method-assign]
    report = place.add()
    assert (report.left, report.missing, report.failed) == (6, 0, 0)
    assert place.library.status().missing == 0


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_an_unplugged_drive_is_not_here_now_and_costs_nothing_to_plug_in(
    place: Place, how: str
) -> None:
    other = write_video(place.root / "other" / "o.toy", "owl").parent
    place.add(place.videos, other)
    offline = place.videos.rename(place.root / "offline")
    if how == "empty":
        place.videos.mkdir()
    why = "it is empty" if how == "empty" else "no such file or directory"
    sentence = f"the folder {place.videos} is not here now (6 videos): {why}"
    assert list(map(str, place.library.status().away)) == [sentence], (
        "said before the next run of index, too"
    )
    for _ in range(2):
        report = place.add(place.videos, other)
        assert list(map(str, report.away)) == [sentence]
        assert (report.failed, report.unchanged) == (0, 1)
        assert place.names() == ["o"]
        assert list(map(str, place.library.status().away)) == [sentence]
        assert [problem.path for problem in place.library.doctor()] == [str(place.videos)]
        assert place.library.doctor()[0].error.startswith(sentence)
    shutil.rmtree(place.videos, ignore_errors=True)
    offline.rename(place.videos)
    encoded = place.model.encoded
    assert place.add(place.videos, other).unchanged == 7
    assert (place.model.encoded, len(place.names()), place.problems()) == (encoded, 7, {})
    assert place.library.status().away == ()


def test_a_drive_below_the_folder_that_is_indexed(place: Place) -> None:
    drive = place.videos / "drive"
    for number in range(3):
        write_video(drive / "films" / f"f{number}.toy", f"cat{number}")
    place.add()
    shutil.move(drive, place.root / "offline")
    place.add()
    sentence = f"the folder {drive} is not here now (3 videos): no such file or directory"
    assert [str(away) for away in place.library.status().away] == [sentence]
    (place.videos / "v0.toy").unlink()
    place.add()
    assert set(place.problems()) == {"drive", "v0.toy"}
    assert "the file is gone" in place.problems()["v0.toy"]


def test_files_that_no_permission_lets_us_see_are_not_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.add()
    real = os.lstat

    def refuse(path: str) -> os.stat_result:
        if str(path).endswith("v3.toy"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    (place.videos / "v3.toy").rename(place.root / "v3.toy")
    with monkeypatch.context() as patch:
        patch.setattr(os, "lstat", refuse)
        assert place.add().missing == 0


def test_rebuild_keeps_the_old_index_while_videos_cannot_be_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.add()
    with monkeypatch.context() as patch:
        _fail_at(patch, place, "opening", "v3.toy", OSError(errno.EIO, "Input/output error"))
        assert place.library.rebuild(ToyModel(seed=1)).unread == 1
    assert Library.open(place.library.path).status().model == "toy-0"
    place.videos.rename(place.root / "offline")
    assert place.library.rebuild(ToyModel(seed=1)).away
    (place.root / "offline").rename(place.videos)
    place.library.rebuild(ToyModel(seed=1))
    assert (place.library.status().model, place.library.status().videos) == ("toy-1", 6)


def test_what_was_removed_stays_out_until_it_is_named(place: Place) -> None:
    write_video(place.videos / "private" / "p0.toy", "cat0")
    bad = place.videos / "private" / "bad.toy"
    bad.write_text("! bad\n")
    place.add()
    assert place.library.remove([place.videos / "v0.toy", place.videos / "private"]) == 2
    report = place.add()
    assert (report.indexed, report.unchanged, report.failed) == (0, 5, 0)
    assert place.names() == ["v1", "v2", "v3", "v4", "v5"]
    assert place.problems() == {}
    status = place.library.status()
    assert status.excluded == (str(place.videos / "private"), str(place.videos / "v0.toy"))
    write_video(place.videos / "private" / "new.toy", "cat1")
    assert place.add().indexed == 0
    assert (
        Library.open(place.library.path, place.model, place.source)
        .add([place.videos / "v0.toy"])
        .indexed
        == 1
    )
    assert place.add(place.videos / "private" / "p0.toy").indexed == 1, (
        "a file of a folder that is left out"
    )
    assert place.add().indexed == 0
    assert place.names() == ["p0", "v0", "v1", "v2", "v3", "v4", "v5"]
    report = place.add(place.videos / "private")
    assert (report.indexed, report.unchanged, report.failed) == (1, 1, 1)
    assert place.library.status().excluded == ()


def test_remove_without_leaving_out(place: Place) -> None:
    place.add()
    assert place.library.remove([place.videos / "v0.toy"], exclude=False) == 1
    assert place.add().indexed == 1


def test_a_path_that_is_nothing_is_not_left_out(place: Place) -> None:
    place.add()
    assert place.library.remove([place.videos / "typo.toy"]) == 0
    assert place.library.status().excluded == ()
    write_video(place.videos / "later" / "l.toy", "owl")
    assert place.library.remove([place.videos / "later"]) == 0
    assert place.add().indexed == 0, "a folder that is there can be left out before it is indexed"


def test_what_is_left_out_survives_a_rebuild_and_a_kill_between_its_two_steps(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.add()
    with monkeypatch.context() as patch:
        patch.setattr(ClipStore, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place.library.remove([place.videos / "v0.toy"])
    place.add()
    assert "v0" not in place.names()
    place.library.rebuild(ToyModel(seed=1))
    assert place.add().indexed == 0
    assert "v0" not in place.names()


def test_damaged_settings_are_an_error_that_says_what_to_do(place: Place) -> None:
    place.add()
    for text in (
        "",
        "[]",
        '{"clip_seconds": "x"}',
        '{"clip_seconds": 1, "folders": 3, "excluded": [], "included": []}',
    ):
        (place.library.path / "settings.json").write_text(text)
        with pytest.raises(LibraryError, match=r"settings.json.*delete it"):
            place.library.status()


def test_the_length_of_clips_belongs_to_the_library(place: Place) -> None:
    place.add(clip_seconds=4.0)
    assert place.library.status().clip_seconds == 4.0
    for wanted in (2.0, 10.0):
        with pytest.raises(
            ConfigError, match=rf"clips of 4 s, got a length of {wanted:g} s.*--library NEW"
        ):
            place.add(clip_seconds=wanted)
    write_video(place.videos / "late.toy", "owl")
    place.add()
    place.add(clip_seconds=4.0)
    place.library.rebuild(ToyModel(seed=1))
    with pytest.raises(ConfigError, match="clips of 4 s"):
        place.library.rebuild(ToyModel(seed=2), settings=AddSettings(clip_seconds=3.0))
    place.library.describe(write_video(place.root / "other.toy", "owl"), ["owl", "dog"])
    assert set(place.source.lengths) == {4.0}
    assert place.library.status().clip_seconds == 4.0


def test_a_library_without_clips_takes_another_length(place: Place) -> None:
    (place.root / "bad.toy").write_text("! bad\n")
    place.add(place.root / "bad.toy", clip_seconds=4.0)
    place.add(clip_seconds=2.0)
    assert place.library.status().clip_seconds == 2.0


@pytest.mark.parametrize(
    ("words", "wanted", "length"), [("ab", None, 2.0), ("a", None, 10.0), ("a", 3.0, 3.0)]
)
def test_the_length_of_an_old_library_s_clips_is_read_from_them(
    place: Place, words: str, wanted: float | None, length: float
) -> None:
    one = write_video(place.root / "one.toy", *words)
    place.add(one)
    (place.library.path / "settings.json").unlink()
    place.add(one, clip_seconds=wanted)
    assert place.library.status().clip_seconds == length


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_length_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="positive seconds"):
        AddSettings(clip_seconds=value)


def test_settings_file_is_plain(place: Place) -> None:
    place.add()
    stored = json.loads((place.library.path / "settings.json").read_text())
    assert stored == {
        "clip_seconds": 10.0,
        "folders": [str(place.videos)],
        "excluded": [],
        "included": [],
        "preset": "fast",
    }
    assert LibrarySettings.load(place.root / "nowhere") == LibrarySettings()


def test_naming_what_is_not_there_changes_nothing(place: Place) -> None:
    place.add()
    with pytest.raises(NotAVideoError):
        place.add(place.root / "never-there")
    assert place.library.status().folders == (str(place.videos),)
