"""Files that several processes share and a full disk or a power cut may hit: typed errors, locks,
lasting renames.
"""

import errno
import fcntl
import functools
import hashlib
import inspect
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from finereel.errors import FinereelError, StorageError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Cause:
    """Why the operating system refused: in words, and what to do about it."""

    words: str
    advice: str


_SHARE = Cause("the network share or drive does not answer", "connect it again")
_QUOTA = Cause("your disk quota is used up", "free some space or ask for more")
_DENIED = Cause("permission denied", "change the permissions of that place, or choose another one")
_FILES = Cause(
    "too many files are open", "close other programs, or allow more with `ulimit -n 4096`"
)
_UNABLE = Cause("the file system there cannot do this", "choose a place on another file system")
_DAMAGE = Cause(
    "the disk reports an input/output error", "check the disk and its cable, and save what is on it"
)
CAUSES: dict[int, Cause] = {
    errno.ENOSPC: Cause("No space left on the disk", "free some space"),
    errno.EDQUOT: _QUOTA,
    errno.EFBIG: Cause(
        "the file would be larger than is allowed there", "raise the limit or choose another place"
    ),
    errno.EROFS: Cause(
        "the file system is read-only", "choose a place that can be written, or mount it writable"
    ),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EIO: _DAMAGE,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENAMETOOLONG: Cause("the name is too long", "choose a shorter one"),
    errno.EILSEQ: Cause(
        "the file system does not take this name", "choose a name of plain letters"
    ),
    errno.EINVAL: Cause(
        "the file system refused the request as invalid", "choose a place on another file system"
    ),
    errno.ESTALE: Cause(
        "the network share has lost the file (stale handle)", "mount the share again"
    ),
    errno.ETIMEDOUT: _SHARE,
    errno.EHOSTDOWN: _SHARE,
    errno.EHOSTUNREACH: _SHARE,
    errno.ENOTCONN: _SHARE,
    errno.ENODEV: _SHARE,
    errno.ENXIO: _SHARE,
    errno.ENOENT: Cause(
        "a file or folder is gone", "check the path and whether its drive is connected"
    ),
    errno.ENOTDIR: Cause("a part of the path is a file, not a folder", "check the path"),
    errno.EISDIR: Cause("it is a folder, not a file", "choose another name"),
    errno.EEXIST: Cause("something else has that name", "choose another name"),
    errno.ENOTEMPTY: Cause("the folder is not empty", "choose another name, or empty it"),
    errno.ELOOP: Cause("a link leads in a circle", "check the path"),
    errno.EBUSY: Cause("another program is using it", "close that program"),
    errno.ENOTSUP: _UNABLE,
    errno.ENOSYS: _UNABLE,
    errno.EXDEV: _UNABLE,
    errno.ENOLCK: Cause(
        "the file system has no locks left", "choose a place on another file system"
    ),
    errno.ENOMEM: Cause("there is not enough memory", "close other programs"),
}
"""Error number -> what a person reads."""

_NUMBER = re.compile(r"\[?(?:os error|[Ee]rrno) (\d+)[\])]?")
_PHRASES = {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "readonly database": errno.EROFS,
    "unable to open database file": errno.ENOENT,
    "file write failed": errno.ENOSPC,
    "unexpected pos": errno.ENOSPC,
}
"""How sqlite and torch say it, without a number."""


def cause_of(error: BaseException) -> Cause | None:
    """Why the operating system refused, read from an `OSError` or from the text of another error;
    None if it did not.

    Rust libraries (Lance, safetensors, tokenizers) put the number into their text.

    >>> cause_of(RuntimeError("LanceError(IO): ... No space left on device (os error 28), src/io.rs:7")).words
    'No space left on the disk'
    >>> cause_of(RuntimeError("shapes differ")) is None
    True
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        found = _NUMBER.findall(str(error))
        number = (
            int(found[-1])
            if found
            else next((n for text, n in _PHRASES.items() if text in str(error)), None)
        )
    if number is None:
        return (
            Cause(first_line(error), "check the disk and the path")
            if isinstance(error, OSError)
            else None
        )
    words = os.strerror(number)
    return CAUSES.get(number, Cause(words[:1].lower() + words[1:], "check the disk and the path"))


def first_line(error: BaseException) -> str:
    """The beginning of a message that may run over many lines."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def storage_errors(
    path: Path, done: str = "written", kind: type[FinereelError] = StorageError
) -> Iterator[None]:
    """Raise `kind` with path, cause and advice for what the operating system refuses within the
    block.

    Everything else passes, `BrokenPipeError` too (whoever read our output has left).
    """
    try:
        yield
    except (FinereelError, BrokenPipeError):
        raise
    except Exception as error:
        cause = cause_of(error)
        if cause is None:
            raise
        raise kind(refusal(path, done, cause, error)) from error


def writes(
    parameter: str,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Wrap a function that writes at the path in `parameter` (`self.path` for an attribute): see
    `storage_errors`.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        name, _, attribute = parameter.partition(".")
        signature = inspect.signature(function)

        @functools.wraps(function)
        def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            place = signature.bind(*args, **kwargs).arguments[name]
            with storage_errors(Path(getattr(place, attribute) if attribute else place)):
                return function(*args, **kwargs)

        return wrapped

    return decorate


def refusal(path: Path, done: str, cause: Cause, error: BaseException) -> str:
    """One line: what could not be done, why, and what to do next."""
    named = getattr(error, "filename", None)
    other = (
        f" ({os.fsdecode(named)})"
        if isinstance(named, str | bytes) and os.fsdecode(named) != str(path)
        else ""
    )
    line = (
        f"{path} could not be {done}: {cause.words}{other}; {cause.advice}, then run the same "
        "command again"
    )
    return " ".join(line.splitlines())


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
            os.close(descriptor)
            descriptor = _open_lock(_stand_in(path))
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as busy:
                raise taken(_holder(descriptor)) from busy
        _sign(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def sharing(folder: Path) -> Iterator[None]:
    """Be counted among the readers of `folder` for the length of the block; waits a little for a
    sole user.

    Where that cannot be (no such folder, no locks there), goes on uncounted.
    """
    with _folder_lock(folder, fcntl.LOCK_SH, SHARING_SECONDS):
        yield


@contextmanager
def sole_use(folder: Path) -> Iterator[bool]:
    """Whether nobody reads `folder` (see `sharing`), which then stays so for the length of the
    block.
    """
    with _folder_lock(folder, fcntl.LOCK_EX, 0.0) as held:
        yield held


SHARING_SECONDS = 5.0


@contextmanager
def _folder_lock(folder: Path, kind: int, patience: float) -> Iterator[bool]:
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


def sync_file(path: Path) -> None:
    """Force a file's content to disk, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk, so that a rename in it survives a power cut.

    File systems that cannot do that for folders (exFAT, some network shares) say so; they keep what
    they can.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)


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
