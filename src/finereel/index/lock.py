"""One writer at a time: an operating-system lock on a file, which dies with the process that holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finereel.errors import LibraryBusyError


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the library's write lock for the length of the block.

    A process that is killed loses the lock with its life, so a stale lock cannot exist and the file is never deleted.
    Raises LibraryBusyError at once, naming the process that writes, when the lock is taken (by a thread of this
    process too). Readers take no lock.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise LibraryBusyError(
                f"{folder} is being written by process {holder}; wait until it ends (searching is possible meanwhile)"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
