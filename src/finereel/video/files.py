"""Open a file that a user named: only regular files, and without ever blocking."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from finereel.errors import NotAVideoError, VideoError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str | Path) -> BufferedReader:
    """Open a regular, non-empty file for reading.

    The check runs before the open (opening some devices acts on them) and again on the open file,
    so that a file swapped in between cannot slip through; a pipe without a writer is refused rather
    than waited for.

    Raises NotAVideoError (absent, empty, not a regular file) or VideoError (no permission,
    input/output error).
    """
    try:
        _refuse_irregular(path, os.stat(path))  # noqa: PTH116 (names that are not UTF-8 arrive as str)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise _as_video_error(path, error) from error
    file = os.fdopen(descriptor, "rb")
    try:
        _refuse_irregular(path, os.fstat(descriptor))
    except NotAVideoError:
        file.close()
        raise
    return file


def _refuse_irregular(path: str | Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise NotAVideoError(f"{shown(path)}: expected a video file, this is {kind}")
    if status.st_size == 0:
        raise NotAVideoError(
            f"{shown(path)}: expected a video file, this one is empty (0 bytes); copy it again"
        )


def _as_video_error(path: str | Path, error: OSError | ValueError) -> VideoError:
    if isinstance(error, VideoError):
        return error
    if isinstance(error, ValueError):  # a NUL in the name
        return NotAVideoError(f"{shown(path)}: not a file name")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return NotAVideoError(f"{shown(path)}: there is no such file")
    if error.errno == errno.ELOOP:
        return NotAVideoError(
            f"{shown(path)}: expected a video file, this is a link that leads to itself"
        )
    return VideoError(
        f"{shown(path)}: cannot be opened ({error.strerror}); check its permissions and its disk"
    )


def shown(path: str | Path) -> str:
    """A path as a message shows it: on one line, control characters and bytes that are not UTF-8
    escaped.

    >>> print(shown("a" + chr(10) + "b.mp4"))
    a\\nb.mp4
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


# WHO A FILE IS: its content, so that a renamed file is known again, and a quick test for
# "unchanged".
WHOLE = 8 * 2**20
"""Files below this size are hashed whole (8 MiB)."""

SAMPLE = 2**18
SAMPLES = 16
"""A larger file gives SAMPLES pieces of SAMPLE bytes: its head, its tail and the evenly spaced ones
between.
"""


@dataclass(frozen=True)
class FileState:
    """What the file system says without reading: equal states mean "unchanged" (as `make` and
    `rsync` decide it).
    """

    size: int
    mtime_ns: int


def file_state(path: str | Path) -> FileState:
    """Size and modification time of a file; OSError when there is none."""
    status = os.stat(path)  # noqa: PTH116
    return FileState(status.st_size, status.st_mtime_ns)


def state_of(file: BufferedReader) -> FileState:
    """The same of an open file, whatever lies under its name by now."""
    status = os.fstat(file.fileno())
    return FileState(status.st_size, status.st_mtime_ns)


def content_hash(path: str | Path) -> str:
    """32 hex digits that name the content of a file, whatever it is called and wherever it lies.

    BLAKE2b-128 over the size and the bytes: all of them below 8 MiB, and above that 4 MiB in 16
    pieces (head, tail, 14 between), so that a film costs 16 reads. Two large files of equal size
    that differ only between the pieces would share a hash; an edited or re-encoded video changes
    its head, its tail or its size.

    Raises NotAVideoError or VideoError as `open_regular` does.
    """
    with open_regular(path) as file:
        return content_hash_of(file)


def content_hash_of(file: BufferedReader) -> str:
    """The same of an open file; its position moves."""
    size = os.fstat(file.fileno()).st_size
    digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
    for offset, length in _pieces(size):
        _feed(digest, file, offset, length)
    return digest.hexdigest()


def _pieces(size: int) -> list[tuple[int, int]]:
    if size < WHOLE:
        return [(0, size)]
    return [(index * (size - SAMPLE) // (SAMPLES - 1), SAMPLE) for index in range(SAMPLES)]


def _feed(digest: hashlib.blake2b, file: BufferedReader, offset: int, length: int) -> None:
    file.seek(offset)
    while length > 0 and (block := file.read(min(length, 2**20))):
        digest.update(block)
        length -= len(block)
