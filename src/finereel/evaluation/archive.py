"""Records on disk: `record.json` with the SHA-256 of its arrays, written atomically and validated
when read.

This finds accidents and careless edits; it is no signature. Pickles are refused.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from finereel.errors import DataError
from finereel.io.atomic import write_file, writes
from finereel.io.foreign_files import ForeignFileError, read_npz

RECORD = "record.json"
_MAX_JSON_BYTES = 64 << 20
Record = TypeVar("Record")


@dataclass(frozen=True)
class ArchiveFormat:
    """A kind of record. name, version: as `record.json` states them; maker: the command that writes
    such folders; older: versions that can be read too.
    """

    name: str
    version: int
    maker: str
    older: tuple[int, ...] = ()

    @property
    def stated(self) -> dict[str, Any]:
        """The first entries of a description."""
        return {"format": self.name, "version": self.version}


def read_archive(
    folder: Path, form: ArchiveFormat, built: Callable[[dict[str, Any]], Record]
) -> Record:
    """What `built` makes of a folder's description. Raises DataError, which names the folder, for
    another format or version and for whatever `built` finds wrong or missing.
    """
    described = read_description(folder, form.maker)
    readable = described.get("version") in (form.version, *form.older)
    if described.get("format") != form.name or not readable:
        raise DataError(
            f"{folder / RECORD}: expected {form.name} of version {form.version}, got "
            f"{described.get('format')!r} of "
            f"version {described.get('version')!r}; evaluate again, or read it with the program "
            "that wrote it"
        )
    try:
        return built(described)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"{folder / RECORD} lacks something or holds the wrong kind of it ({error!r})"
        ) from error


@writes("folder")
def write_archive(
    folder: Path, described: Mapping[str, Any], contents: Mapping[str, bytes]
) -> None:
    """Write files and their description with their hashes under `sha256`; it comes last, so that a
    folder without it is no record.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    text = json.dumps({**described, "sha256": hashes}, indent=2) + "\n"
    (folder / RECORD).unlink(missing_ok=True)
    for name, content in {**contents, RECORD: text.encode()}.items():
        write_file(folder / name, content)


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of a compressed npz."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read_packed(folder: Path, name: str, hashes: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The arrays of a file whose hash is stated; DataError where it is missing, other than it was,
    or no npz.
    """
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error}); copy the whole folder again") from error
    if hashlib.sha256(content).hexdigest() != hashes.get(name):
        raise DataError(
            f"{name} is not the file that {RECORD} was written with; copy the folder again, or "
            "evaluate"
        )
    try:
        return read_npz(content)
    except ForeignFileError as error:
        raise DataError(
            f"{name} cannot be read as npz without pickles ({error}); evaluate again"
        ) from error


def read_description(folder: Path, maker: str) -> dict[str, Any]:
    """The object in `record.json`; DataError tells to give the folder that the command `maker`
    wrote.
    """
    path = folder / RECORD
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise DataError(f"{path} is larger than any record ({path.stat().st_size} bytes)")
        value = json.loads(path.read_bytes())
    except (OSError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read ({error}); give the folder that `{maker}` wrote"
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON ({error}); evaluate again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason}); evaluate again") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} must hold an object, got {type(value).__name__}")
    return value
