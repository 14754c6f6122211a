"""Files that several processes share and a power cut may hit: a lock that dies with its holder, renames that last."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from finereel.errors import FinereelError


@contextmanager
def locked(path: Path, taken: Callable[[str], FinereelError]) -> Iterator[None]:
    """Hold the lock on `path` for the length of the block.

    A process that is killed loses the lock with its life, so a stale lock cannot exist and the file is never deleted.
    Where the lock is taken (by a thread of this process too), raises at once what `taken` makes of its holder, a
    process number or `unknown`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken(os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Force a file's content to disk, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
