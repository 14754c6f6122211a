"""One writer of a library at a time."""

from contextlib import AbstractContextManager
from pathlib import Path

from finereel.disk import locked
from finereel.errors import LibraryBusyError


def writer_lock(folder: Path) -> AbstractContextManager[None]:
    """Hold the library's write lock for the length of the block, see `locked`. Readers take no lock.

    Raises LibraryBusyError, naming the process that writes, when the lock is taken.
    """
    return locked(
        folder / "lock",
        lambda holder: LibraryBusyError(
            f"{folder} is being written by process {holder}; wait until it ends (searching is possible meanwhile)"
        ),
    )
