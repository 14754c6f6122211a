"""Runs scenarios in child processes whose Nth change of the disk fails or kills them, by a small
preloaded C library.

`python -m attacks.write_points SCRATCH` is the process that forks them: it has imported everything,
opens no table itself and reads one JSON job a line. Without a C compiler nothing is run; `build`
then returns None.
"""

import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

OFF, COUNT, FAIL_ONE, FAIL_ALL, KILL_BEFORE, KILL_AFTER, KILL_LATER = range(7)
MODES = {
    FAIL_ONE: "fails once",
    FAIL_ALL: "fails from there on",
    KILL_BEFORE: "killed before",
    KILL_AFTER: "killed after",
    KILL_LATER: "killed at a time",
}
SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class Job:
    """One disturbed run. nth: the call that fails or kills; for KILL_LATER the thousandths of an
    undisturbed run.
    """

    scenario: str
    mode: int
    nth: int
    error: int = 0

    def __str__(self) -> str:
        number = f" with {os.strerror(self.error)}" if self.error else ""
        return f"{self.scenario}: call {self.nth} {MODES[self.mode]}{number}"


def build(folder: Path) -> Path | None:
    """The compiled library, or None (with a line on stderr) where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        print(
            "no C compiler: calls of the operating system cannot be made to fail; skipped",
            file=sys.stderr,
        )
        return None
    made = folder / "write_points.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"], check=True
    )
    return made


class Runner:
    """The forking process, seen from the one that asks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, job: Job) -> dict[str, Any]:
        """What came of a job: `points` of a COUNT job; `wrong` (empty for nothing) and `ended` of
        any other.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def running(library: Path, scratch: Path) -> Iterator[Runner]:
    """A forking process with the compiled `library` preloaded, ended at the end of the block."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "OMP_NUM_THREADS": "1",
        "LANCE_LOG": "error",
    }
    environment["PYTHONPATH"] = os.pathsep.join([str(SOURCE.resolve().parents[2]), *sys.path])
    command = [sys.executable, "-m", "research.attacks.write_points", str(scratch)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Runner(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def sample(jobs: list[Job], count: int, seed: int) -> list[Job]:
    """At most `count` of the jobs, from all of them alike, in a random order; repeated where there
    are fewer.
    """
    generator = random.Random(seed)
    chosen: list[Job] = []
    while jobs and len(chosen) < count:
        chosen += generator.sample(jobs, min(len(jobs), count - len(chosen)))
    return chosen


def serve(scratch: Path) -> None:
    """Answer jobs on stdin until it ends."""
    from research.attacks.library_scenarios import fill

    warnings.simplefilter("ignore")  # lancedb warns of every fork
    _in_child(lambda: fill(scratch / "place"), scratch)
    (scratch / "place").rename(scratch / "base")
    known: dict[str, dict[str, Any]] = {}
    for line in sys.stdin:
        job = Job(**json.loads(line))
        if job.scenario not in known:
            known[job.scenario] = _in_child(partial(_undisturbed, job.scenario, scratch), scratch)
        if job.mode == COUNT:
            answer = {"points": known[job.scenario]["points"]}
        else:
            answer = _disturbed(job, known[job.scenario], scratch)
        print(json.dumps(answer), flush=True)


def _disturbed(job: Job, known: dict[str, Any], scratch: Path) -> dict[str, Any]:
    place = _placed(job.scenario, scratch)
    wait = known["seconds"] * job.nth / 1000 if job.mode == KILL_LATER else None
    ended = _in_child(partial(_act, job, place), scratch, wait)
    judged = _in_child(partial(_judge, job.scenario, place, known), scratch)
    return {
        "wrong": judged.get("wrong", judged.get("crashed", "")),
        "ended": ended.get("ended", ended.get("crashed")),
    }


def _placed(scenario: str, scratch: Path) -> Path:
    # Always at the same place, since paths of videos are in the library.
    from research.attacks.library_scenarios import SCENARIOS

    place = scratch / "place"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(
        scratch / "base", place
    )  # with modification times, so that the library finds its videos unchanged
    SCENARIOS[scenario].prepare(place)
    return place


def _undisturbed(scenario: str, scratch: Path) -> dict[str, Any]:
    from research.attacks.library_scenarios import SCENARIOS, as_json, state

    place = _placed(scenario, scratch)
    before = state(place)
    shim = _shim()
    began = time.monotonic()
    shim.fault_arm(os.fsencode(place / "library"), COUNT, ctypes.c_long(0), 0)
    SCENARIOS[scenario].act(place)
    points = int(shim.fault_count())
    shim.fault_arm(b"/nowhere", OFF, ctypes.c_long(0), 0)
    seconds = time.monotonic() - began
    return {
        "before": as_json(before),
        "after": as_json(state(place)),
        "points": points,
        "seconds": seconds,
    }


def _act(job: Job, place: Path) -> dict[str, Any]:
    from finereel.errors import FinereelError
    from research.attacks.library_scenarios import SCENARIOS

    if job.mode != KILL_LATER:
        _shim().fault_arm(
            os.fsencode(place / "library"), job.mode, ctypes.c_long(job.nth), job.error
        )
    try:
        SCENARIOS[job.scenario].act(place)
    except FinereelError as error:
        return {"ended": f"{type(error).__name__}: {error}"}
    finally:
        _shim().fault_arm(b"/nowhere", OFF, ctypes.c_long(0), 0)
    return {"ended": "done"}


def _judge(scenario: str, place: Path, known: dict[str, Any]) -> dict[str, Any]:
    from research.attacks.library_scenarios import SCENARIOS, from_json, verdict

    after = from_json(known["after"])
    assert after is not None
    return {"wrong": verdict(place, SCENARIOS[scenario], from_json(known["before"]), after)}


def _shim() -> ctypes.CDLL:
    shim = ctypes.CDLL(None)
    shim.fault_count.restype = ctypes.c_long
    return shim


def _in_child(
    work: Callable[[], dict[str, Any]], scratch: Path, kill_after: float | None = None
) -> dict[str, Any]:
    """The result of `work` in a forked process; else `{"crashed": traceback}` or `{"ended":
    "killed"}`.
    """
    answer = scratch / "answer.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            result = work()
        except BaseException:
            result = {"crashed": traceback.format_exc()}
        answer.write_text(json.dumps(result))
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return json.loads(answer.read_text()) if answer.exists() else {"ended": "killed"}  # type: ignore[no-any-return]


if __name__ == "__main__":
    import finereel.library  # noqa: F401  (imported once, before the forks)

    serve(Path(sys.argv[1]))
