"""Files and folders that are the old or the new ones whatever happens in between, and typed errors
for a disk that refuses.
"""

import errno
import functools
import hashlib
import inspect
import itertools
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from finereel.errors import FinereelError, StorageError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@runtime_checkable
class WholeFile(Protocol):
    """What is only ever read and written as a whole, such as an object of an object store;
    `finereel.io.storage.places.StorePath` is one.
    """

    def read_bytes(self) -> bytes: ...
    def write_bytes(self, content: bytes, /) -> object: ...


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


def refusal(path: Path | WholeFile, done: str, cause: Cause, error: BaseException) -> str:
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
def replace_file(path: Path, within: Path | None = None) -> Iterator[Path]:
    """Give the path of a new, empty file to fill; at the end of the block it takes the place of
    `path`.

    The file and then its folder are forced to disk, so that a crash or a power cut leaves the old
    content or the new one. After an error in the block nothing has changed and nothing is left over.
    Several threads and processes may do this at the same time: the last one stays. What the operating
    system refuses passes as it is, for `writes` or `storage_errors` around it.

    Args:
        path: The file to replace or to make; its folder exists. A device or a pipe, which nothing
            can take the place of, is given as it is.
        within: The folder that the new file grows in, on the same file system; that of `path` if
            None.

    Yields:
        The path to write to: an empty file with the permissions that the process gives new files.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        yield path
        return
    with _growing(path, within or path.parent) as fresh:
        with fresh.open("xb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        yield fresh
        if stat.S_IMODE(fresh.stat().st_mode) != mode:  # safetensors writes for the owner alone
            fresh.chmod(mode)
        sync_file(fresh)
        fresh.replace(path)
        sync_folder(path.parent)


def write_file(path: Path | WholeFile, content: bytes | str) -> None:
    """Let `content` (text as UTF-8) take the place of what is in `path`; see `replace_file`."""
    written = content.encode() if isinstance(content, str) else content
    if not isinstance(path, Path):  # an object is replaced as a whole by itself
        path.write_bytes(written)
        return
    with replace_file(path) as fresh:
        fresh.write_bytes(written)


@contextmanager
def replace_folder(folder: Path, keep_existing: bool = False) -> Iterator[Path]:
    """Give a new, empty folder to fill; at the end of the block it takes the place of `folder`,
    whose files thus always belong together.

    Everything in it is forced to disk before. After an error in the block nothing has changed and
    nothing is left over. A crash between the two renames at the end leaves the old one aside;
    `recover_folder` puts it back.

    Args:
        folder: The folder to replace or to make.
        keep_existing: Whether a folder that another process has put there meanwhile stays.

    Yields:
        The folder to fill.
    """
    aside = _aside(folder)
    with _growing(folder, folder.parent) as fresh:
        fresh.mkdir()
        yield fresh
        _sync_tree(fresh)
        if not keep_existing:
            recover_folder(folder)
            shutil.rmtree(aside, ignore_errors=True)
            if folder.exists():
                folder.rename(aside)
        try:
            fresh.rename(folder)
        except BaseException as error:
            if not (keep_existing and isinstance(error, OSError) and folder.is_dir()):
                recover_folder(folder)
                raise
        sync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """After a crash in `replace_folder`: the old folder back where there is no new one."""
    if not folder.exists() and _aside(folder).exists():
        _aside(folder).rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".before")


def _sync_tree(folder: Path) -> None:
    for path in folder.iterdir():
        _sync_tree(path) if path.is_dir() else sync_file(path)
    sync_folder(folder)


_growths: set[Path] = set()
"""What this process is writing beside something."""
_tidied: set[Path] = set()
"""Folders in which this process has removed what killed processes left."""
_count = itertools.count()
_GROWTH = re.compile(r"\..*\.([0-9a-f]{8})-(\d{1,9})-\d+\.part")
_LONG_AGO = 24 * 3600.0
_NAME = 40
"""Characters of a name that a growth has too, so that it is not too long for a file system."""


@contextmanager
def _growing(path: Path, folder: Path) -> Iterator[Path]:
    """A hidden name in `folder` for what will be called `path`, given once; what still has it at
    the end is removed.
    """
    fresh = folder / growth_name(path.name)
    _tidy(folder)
    _growths.add(fresh)
    try:
        _remove(fresh)  # of an earlier process with this number
        yield fresh
    finally:
        _growths.discard(fresh)
        _remove(fresh)


def growth_name(name: str) -> str:
    """What a file or folder that will have this name is called while it grows: another one every
    time.
    """
    return f".{name[:_NAME]}.{_machine()}-{os.getpid()}-{next(_count)}.part"


def _tidy(folder: Path) -> None:
    """Remove what killed processes were writing in `folder`, once per process.

    Whether a process of another machine lives cannot be known: what it left goes after a day.
    """
    if folder in _tidied:
        return
    _tidied.add(folder)
    with suppress(OSError):
        for path in folder.iterdir():
            found = _GROWTH.fullmatch(path.name)
            if found and path not in _growths and _is_abandoned(path, found[1], int(found[2])):
                _remove(path)


def _is_abandoned(path: Path, machine: str, process: int) -> bool:
    if machine != _machine():
        return time.time() - path.stat().st_mtime > _LONG_AGO
    if process == os.getpid():  # of an earlier process with this number
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@functools.cache
def _machine() -> str:
    """Where process numbers mean what they mean here: this boot of this machine, this container."""
    named = [os.uname().nodename]
    with suppress(OSError):
        named.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        named.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("\n".join(named).encode(), digest_size=4).hexdigest()


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def read_stored_json(path: Path | WholeFile) -> dict[str, Any] | None:
    """The JSON object in a file, or None when the file is absent, empty or not a JSON object."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


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
