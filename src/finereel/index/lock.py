"""One writer of a library at a time."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from finereel.errors import LibraryBusyError, LibraryError
from finereel.index.faults import storage_errors
from finereel.io.atomic import CAUSES
from finereel.io.locks import locked

_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the library's write lock for the length of the block, see `locked`. Readers take no
    lock.

    Raises LibraryBusyError, naming the process that writes, when the lock is taken, and
    LibraryError for a library that can only be read.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / "lock", lambda holder: _busy(folder, holder)))
        except OSError as error:
            if error.errno in _READ_ONLY:
                raise _read_only(folder, error) from error
            with storage_errors(folder, "locked"):
                raise
        yield


def _busy(folder: Path, holder: str) -> LibraryBusyError:
    return LibraryBusyError(
        f"{folder} is being written by process {holder}; wait until it ends (searching is possible "
        "meanwhile)"
    )


def _read_only(folder: Path, error: OSError) -> LibraryError:
    cause = CAUSES[error.errno or errno.EACCES]
    return LibraryError(
        f"the library {folder} is read-only here: {cause.words}. It can be searched; to change it, "
        "make the folder "
        "writable, or copy it to a place that is"
    )
