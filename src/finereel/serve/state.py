"""What all routes of a server share: the library, its settings and the pools."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import Handler, LogRecord, getLogger
from typing import Annotated

from fastapi import Depends, Request

from finereel.library import Library
from finereel.serve.settings import ServeSettings
from finereel.web.pools import BoundedPool

WAITING = 64
"""Searches that may wait for a free core."""


def _one_thread() -> None:
    """Every search keeps to one core: as many searches as cores run at a time."""
    import torch

    torch.set_num_threads(1)


@dataclass
class Serving:
    """A library that is served.

    searches: one at a time per core. pictures: reads of stored pictures and of what is known of
    files. decoding: one at a time, for it takes long. ready: whether the model is loaded.
    """

    settings: ServeSettings
    library: Library
    searches: BoundedPool
    pictures: BoundedPool
    decoding: BoundedPool
    ready: bool = False

    @classmethod
    def of(cls, settings: ServeSettings) -> "Serving":
        """The pools and the library, nothing read yet."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        searches = BoundedPool("searches", cores or 1, WAITING, _one_thread)
        pictures = BoundedPool("reads", 2, 8 * WAITING, _one_thread)
        decoding = BoundedPool("clips to decode", 1, 4, _one_thread)
        return cls(settings, Library.open(settings.library), searches, pictures, decoding)

    def close(self) -> None:
        """Begin nothing more."""
        for pool in (self.searches, self.pictures, self.decoding):
            pool.close()
        self.library.close()


def _serving(request: Request) -> Serving:
    found: Serving = request.app.state.serving
    return found


Served = Annotated[Serving, Depends(_serving)]


class _Notes(Handler):
    """Keeps what the library remarks in this thread."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: LogRecord) -> None:
        if record.thread == self._thread and record.getMessage() not in self.told:
            self.told.append(record.getMessage())


@contextmanager
def noted() -> Iterator[list[str]]:
    """Within the block, what the library remarks about a query."""
    logger, notes = getLogger("finereel"), _Notes()
    logger.addHandler(notes)
    try:
        yield notes.told
    finally:
        logger.removeHandler(notes)
