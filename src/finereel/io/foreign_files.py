"""Read files from other sources safely: check their size and form before reading, parsing or
inflating them.

Errors are ValueErrors, whose text says what came instead; the caller adds what the file was for and
raises its own.
"""

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

MIB = 1 << 20
DEEPEST = 32  # objects and lists within one another; a model's settings need 4
_SHOWN = 60
_MOST_ARRAYS = 10_000
_INFLATION = 100  # times its size on disk that an archive may grow, beyond what is small anyway
_SMALL = 64 * MIB


class ForeignFileError(ValueError):
    """A file that is not what it should be."""


def brief(value: object) -> str:
    """A value as an error message shows it: on one line, printable and short, whatever it holds.

    >>> brief("a\\nb"), brief([1, [2]]), len(brief("x" * 10_000_000)), brief(10**50)[-5:]
    ("'a\\\\nb'", 'a list', 63, '00000')
    """
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def brief_list(names: Iterable[object], shown: int = 5) -> str:
    """The first names as a message lists them, and how many more there are.

    >>> brief_list(["a", "b\\n"]), brief_list(range(9), 2)
    ("'a', 'b\\\\n'", '0, 1 and 7 more')
    """
    every = list(names)
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return ", ".join(map(brief, every[:shown])) + more


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`; a name that no file system takes is none.

    >>> is_folder(Path("x" * 100_000)), is_folder(Path("."))
    (False, True)
    """
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> int:
    """A descriptor of a regular file, to read; a pipe, device or folder is refused without waiting
    for it.

    Raises FileNotFoundError where nothing is there, ForeignFileError otherwise.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise ForeignFileError(
            f"it cannot be opened ({error}); check its permissions and its disk"
        ) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ForeignFileError(
            f"expected a file, got a {'folder' if stat.S_ISDIR(mode) else 'pipe or device'}"
        )
    return descriptor


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes. Errors as `open_regular`."""
    with os.fdopen(open_regular(path), "rb") as file:
        try:
            size = os.fstat(file.fileno()).st_size
            content = file.read(limit + 1) if size <= limit else b""
        except OSError as error:
            raise ForeignFileError(f"it cannot be read ({error}); check its disk") from error
    if max(size, len(content)) > limit:
        raise ForeignFileError(
            f"expected at most {limit / MIB:.0f} MiB, got {max(size, len(content)) / MIB:.0f}"
        )
    return content


def read_text(path: Path, limit: int) -> str:
    """UTF-8 text, with or without a byte order mark. Errors as `read_bounded`."""
    try:
        return read_bounded(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ForeignFileError(
            f"expected UTF-8 text, byte {error.start} is none; copy the file again"
        ) from error


def read_json_object(path: Path, limit: int = MIB) -> dict[str, Any]:
    """The object of a JSON file. Refused: keys that stand twice, more than DEEPEST levels, more
    than `limit` bytes.
    """
    return parse_json_object(read_text(path, limit))


def parse_json_object(text: str) -> dict[str, Any]:
    """The object that a JSON text holds; see `read_json_object`.

    >>> parse_json_object('{"a": [1]}')
    {'a': [1]}
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise ForeignFileError(
            f"expected JSON, got something else in line {error.lineno} ({error.msg})"
        ) from error
    except RecursionError:
        raise ForeignFileError(f"expected at most {DEEPEST} levels of JSON, got hundreds") from None
    if not isinstance(value, dict):
        raise ForeignFileError(f"expected a JSON object, got {brief(value)}")
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        level = [inner for inner in level if isinstance(inner, dict | list)]
        if not level:
            return value
    raise ForeignFileError(f"expected at most {DEEPEST} levels of JSON, got more")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise ForeignFileError(
            f"the key {brief(twice)} occurs twice in one JSON object: keep the right one"
        )
    return value


def read_npz(source: Path | bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz file. Refused before anything is inflated: an archive that would grow
    more than _INFLATION times, arrays whose shape is not what they hold, pickled objects.

    >>> stream = io.BytesIO()
    >>> np.savez_compressed(stream, a=np.arange(3))
    >>> read_npz(stream.getvalue())
    {'a': array([0, 1, 2])}
    """
    try:
        file: Any = (
            os.fdopen(open_regular(source), "rb")
            if isinstance(source, Path)
            else io.BytesIO(source)
        )
        with file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            size = file.seek(0, io.SEEK_END)
            grown = sum(member.file_size for member in members)
            if len(members) > _MOST_ARRAYS or grown > max(_SMALL, _INFLATION * size):
                raise ForeignFileError(
                    f"{len(members):,} arrays of {grown:,} bytes in a file of {size:,}: more than "
                    "an npz file may hold"
                )
            return {
                member.filename.removesuffix(".npy"): _array(archive, member) for member in members
            }
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        zipfile.LargeZipFile,
    ) as error:
        raise ForeignFileError(f"it is not a complete npz file ({brief(str(error))})") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    from numpy.lib import format as npy

    with archive.open(member) as file:
        try:
            version = npy.read_magic(file)
            read_header = (
                npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(file)
        except (
            Exception
        ) as error:  # numpy parses the header as Python and passes on what that raises
            raise ForeignFileError(
                f"{brief(member.filename)} is not an array ({brief(str(error))})"
            ) from error
        held, plain = member.file_size - file.tell(), dtype.itemsize > 0 and not dtype.hasobject
        if not plain or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != held:
            raise ForeignFileError(
                f"{brief(member.filename)} says {dtype} {brief(str(shape))} and holds {held:,} "
                "bytes; pickled or "
                "damaged arrays are not read"
            )
        content = file.read(held)
    if len(content) != held:
        raise ForeignFileError(f"{brief(member.filename)} ends early")
    array = np.frombuffer(bytearray(content), dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")
