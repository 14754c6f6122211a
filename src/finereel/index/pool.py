"""Encode files in several workers, each with a model and an expendable decoding child of its own.

Workers get whole files and give back what `encode_files` yields for them; only the driver writes,
so the plan, the commits and the journal are those of one process. A worker that dies loses the file
that it was at, which another one gets; a driver that dies loses what was not committed.
"""

import multiprocessing
import pickle
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol, runtime_checkable

import torch

from finereel.errors import FinereelError, LibraryError, VideoError
from finereel.index.events import AddSettings
from finereel.index.pipeline import Began, Failed, Outcome, encode_files
from finereel.index.plan import EncodeJob
from finereel.index.protocols import SearchModel, VideoSource
from finereel.io.signals import StopFlag
from finereel.video.files import shown

ATTEMPTS = 3
"""Workers that may die at one file before it is left to the next run."""
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class WorkerTask:
    """What every worker is given: the model, how videos are read, and how many threads it takes."""

    model: SearchModel
    source: type[VideoSource]
    settings: AddSettings
    threads: int

    def outcomes(self, job: EncodeJob, source: VideoSource) -> list[Outcome]:
        """All that one file gives."""
        return list(encode_files([job], source, self.model, self.settings, threading.Event()))


@dataclass(frozen=True)
class Returned:
    """What became of the job of a worker. outcomes: None where the worker died. error: what stopped
    the worker and is no fault of the file.
    """

    job: EncodeJob
    outcomes: list[Outcome] | None = None
    error: Exception | None = None


@runtime_checkable
class EncodePool(Protocol):
    """Workers that encode files."""

    def free(self) -> int:
        """How many jobs it takes now."""

    def start(self, job: EncodeJob) -> None:
        """Give a job to a free worker."""

    def returned(self, seconds: float) -> list[Returned]:
        """What came back, after at most so many seconds."""

    def close(self) -> None:
        """End all workers, whatever they are at."""


def encode_in_pool(
    jobs: Sequence[EncodeJob], pool: EncodePool, stop: StopFlag
) -> Generator[Outcome, None, None]:
    """As `encode_files`, file by file in the order in which workers finish them.

    Closes the pool. Raises what a worker raised that is not the fault of a file.
    """
    waiting, under_way, deaths = deque(jobs), 0, Counter[str]()
    try:
        while (waiting or under_way) and not stop.is_set():
            for _ in range(min(pool.free(), len(waiting))):
                pool.start(waiting.popleft())
                under_way += 1
            for back in pool.returned(POLL_SECONDS):
                under_way -= 1
                if back.error is not None:
                    raise back.error
                if back.outcomes is not None:
                    yield from back.outcomes
                    continue
                deaths[back.job.path] += 1
                if deaths[back.job.path] < ATTEMPTS:
                    waiting.appendleft(back.job)
                else:
                    yield Began(back.job)
                    yield Failed(back.job, _killed(back.job))
    finally:
        pool.close()


def _killed(job: EncodeJob) -> VideoError:
    return VideoError(
        f"{shown(job.path)}: {ATTEMPTS} workers died while they read it; look for lack of memory, "
        "and index again"
    )


class ProcessPool:
    """Processes of this machine. One that dies is replaced."""

    def __init__(self, count: int, task: WorkerTask) -> None:
        self._task = pickle.dumps(task)
        # What workers need is imported once, by the server that forks them.
        self._imports = [
            "finereel.index.forking",
            __name__,
            *sorted({type(task.model).__module__, task.source.__module__} - {"__main__"}),
        ]
        self._workers = [self._begun() for _ in range(count)]

    def _begun(self) -> "_WorkerProcess":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(self._imports)
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), name="finereel-worker")
        process.start()
        theirs.close()
        with suppress(OSError):  # it died already, which `returned` notices
            ours.send_bytes(self._task)
        return _WorkerProcess(process, ours)

    def free(self) -> int:
        """How many workers have no job."""
        return sum(worker.job is None for worker in self._workers)

    def start(self, job: EncodeJob) -> None:
        """Give a job to a worker."""
        worker = next(worker for worker in self._workers if worker.job is None)
        worker.job = job
        with suppress(OSError):
            worker.pipe.send_bytes(pickle.dumps(job))

    def returned(self, seconds: float) -> list[Returned]:
        """What came back; a worker that died is replaced."""
        pipes = {worker.pipe: number for number, worker in enumerate(self._workers)}
        found = []
        for pipe in wait(list(pipes), seconds):
            assert isinstance(pipe, Connection)
            number = pipes[pipe]
            worker = self._workers[number]
            back = worker.received()
            if back is None:
                worker.end()
                self._workers[number] = self._begun()
            if worker.job is not None:
                found.append(back or Returned(worker.job))
                worker.job = None
        return found

    def close(self) -> None:
        """Kill the workers, which own nothing that could be lost."""
        for worker in self._workers:
            worker.end()


@dataclass
class _WorkerProcess:
    process: BaseProcess
    pipe: Connection
    job: EncodeJob | None = None

    def received(self) -> Returned | None:
        """What it sent; None where it died."""
        try:
            back: Returned = pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None
        return back

    def end(self) -> None:
        self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _work(pipe: Connection) -> None:
    """The life of a worker process: until its driver has gone, or ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides
    signal.signal(signal.SIGTERM, _leave)
    with suppress(EOFError, OSError):
        task: WorkerTask = pickle.loads(pipe.recv_bytes())
        torch.set_num_threads(task.threads)
        source = task.source()
        try:
            while True:
                job: EncodeJob = pickle.loads(pipe.recv_bytes())
                pipe.send_bytes(pickle.dumps(returned(task, source, job)))
        finally:
            source.close()


def _leave(*_: object) -> None:
    raise SystemExit(0)


def returned(task: WorkerTask, source: VideoSource, job: EncodeJob) -> Returned:
    """Encode a file, in a worker."""
    try:
        return Returned(job, task.outcomes(job, source))
    except FinereelError as error:
        return Returned(job, error=error)
    except Exception as error:
        return Returned(job, error=LibraryError(f"a worker failed at {job.path} ({error!r})"))
