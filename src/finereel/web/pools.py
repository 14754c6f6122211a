"""Threads for work that takes long: few of them, and few requests that wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from finereel.web.errors import RefusedError

Done = TypeVar("Done")

RETRY_SECONDS = 1


def _nothing() -> None:
    """Nothing to prepare."""


class BoundedPool:
    """Threads that carry out one piece of work each, while up to `waiting` others wait.

    name: what the work is, for the message. prepare: called once in every thread.

    >>> pool = BoundedPool("searches", workers=1, waiting=0)
    >>> asyncio.run(pool.run(lambda: 1 + 1))
    2
    >>> pool.close()
    """

    def __init__(
        self, name: str, workers: int, waiting: int, prepare: Callable[[], None] = _nothing
    ) -> None:
        self.name = name
        self.most = workers + waiting
        self.pending = 0
        self._threads = ThreadPoolExecutor(workers, f"finereel {name}", initializer=prepare)

    async def run(self, work: Callable[[], Done]) -> Done:
        """What the work returns. Raises RefusedError (429) when too much waits already.

        Work whose client has gone is finished nevertheless, and counts until it is.
        """
        if self.pending >= self.most:
            raise RefusedError(
                429,
                f"{self.pending} {self.name} are under way or waiting, which is the limit; ask "
                "again in a moment",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self.pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._finished)
        return await asyncio.shield(future)

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _finished(self, future: "asyncio.Future[Any]") -> None:
        self.pending -= 1
        if not future.cancelled():
            future.exception()  # somebody may have gone without asking for it
