"""`finereel watch` in a process of its own, with real files, messages and signals."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finereel.models.saving import save
from support.media import BLUE, GREEN, RED, Recipe, make_video
from tiny_models import tiny_model

pytest.importorskip("watchfiles")
PATIENCE = 90.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save(tiny_model(), folder)
    return folder


class Watching:
    """A running `finereel watch --json`, and the events that it prints."""

    def __init__(self, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "finereel", "watch", *arguments, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that is wanted; the others before it are told too."""
        end = time.monotonic() + PATIENCE
        while True:
            event = json.loads(self._lines.get(timeout=max(0.1, end - time.monotonic())))
            self.told.append(event)
            if wanted(event):
                return event

    def event(self, kind: str) -> dict[str, Any]:
        return self.until(lambda event: event["event"] == kind)

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Ask it to end; its status and what it said on stderr."""
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while not self._lines.empty():
            self.told.append(json.loads(self._lines.get()))
        assert self.process.stderr is not None
        return status, self.process.stderr.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def watching(tmp_path: Path, model: Path) -> Iterator[Callable[..., Watching]]:
    running: list[Watching] = []

    def start(*arguments: str) -> Watching:
        shared = ["--library", str(tmp_path / "lib"), "--model", str(model), "--settle", "1.5"]
        running.append(Watching([str(tmp_path / "videos"), *shared, *arguments]))
        return running[-1]

    (tmp_path / "videos").mkdir()
    yield start
    for one in running:
        one.close()


def test_a_slow_copy_is_indexed_once_when_it_is_complete(
    watching: Callable[..., Watching], tmp_path: Path
) -> None:
    folder, source = tmp_path / "videos", tmp_path / "source.mp4"
    data = make_video(source, Recipe(colour=RED)).read_bytes()
    watch = watching()
    watch.event("watching")
    watch.until(lambda event: "there are no videos yet" in event.get("message", ""))
    slow = folder / "slow.mp4"
    with slow.open("wb") as file:
        for part in range(4):
            file.write(data[part * len(data) // 4 : (part + 1) * len(data) // 4])
            file.flush()
            time.sleep(0.8)
    indexed = watch.event("indexed")
    assert (indexed["path"], indexed["clips"], indexed["partial"]) == (str(slow), 1, "")
    assert watch.event("added")["indexed"] == 1
    assert not [event for event in watch.told if event["event"] == "failed"]
    assert [event for event in watch.told if event.get("files") == [str(slow)]]

    slow.rename(folder / "renamed.mp4")
    assert watch.event("renamed")["path"] == str(folder / "renamed.mp4")
    (folder / "new").mkdir()
    make_video(folder / "new" / "b.mp4", Recipe(colour=BLUE))
    assert watch.event("indexed")["path"] == str(folder / "new" / "b.mp4")
    (folder / "renamed.mp4").unlink()
    assert watch.event("missing")["path"] == str(folder / "renamed.mp4")

    status, words = watch.stop()
    assert status == 0, words
    assert watch.told[-1]["event"] == "ended"
    assert watch.told[-1]["reason"] == "interrupt"
    assert sum(event["event"] == "indexed" for event in watch.told) == 2


def test_once_ends_when_all_is_in(
    run: Any, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    niced: list[int] = []
    monkeypatch.setattr(os, "nice", niced.append)
    for name, colour in (("a", RED), ("b", GREEN)):
        make_video(tmp_path / f"{name}.mp4", Recipe(colour=colour))
    where = ("--library", tmp_path / "lib", "--model", model)
    result = run("watch", tmp_path, *where, "--settle", "0.5", "--once", "--poll")
    assert result.exit_code == 0, result.output
    first, *_, last = result.stdout.splitlines()
    assert first.endswith(f" looking now and then at {tmp_path}")
    assert last.endswith(" done")
    assert " indexed a.mp4, b.mp4 (2 clips in " in result.stdout
    assert niced == [10]
    again = run("watch", tmp_path, *where, "--settle", "0.5", "--once", "--json")
    assert [json.loads(line)["event"] for line in again.stdout.splitlines()] == [
        *("watching", "ended")
    ]


def test_ctrl_c_in_the_middle_keeps_what_is_committed(
    watching: Callable[..., Watching], tmp_path: Path, run: Any
) -> None:
    folder = tmp_path / "videos"
    first = make_video(folder / "0.mp4", Recipe(colour=RED))
    os.utime(first, (1, 1))
    for number in range(1, 40):
        path = make_video(folder / f"{number}.mp4", Recipe(frames=10 + number, colour=GREEN))
        os.utime(path, (1, 1))
    watch = watching()
    watch.event("indexed")
    status, words = watch.stop()
    assert status == 0, words
    done = sum(event["event"] == "indexed" for event in watch.told)
    result = run("status", "--library", tmp_path / "lib", "--json")
    assert json.loads(result.stdout)["videos"] == done
    assert watch.told[-1]["event"] == "ended"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--until", "soon"), "expected a time such as 06:30"),
        (("--rescan", "never"), "expected a span such as 6h"),
        (("--settle", "0"), "--settle"),
    ],
)
def test_wrong_times_are_told(
    run: Any, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = run("watch", tmp_path, *arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in result.stderr


def test_what_is_no_folder_is_told(run: Any, tmp_path: Path) -> None:
    result = run("watch", tmp_path / "none", "--library", tmp_path / "lib")
    assert result.exit_code == 1
    assert "expected a folder to watch" in result.stderr
    assert not (tmp_path / "lib").exists()


def test_without_the_extra_the_way_to_get_it_is_told(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    result = run("watch", tmp_path)
    assert result.exit_code == 1
    assert "pip install 'finereel[watch]'" in result.stderr
