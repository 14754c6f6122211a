"""Locks that die with their process, for a path or for all readers of a folder, and what file
systems can do.
"""

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from finereel.errors import FinereelError
from finereel.io.storage.places import Place, StorePath


@contextmanager
def locked(path: Path, taken: Callable[[str], FinereelError]) -> Iterator[None]:
    """Hold the lock on `path` for the length of the block.

    A process that is killed loses the lock with its life, so a stale lock cannot exist and the file
    is never deleted. Where the lock is taken (by a thread of this process too), raises at once what
    `taken` makes of its holder, a process number or `unknown`. On a file system without locks the
    lock is a file in the machine's temporary folder: it then holds off the writers of this machine
    only.
    """
    descriptor = _open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken(_holder(descriptor)) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            stand_in = _open_lock(_stand_in(path))
            os.close(descriptor)
            descriptor = stand_in
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                raise taken(_holder(descriptor)) from busy
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def sharing(folder: Place) -> Iterator[None]:
    """Be counted among the readers of `folder` for the length of the block; waits a little for a
    sole user.

    Where that cannot be (no such folder, no locks there), goes on uncounted.
    """
    with _folder_lock(folder, fcntl.LOCK_SH, SHARING_SECONDS):
        yield


@contextmanager
def sole_use(folder: Place) -> Iterator[bool]:
    """Whether nobody reads `folder` (see `sharing`), which then stays so for the length of the
    block.
    """
    with _folder_lock(folder, fcntl.LOCK_EX, 0.0) as held:
        yield held


SHARING_SECONDS = 5.0


@contextmanager
def _folder_lock(folder: Place, kind: int, patience: float) -> Iterator[bool]:
    if isinstance(folder, StorePath):
        yield False
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _take(descriptor, kind, time.monotonic() + patience)
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        except OSError:
            return False
        else:
            return True


_NO_LOCKS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL}


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _stand_in(path: Path) -> Path:
    digest = hashlib.blake2b(os.fsencode(path.resolve()), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"finereel-{os.getuid()}-{digest}.lock"


def _holder(descriptor: int) -> str:
    return os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"


def _sign(descriptor: int) -> None:
    """Leave our process number for the message; a full disk must not keep anybody from the lock."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        return


def has_hard_links(folder: Path) -> bool:
    """Whether files in `folder` can have two names; exFAT, FAT and some network shares cannot do
    that.
    """
    first, second = folder / ".link", folder / ".link-2"
    first.touch()
    second.unlink(missing_ok=True)  # of a process that was killed here
    try:
        os.link(first, second)
    except OSError as error:
        if error.errno in {
            errno.EPERM,
            errno.ENOTSUP,
            errno.ENOSYS,
            errno.EMLINK,
            errno.EACCES,
            errno.EINVAL,
        }:
            return False
        raise
    finally:
        first.unlink(missing_ok=True)
        second.unlink(missing_ok=True)
    return True
