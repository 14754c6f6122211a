"""What all routes of a server share: the library, its settings, the pools and what is kept in
memory.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from logging import Handler, LogRecord, getLogger
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request

from finereel.errors import VideoError
from finereel.index.lookup import StoredFile, open_stored, stored_file
from finereel.serve.following import FollowedLibrary
from finereel.serve.hub import EventHub
from finereel.serve.indexing import Indexing
from finereel.serve.playback import PlaybackFolder
from finereel.serve.settings import ServeSettings
from finereel.video.reader import DiskSource
from finereel.web.errors import RefusedError
from finereel.web.pools import BoundedPool

Kept = TypeVar("Kept")

WAITING = 64
"""Searches that may wait for a free core."""
THUMBNAILS, FILES = 2_000, 500
"""Thumbnails (8 KB each) and files (some KB each) that are kept in memory."""


class Recent(Generic[Kept]):
    """The values that were used last, by name, up to `most`; any thread may use it.

    >>> recent = Recent(1)
    >>> recent.put("a", 1), recent.put("b", 2), recent.get("a"), recent.get("b")
    (None, None, None, 2)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Any, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: Any) -> Kept | None:
        """The value, or None."""
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
            return self._values.get(name)

    def put(self, name: Any, value: Kept) -> None:
        """Keep a value; the one that was not used for longest goes."""
        with self._lock:
            self._values[name] = value
            self._values.move_to_end(name)
            if len(self._values) > self._most:
                self._values.popitem(last=False)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._values.clear()


def _one_thread() -> None:
    """Every search keeps to one core: as many searches as cores run at a time."""
    import torch

    torch.set_num_threads(1)


@dataclass
class Serving:
    """A library that is served.

    searches: one at a time per core. pictures: reads of stored pictures and of what is known of
    files. decoding: one at a time, for it takes long. hub: what happens meanwhile. playback: what
    was made playable. metrics: what is counted, where that was asked for. ready: whether the model
    is loaded.
    """

    settings: ServeSettings
    library: FollowedLibrary
    searches: BoundedPool
    pictures: BoundedPool
    decoding: BoundedPool
    hub: EventHub
    indexing: Indexing
    playback: PlaybackFolder = field(default_factory=PlaybackFolder)
    metrics: Any = None
    ready: bool = False
    thumbnails: Recent[bytes] = field(default_factory=lambda: Recent[bytes](THUMBNAILS))
    files: Recent[StoredFile] = field(default_factory=lambda: Recent[StoredFile](FILES))

    @classmethod
    def of(cls, settings: ServeSettings) -> "Serving":
        """The pools and the library, nothing read yet."""
        library = FollowedLibrary(settings.library, None, DiskSource())
        hub = EventHub()
        return cls(
            settings,
            library,
            BoundedPool("searches", _cores(), WAITING, _one_thread),
            BoundedPool("reads", 2, 8 * WAITING, _one_thread),
            BoundedPool("clips to decode", 1, 8, _one_thread),
            hub,
            Indexing(library.path, hub.publish),
        )

    def file(self, file_id: str) -> StoredFile | None:
        """What the state that answers says of a file; None where it has no such file."""
        key = (self.library.read(lambda searcher, _: searcher.snapshot.version), file_id)
        found = self.files.get(key)
        if found is None:
            found = self.library.read(lambda searcher, _: stored_file(searcher.snapshot, file_id))
            if found is not None:
                self.files.put(key, found)
        return found

    def open(self, file: StoredFile) -> BufferedReader:
        """The very file that was indexed. Raises RefusedError (410, gone) where it is not there."""
        try:
            return open_stored(file.record)
        except VideoError as error:
            raise RefusedError(410, str(error)) from error

    def close(self) -> None:
        """Begin nothing more, and let what is being indexed finish its commit."""
        self.hub.close()
        self.library.leave()
        self.indexing.close()
        for pool in (self.searches, self.pictures, self.decoding):
            pool.close()
        self.library.close()


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


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
