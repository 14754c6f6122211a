"""The loop of watching, with a library that only notes what it is asked."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finereel.errors import (
    LibraryBusyError,
    LibraryError,
    ModelMismatchError,
    NotAVideoError,
)
from finereel.index.events import AddReport, FileStarted, OnEvent
from finereel.io.signals import stop_on_interrupt
from finereel.watching import listening
from finereel.watching import watch as watching
from finereel.watching.listening import matters
from finereel.watching.settling import Settling
from finereel.watching.watch import Watch, WatchEvent, WatchSettings, checked_roots

pytest.importorskip("watchfiles")


class NotingLibrary:
    """Answers each `add` with the next of `answers`; then with nothing to do."""

    def __init__(self, path: Path, *answers: AddReport | Exception) -> None:
        self.path = path
        self.answers = list(answers)
        self.added: list[list[str]] = []
        self.during: Callable[[OnEvent], None] = lambda on_event: None

    def add(self, paths: Sequence[str], *, on_event: OnEvent | None = None) -> AddReport:
        assert on_event is not None
        self.added.append(list(paths))
        with stop_on_interrupt() as stop:
            self.during(on_event)
            if stop.is_set():
                return AddReport(interrupted=True)
        answer = self.answers.pop(0) if self.answers else AddReport()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "TICK", 0.02)
    monkeypatch.setattr(watching, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(watching, "TROUBLE_SECONDS", 0.05)
    monkeypatch.setattr(watching, "on_battery", lambda: False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    return tmp_path / "videos"


ONCE = WatchSettings(once=True)


def run(
    library: NotingLibrary,
    roots: Sequence[Path],
    settings: WatchSettings = ONCE,
    hook: Callable[[WatchEvent], None] = lambda event: None,
) -> tuple[str, list[WatchEvent]]:
    told: list[WatchEvent] = []

    def tell(event: WatchEvent) -> None:
        told.append(event)
        hook(event)

    watch = Watch(library, [str(root) for root in roots], Settling(0.2), settings, tell)
    return watch.run(), told


def kinds(told: list[WatchEvent]) -> list[str]:
    return [event.kind for event in told]


def for_seconds(seconds: float) -> WatchSettings:
    return WatchSettings(until=datetime.now() + timedelta(seconds=seconds))


def test_once_adds_all_and_ends(tmp_path: Path, folder: Path) -> None:
    library = NotingLibrary(tmp_path / "lib", AddReport(indexed=2, clips=5, failed=1))
    reason, told = run(library, [folder])
    assert (reason, library.added) == ("once", [[str(folder)]])
    assert kinds(told) == ["watching", "added", "ended"]
    assert told[1].facts["indexed"] == 2
    assert "see `finereel doctor`" in told[1].message


def test_another_writer_is_waited_for_and_told_once(tmp_path: Path, folder: Path) -> None:
    busy = LibraryBusyError("it is being written by process 7")
    library = NotingLibrary(tmp_path / "lib", busy, busy, busy, AddReport(indexed=1))
    _, told = run(library, [folder])
    assert kinds(told) == ["watching", "waiting", "added", "ended"]
    assert "process 7" in told[1].message
    assert len(library.added) == 4


def test_trouble_that_may_pass_is_told_and_tried_again(tmp_path: Path, folder: Path) -> None:
    full = LibraryError("No space left on the disk; free some space")
    _, told = run(NotingLibrary(tmp_path / "lib", full, AddReport(indexed=1)), [folder])
    assert kinds(told) == ["watching", "trouble", "added", "ended"]
    assert "free some space; it is tried again" in told[1].message


def test_what_never_passes_ends_it(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelMismatchError):
        run(NotingLibrary(tmp_path / "lib", ModelMismatchError("another model")), [folder])


def test_an_empty_folder_is_no_error(tmp_path: Path, folder: Path) -> None:
    reason, told = run(NotingLibrary(tmp_path / "lib", NotAVideoError("none")), [folder])
    assert reason == "once"
    assert "there are no videos yet" in told[1].message


def test_a_folder_that_is_gone_does_not_keep_the_others_out(tmp_path: Path, folder: Path) -> None:
    gone = tmp_path / "gone"
    library = NotingLibrary(tmp_path / "lib", NotAVideoError("no such path"), AddReport(indexed=1))
    _, told = run(library, [folder, gone])
    assert library.added == [[str(folder), str(gone)], [str(folder)]]
    assert [event.facts["path"] for event in told if event.kind == "away"] == [str(gone)]


def test_a_folder_that_comes_back_is_told_and_added_again(tmp_path: Path, folder: Path) -> None:
    (folder / "a.mp4").write_text("x")
    library = NotingLibrary(tmp_path / "lib")
    away = tmp_path / "away"

    def hook(event: WatchEvent) -> None:
        if event.kind == "watching" and folder.exists() and len(library.added) == 0:
            threading.Timer(0.2, folder.rename, [away]).start()
        elif event.kind == "away":
            threading.Timer(0.2, away.rename, [folder]).start()
        elif event.kind == "back":
            library.during = lambda on_event: os.kill(os.getpid(), signal.SIGINT)

    reason, told = run(library, [folder], WatchSettings(), hook)
    assert reason == "interrupt"
    assert [kind for kind in kinds(told) if kind in ("away", "back")] == ["away", "back"]
    assert len(library.added) >= 2


def test_the_clock_ends_a_pause_and_a_run(tmp_path: Path, folder: Path) -> None:
    library = NotingLibrary(tmp_path / "lib")

    def work(on_event: OnEvent) -> None:
        for number in range(100):
            on_event(FileStarted("/v/a.mp4", number, 100))
            time.sleep(0.01)

    library.during = work
    reason, told = run(library, [folder], for_seconds(0.2))
    assert reason == "until"
    assert told[-1].facts == {"reason": "until"}


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c_ends_it_after_the_commit(tmp_path: Path, folder: Path, busy: bool) -> None:
    library = NotingLibrary(tmp_path / "lib")

    def work(on_event: OnEvent) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)

    library.during = work if busy else library.during
    if not busy:
        threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    reason, told = run(library, [folder], WatchSettings())
    assert reason == "interrupt"
    assert told[-1].message == "stopped; everything committed is kept"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handled", [True, False])
def test_ctrl_c_ends_work_that_does_not_heed_it(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, handled: bool
) -> None:
    library, done = NotingLibrary(tmp_path / "lib"), []

    def work(on_event: OnEvent) -> None:
        for _ in range(1 + handled):  # the first one is noted, the second one ends it
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        done.append(True)

    library.during = work
    if not handled:  # as while a model is loaded
        monkeypatch.setattr(library, "add", lambda paths, on_event: work(on_event))
    assert run(library, [folder], WatchSettings())[0] == "interrupt"
    assert done == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_the_system_does_not_tell_it_looks_again_and_again(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def watch(*paths: str, force_polling: bool, stop_event: threading.Event, **more: Any) -> Any:
        asked.append(force_polling)
        if not force_polling:
            raise OSError("OS file watch limit reached.")
        while not stop_event.wait(0.02):
            yield set()

    def hook(event: WatchEvent) -> None:
        if event.facts.get("polled"):
            threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()

    monkeypatch.setattr(listening, "_watchfiles", lambda: SimpleNamespace(watch=watch))
    _, told = run(NotingLibrary(tmp_path / "lib"), [folder], WatchSettings(), hook)
    assert asked[:2] == [False, True]
    assert kinds(told)[:4] == ["watching", "trouble", "watching", "ended"]
    assert "watch limit reached" in told[1].message
    assert told[2].facts["polled"] == [str(folder)]


def test_sigterm_is_the_same_request(tmp_path: Path, folder: Path) -> None:
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGTERM]).start()
    assert run(NotingLibrary(tmp_path / "lib"), [folder], WatchSettings())[0] == "interrupt"


def test_on_battery_it_pauses_and_goes_on(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    monkeypatch.setattr(watching, "on_battery", lambda: time.monotonic() - began < 0.3)
    library = NotingLibrary(tmp_path / "lib", AddReport(indexed=1))
    _, told = run(library, [folder])
    assert kinds(told) == ["watching", "waiting", "added", "ended"]
    assert "runs on its battery" in told[1].message
    assert time.monotonic() - began >= 0.3
    monkeypatch.setattr(watching, "on_battery", lambda: True)
    library = NotingLibrary(tmp_path / "lib", AddReport(indexed=1))
    _, told = run(library, [folder], WatchSettings(once=True, battery=True))
    assert kinds(told) == ["watching", "added", "ended"]


def test_unplugging_stops_the_work_until_mains_is_back(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, unplugged = NotingLibrary(tmp_path / "lib"), threading.Event()

    def work(on_event: OnEvent) -> None:
        if len(library.added) == 1:
            unplugged.set()
        for number in range(5):
            time.sleep(0.03)
            on_event(FileStarted("/v/a.mp4", number, 5))

    def hook(event: WatchEvent) -> None:
        if event.kind == "waiting":
            threading.Timer(0.2, unplugged.clear).start()

    library.during = work
    monkeypatch.setattr(watching, "on_battery", unplugged.is_set)
    reason, told = run(library, [folder], ONCE, hook)
    assert reason == "once"
    assert "runs on its battery" in told[1].message
    assert len(library.added) == 2


def test_changes_of_other_files_do_not_wake_it(tmp_path: Path, folder: Path) -> None:
    library = NotingLibrary(folder / "lib")
    (folder / "lib").mkdir()

    def hook(event: WatchEvent) -> None:
        if event.kind == "watching":
            threading.Timer(0.3, (folder / "lib" / "clips.lance").write_text, ["x"]).start()
            threading.Timer(0.3, (folder / "note.txt").write_text, ["x"]).start()

    run(library, [folder], for_seconds(3.0), hook)
    assert len(library.added) == 1
    assert not matters(str(folder / "lib" / "a.mp4"), str(folder / "lib"))


def test_roots_are_folders_and_none_lies_in_another(tmp_path: Path, folder: Path) -> None:
    (folder / "in").mkdir()
    assert checked_roots([folder / "in", folder, folder]) == [str(folder)]
    (folder / "a.mp4").write_text("x")
    for wrong in (folder / "a.mp4", tmp_path / "none"):
        with pytest.raises(NotAVideoError, match="expected a folder to watch"):
            checked_roots([wrong])
