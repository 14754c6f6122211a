"""What a command costs and how it ends, each in a process of its own: CPU seconds, Ctrl-C, a closed
pipe.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from finereel.library import Library
from support.media import Recipe, make_video

COMMAND = [sys.executable, "-m", "finereel"]
SEARCH_SECONDS, ERROR_SECONDS = 6.0, 1.5
"""CPU seconds, several times what a quiet machine needs: other work on the same core makes
instructions slower.
"""


def cpu_seconds(arguments: Sequence[str | Path], status: int) -> float:
    """User and system time of a command that ends with `status`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"finereel {' '.join(map(str, arguments))}: {spent:.2f} CPU s")
    return spent


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of one clip, by the bundled model."""
    folder = tmp_path_factory.mktemp("startup")
    make_video(folder / "red.mp4", Recipe())
    with_model = Library.open(folder / "library", model="reelworld-tiny")
    with_model.add([folder / "red.mp4"])
    with_model.close()
    return folder / "library"


def test_a_search_starts_quickly(indexed: Path) -> None:
    assert cpu_seconds(["search", "a", "red", "ball", "--library", indexed], 0) < SEARCH_SECONDS


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["search", "a dog", "--library", "nowhere"], 1),
        (["search", ""], 1),
        (["index", "nowhere", "--library", "no-library"], 1),
        (["index", ".", "--library", "no-library", "--model", "./no-model"], 1),
        (["search", "--tpo", "3"], 2),
        (["serach"], 2),
        (["--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_errors_come_before_the_imports(arguments: list[str], status: int) -> None:
    assert cpu_seconds(arguments, status) < ERROR_SECONDS


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.5, 1.5])
def test_ctrl_c_at_any_moment(indexed: Path, delay: float) -> None:
    command = [*COMMAND, "search", "a red ball", "--library", str(indexed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        # Before Python has read its own start-up files no program can do anything about Ctrl-C.
        _wait_for_main(child.pid)
        time.sleep(delay)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode in (130, 0)
    assert b"Traceback" not in errors


def _wait_for_main(pid: int) -> None:
    caught = Path(f"/proc/{pid}/status")
    bit = 1 << (signal.SIGINT - 1)
    for _ in range(3000):
        line = next(line for line in caught.read_text().splitlines() if line.startswith("SigCgt"))
        if int(line.split()[1], 16) & bit:
            break
        time.sleep(0.001)
    time.sleep(0.2)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_has_enough_is_no_error(indexed: Path, more: list[str]) -> None:
    command = [*COMMAND, "search", "a red ball", "--library", str(indexed), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        errors = child.stderr.read()
    assert b"Traceback" not in errors
    assert b"BrokenPipe" not in errors
    assert child.returncode == 141


def test_a_search_that_ends_at_once_has_written_everything(indexed: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "search", "a red ball", "--library", str(indexed), "--json"]
    with (tmp_path / "hits.json").open("wb") as hits:
        done = subprocess.run(command, stdout=hits, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr
    (hit,) = json.loads((tmp_path / "hits.json").read_text(encoding="utf-8"))
    assert Path(hit["video"]).name == "red.mp4"
