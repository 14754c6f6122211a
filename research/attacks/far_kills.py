"""`kill -9` of workers and of drivers of runs with two workers on a library in an object store.

Real videos, a real model and its decoding children, a real server where one is installed. A worker
is killed at its numbered points (around a clip that it decodes, around the model, before, within and
after what it sends to the driver), or at a time; a driver around every request that changes an object.
"""

import json
import os
import random
import signal
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from finereel.index.events import AddEvent, AddReport, AddSettings, FileIndexed
from finereel.index.opening import open_store
from finereel.io.storage.places import Place, StorePath
from finereel.library import Library
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import Hit
from finereel.video.plan import ClipPlan
from finereel.video.reader import ClipStream, DiskSource
from research.attacks.base import Result, counting
from research.attacks.stores import SERVERS, StoreProxy, installed, proxied
from support.media import Recipe, make_video
from support.object_store import BUCKET, known
from support.processes import FORK

NEVER = (
    "a committed clip lost or doubled, or answers after one more run that are not those of one "
    "undisturbed process"
)
VIDEOS, QUERIES = 8, ("a red ball", "a blue square moves to the left", "a green car stops")
SETTINGS = AddSettings(clip_seconds=1.0, workers="2", commit_clips=4, batch_clips=2)
POINTS, MOST_MS = 44, 900
"""The numbered points that one of two workers passes in every run, and the latest time of a kill."""
RAY_SHARE = 5
"""One in so many workers is an actor of Ray, in runs of RAY_FROM kills or more."""
RAY_FROM = 50
ORDERS = "orders.json"


# What is in a worker that is to die.
class DoomedSource(DiskSource):
    """Its process dies as a file beside the videos says; the one that takes the file away does."""

    def __init__(self) -> None:
        super().__init__()
        self._doom: _Doom | None = None

    def clips(self, path: Path, plan: ClipPlan) -> ClipStream:
        """As `DiskSource.clips`, only workers ask for it."""
        if self._doom is None:
            self._doom = _Doom(path.parent / ORDERS)
            _watch(self._doom)
        self._doom.pass_one()
        return super().clips(path, plan)


class _Doom:
    """Counts the points that this process passes."""

    def __init__(self, orders: Path) -> None:
        self._orders = orders
        self._lock = threading.Lock()
        self._count, self._fatal = 0, -1
        with suppress(FileNotFoundError):
            order = json.loads(orders.read_text(encoding="utf-8"))
            self._fatal = order.get("point", -1)
            if "seconds" in order:
                threading.Timer(order["seconds"], self._die).start()

    def pass_one(self) -> None:
        if self.is_next():
            self._die()
        with self._lock:
            self._count += 1

    def is_next(self) -> bool:
        return self._count == self._fatal

    def _die(self) -> None:
        with suppress(FileNotFoundError):  # another worker died of it
            self._orders.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def _watch(doom: _Doom) -> None:
    encode, following, send = (
        RetrievalModel.encode_video,
        ClipStream.__next__,
        Connection.send_bytes,
    )

    def sent(self: Connection, content: Any, *place: Any) -> None:
        doom.pass_one()
        if doom.is_next():
            torn = struct.pack("!i", len(content)) + bytes(content[: len(content) // 2])
            os.set_blocking(self.fileno(), False)
            os.write(self.fileno(), torn)
        doom.pass_one()
        send(self, content, *place)
        doom.pass_one()

    RetrievalModel.encode_video = _around(doom, encode)  # type: ignore[method-assign]
    ClipStream.__next__ = _around(doom, following)  # type: ignore[method-assign]
    Connection.send_bytes = sent  # type: ignore[method-assign, assignment]


def _around(doom: _Doom, real: Callable[..., Any]) -> Any:
    def watched(*args: Any, **kwargs: Any) -> Any:
        doom.pass_one()
        result = real(*args, **kwargs)
        doom.pass_one()
        return result

    return watched


# The library, before, after, and as it has to be.
@dataclass(frozen=True)
class _Case:
    """What all runs have in common. base: address of a library of two videos, one of which has
    changed since; alone: the answers of one process that nobody disturbed.
    """

    url: str
    videos: Path
    model: Any
    base: StorePath
    alone: "_Seen"

    def place(self, name: str, begun: bool) -> StorePath:
        """A library for one run: the base, or nothing yet."""
        place = StorePath(f"s3://{BUCKET}/{name}")
        for entry in self.base.entries() if begun else ():
            (place / entry).write_bytes((self.base / entry).read_bytes())
        return place

    def opened(self, place: Place) -> Library:
        return Library.open(place, model=self.model, source=DoomedSource())


@dataclass(frozen=True)
class _Seen:
    """Everything that a library tells. clips: number of rows by path and start."""

    answers: list[list[Hit]]
    clips: dict[tuple[str, float], int]
    problems: str

    @classmethod
    def of(cls, library: Library) -> "_Seen":
        found = [library.search(text, 1000, candidates=None, per_video=None) for text in QUERIES]
        rows = library._existing().snapshot().rows(["path", "start"]).to_pylist()
        clips = Counter((str(row["path"]), row["start"]) for row in rows)
        return cls(found, dict(clips), str(library.doctor(verify=True)))

    def paths(self) -> set[str]:
        return {path for path, _ in self.clips}

    def doubled(self) -> list[str]:
        return [f"{place} {count} times" for place, count in self.clips.items() if count > 1]


def _film(folder: Path, number: int, extra: int = 0) -> Path:
    colour = tuple(40 + 25 * ((number * step + extra) % 8) for step in (1, 3, 5))
    recipe = Recipe(frames=75 + number + extra, colour=(colour[0], colour[1], colour[2]))
    return make_video(folder / f"{number}.mp4", recipe)


@contextmanager
def _case(scratch: Path) -> Iterator[_Case]:
    name = next(name for name in SERVERS if installed(name))
    videos = scratch / "videos"
    videos.mkdir()
    model = load("reelworld-tiny").eval()
    base = StorePath(f"s3://{BUCKET}/base")
    one = AddSettings(clip_seconds=1.0)
    with SERVERS[name](scratch) as url, known(url):
        old = [_film(videos, 0, extra=3), _film(videos, 1)]
        Library.open(base, model=model).add([*old], settings=one)
        time.sleep(0.01)
        for number in (0, *range(2, VIDEOS)):
            _film(videos, number)
        alone = Library.open(scratch / "alone", model=model)
        alone.add([videos], settings=one)
        yield _Case(url, videos, model, base, _Seen.of(alone))


def _after_all(case: _Case, place: StorePath) -> str:
    """What is wrong once the same command ran again; empty for nothing."""
    case.opened(place).add([case.videos], settings=AddSettings(clip_seconds=1.0))
    seen = _Seen.of(case.opened(place))
    if doubled := seen.doubled():
        return f"after one more run doubled: {doubled}"
    if seen.clips != case.alone.clips:
        return f"after one more run {set(seen.clips) ^ set(case.alone.clips)} differ"
    if seen.problems != case.alone.problems:
        return f"doctor after one more run: {seen.problems}"
    return "" if seen.answers == case.alone.answers else "other answers after one more run"


# Workers.
def worker_kills(scratch: Path, count: int, seed: int) -> list[Result]:
    """Kill a worker in each of `count` runs, a fifth of them actors of Ray."""
    orders = [{"point": point} for point in range(POINTS)]
    orders += [{"seconds": number * MOST_MS / POINTS / 1000} for number in range(POINTS)]
    generator = random.Random(seed)
    drawn = orders * (count // len(orders) + 1)
    generator.shuffle(drawn)
    by_ray = count // RAY_SHARE if count >= RAY_FROM and find_spec("ray") else 0
    with _case(scratch) as case:
        results = [_killed_workers(case, "2", drawn[by_ray:count])]
        if by_ray:
            with _ray():
                results.append(_killed_workers(case, "ray", drawn[:by_ray]))
    return results


def _killed_workers(case: _Case, workers: str, orders: list[dict[str, float]]) -> Result:
    tried, wrong = 0, []
    kind = "an actor of Ray" if workers == "ray" else "a worker"
    with counting(f"kills of {kind}", len(orders)) as advance:
        for number, order in enumerate(orders):
            place = case.place(f"{workers}-{number}", begun=bool(number % 2))
            (case.videos / ORDERS).write_text(json.dumps(order), encoding="utf-8")
            found = _with_a_dead_worker(case, place, workers)
            tried += not (case.videos / ORDERS).exists()
            (case.videos / ORDERS).unlink(missing_ok=True)
            wrong += [f"{order}: {found}"] if found else []
            advance()
    return Result(f"kill -9 of {kind} of a run on S3", tried, len(wrong), NEVER, tuple(wrong[:5]))


def _with_a_dead_worker(case: _Case, place: StorePath, workers: str) -> str:
    settings = AddSettings(**{**SETTINGS.__dict__, "workers": workers})
    report = case.opened(place).add([case.videos], settings=settings)
    if (report.failed, report.unread, report.unfinished) != (0, 0, 0):
        return f"the run reports {report}"
    seen = _Seen.of(case.opened(place))
    if seen.doubled() or seen.clips != case.alone.clips:
        return f"doubled {seen.doubled()}, differ {set(seen.clips) ^ set(case.alone.clips)}"
    return _after_all(case, place)


@contextmanager
def _ray() -> Iterator[None]:
    """Ray, started once for all runs, with two cores."""
    import ray

    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        yield
    finally:
        ray.shutdown()
        os.environ["PYTHONPATH"] = before


# Drivers.
def driver_kills(scratch: Path, count: int, seed: int) -> list[Result]:
    """Kill the driver in each of `count` runs, half of which begin the library."""
    with _case(scratch) as case, proxied(case.url) as (address, proxy):
        points = {}
        for begun in (False, True):
            proxy.arm(-1, 0)
            _driven(case, address, case.place(f"whole-{begun}", begun), lambda pid: None)
            points[begun] = proxy.points
        jobs = [(begun, point) for begun in (False, True) for point in range(points[begun])]
        drawn = random.Random(seed).sample(jobs, min(count, len(jobs)))
        killed, wrong = 0, []
        with counting("kills of a driver", len(drawn)) as advance:
            for number, (begun, point) in enumerate(drawn):
                place = case.place(f"driver-{number}", begun)
                exitcode, found = _with_a_dead_driver(case, address, proxy, place, point)
                killed += exitcode == -signal.SIGKILL
                wrong += [f"begun {begun}, point {point}: {found}"] if found else []
                advance()
    name = f"kill -9 of the driver of a run on S3, at {len(drawn)} of {len(jobs)} points"
    return [Result(name, killed, len(wrong), NEVER, tuple(wrong[:5]))]


def _with_a_dead_driver(
    case: _Case, address: str, proxy: StoreProxy, place: StorePath, point: int
) -> tuple[int, str]:
    before = _Seen.of(case.opened(place)).paths() if open_store(place) else set()
    exitcode, announced = _driven(case, address, place, partial(proxy.arm, point))
    proxy.arm(-1, 0)
    if exitcode not in (0, -signal.SIGKILL):
        return exitcode, f"the driver ended with {exitcode}"
    library = case.opened(place)
    if open_store(place) is not None:
        seen = _Seen.of(library)
        if lost := (before | announced) - seen.paths():
            return exitcode, f"lost: {lost}"
        if doubled := seen.doubled():
            return exitcode, f"doubled: {doubled}"
    elif before | announced:
        return exitcode, "the library is gone"
    return exitcode, _after_all(case, place)


def _driven(
    case: _Case, address: str, place: StorePath, begin: Callable[[int], None]
) -> tuple[int, set[str]]:
    """Run a driver in a process of its own; `begin` is given its id. Its exit status, and the videos
    that it announced.
    """
    ours, theirs = FORK.Pipe()
    driver = FORK.Process(target=_drive, args=(address, case.videos, case.model, place, theirs))
    driver.start()
    theirs.close()
    announced = set()
    with suppress(EOFError, ConnectionResetError):
        ours.recv()
        assert driver.pid is not None
        begin(driver.pid)
        ours.send("begin")
        while True:
            announced.add(ours.recv())
    driver.join()
    return driver.exitcode or 0, announced


def _drive(address: str, videos: Path, model: Any, place: StorePath, pipe: Connection) -> None:
    def tell(event: AddEvent) -> None:
        if isinstance(event, FileIndexed):
            pipe.send(event.path)

    pipe.send("ready")
    pipe.recv()
    with known(address):
        _ran(Library.open(place, model=model, source=DoomedSource()), videos, tell)


def _ran(library: Library, videos: Path, tell: Callable[[AddEvent], None]) -> AddReport:
    return library.add([videos], settings=SETTINGS, on_event=tell)
