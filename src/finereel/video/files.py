"""Open a file that a user named: only regular files, and without ever blocking."""

import errno
import os
import stat
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
