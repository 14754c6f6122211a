"""Make the batches of the next steps in worker processes while the model trains on this one.

A batch depends on its step alone, so a run sees the same batches whatever the number of workers.
"""

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from finereel.errors import TrainingError

Made = TypeVar("Made")
STEPS_AHEAD = 3
"""How many finished batches may wait for the model, beside those in the making."""


@contextmanager
def prefetched(
    make: Callable[[int], Made], workers: int = 1, depth: int = STEPS_AHEAD
) -> Iterator[Callable[[int], Made]]:
    """The same function, with the next steps made ahead in worker processes; without a worker, the
    function itself.

    make: of a step; it is sent to the workers, so it must pickle. workers: number of processes.
    depth: steps made ahead where there is one worker; each further worker adds one.

    Raises TrainingError where a worker ends by itself: killed, or out of memory.
    """
    if not workers:
        yield make
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with_parent,
        initargs=(os.getpid(),),
    )
    ahead = depth + workers - 1
    pending: deque[tuple[int, Future[Made]]] = deque()

    def at(step: int) -> Made:
        while pending and pending[0][0] != step:
            pending.popleft()[1].cancel()
        later = range(pending[-1][0] + 1 if pending else step, step + ahead + 1)
        try:
            pending.extend((one, pool.submit(make, one)) for one in later)
            return pending.popleft()[1].result()
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process that prepares batches ended by itself: it was killed or ran out of "
                "memory. Start the same command again, with fewer --workers if memory is short"
            ) from error

    try:
        yield at
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent(parent: int) -> None:
    """A worker whose parent was killed would wait for work for ever: look once a second, and go."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
