"""Check that a file contains only tensors, without unpickling or inflating it: the entries of the
archive and every instruction of the pickle. Instructions that `torch.save` does not write for
tensors are refused.

This is the first of three walls: torch's restricted unpickler is the second, the guarded process it
runs in the third.
"""

import os
import pickletools
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finereel.io.foreign_files import MIB, ForeignFileError, brief, open_regular

_MOST_ENTRIES = 10_000
_INFLATION = 4  # times its size that an archive may grow; torch writes tensors uncompressed
_PICKLE_BYTES, _INSTRUCTIONS = (
    4 * MIB,
    500_000,
)  # 300 bytes and 30 instructions a tensor; published: 600 tensors
_CHUNK = MIB
_ARCHIVE, _DIRECTORY_END, _DIRECTORY_END_64 = b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06"
_LONGEST_END = 65_557  # bytes of the end of an archive, with the longest comment
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PICKLES = 5  # magic number, version, system, the tensors, the keys of their storages
_ENCRYPTED = 1

OPCODES = frozenset({
    "PROTO", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "SETITEM", "SETITEMS", "APPEND", "APPENDS", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1",
    "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "GLOBAL", "REDUCE",
    "BUILD", "BINPERSID",
})  # fmt: skip
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
GLOBALS = frozenset(
    {"collections OrderedDict"}
    | {
        f"torch._utils {name}"
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
    }
    | {f"torch {kind}Storage" for kind in _STORAGES}
)


def require_tensors(path: Path) -> None:
    """ForeignFileError unless `path` is a file that `torch.save` may have written for tensors
    alone.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        start = file.read(len(_ARCHIVE))
        file.seek(0)
        if start == _ARCHIVE:
            _check_archive(file)
        else:
            _check_legacy(file)


def _check_archive(file: Any) -> None:
    size = file.seek(0, os.SEEK_END)
    count = _count_entries(file, size)
    if count > _MOST_ENTRIES:
        raise ForeignFileError(
            f"its archive has {count:,} entries, expected at most {_MOST_ENTRIES:,}"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries, size)
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED:
                    _check_inflated(archive, entry)
            pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
            if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
                raise ForeignFileError(
                    "its archive holds no single data.pkl, so torch.save did not write it"
                )
            if pickles[0].file_size > _PICKLE_BYTES:
                raise ForeignFileError(
                    f"its pickle has {pickles[0].file_size:,} bytes, expected {_PICKLE_BYTES:,}"
                )
            with archive.open(pickles[0]) as pickle:
                _check_instructions(pickle)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        struct.error,
        zipfile.error,
    ) as error:
        raise ForeignFileError(f"its archive is damaged ({brief(str(error))})") from error


def _count_entries(file: Any, size: int) -> int:
    """How many entries the end of the archive promises, so that a list of millions is never
    read.
    """
    file.seek(max(0, size - _LONGEST_END))
    tail = file.read()
    place = tail.rfind(_DIRECTORY_END)
    if place < 0 or len(tail) < place + 12:
        raise ForeignFileError("its archive has no end: copy the checkpoint again")
    (count,) = struct.unpack_from("<H", tail, place + 10)
    place = tail.rfind(_DIRECTORY_END_64)
    if place >= 0 and len(tail) >= place + 40:
        count = max(count, *struct.unpack_from("<QQ", tail, place + 24))
    return int(count)


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    if len(entries) > _MOST_ENTRIES or len(set(names)) < len(names):
        raise ForeignFileError("its archive holds entries of the same name, or too many of them")
    for entry in entries:
        parts = entry.filename.split("/")
        if (
            not entry.filename.isprintable()
            or "\\" in entry.filename
            or {"", ".", ".."} & set(parts)
        ):
            raise ForeignFileError(
                f"its archive holds an entry called {brief(entry.filename)}, which leads elsewhere"
            )
        if entry.flag_bits & _ENCRYPTED:
            raise ForeignFileError(f"its entry {brief(entry.filename)} is encrypted")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise ForeignFileError(f"its entry {brief(entry.filename)} says two sizes")
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ForeignFileError(f"its entry {brief(entry.filename)} overlaps another one")
        end = entry.header_offset + entry.compress_size
    grown = sum(entry.file_size for entry in entries)
    if end > size or grown > _INFLATION * size + MIB:
        raise ForeignFileError(
            f"its archive of {size:,} bytes would grow to {grown:,}, more than {_INFLATION} times"
        )


def _check_inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Inflate piece by piece, keeping nothing: it must end where it says."""
    with archive.open(entry) as packed:
        found = sum(len(piece) for piece in iter(lambda: packed.read(_CHUNK), b""))
    if found != entry.file_size:
        raise ForeignFileError(
            f"its entry {brief(entry.filename)} inflates to another size than it says"
        )


def _check_legacy(file: Any) -> None:
    """Before 2020 torch wrote one pickle after another, then the numbers."""
    spent = 0
    for number in range(_LEGACY_PICKLES):
        spent += _check_instructions(
            file, _LEGACY_MAGIC if number == 0 else None, _INSTRUCTIONS - spent
        )
        if file.tell() > _PICKLE_BYTES:
            raise ForeignFileError(f"its pickles have more than {_PICKLE_BYTES:,} bytes")


def _check_instructions(pickle: Any, magic: int | None = None, limit: int = _INSTRUCTIONS) -> int:
    """Every instruction of one pickle against OPCODES and GLOBALS; returns how many there were.

    magic: the number that it must hold and nothing else.
    """
    count, numbers = 0, []
    for opcode, argument in _instructions(pickle):
        count += 1
        if count > limit:
            raise ForeignFileError(f"its pickle has more than {_INSTRUCTIONS:,} instructions")
        if opcode not in OPCODES:
            raise ForeignFileError(
                f"it has more in it than tensors: the pickle instruction {opcode}"
            )
        if opcode == "GLOBAL" and argument not in GLOBALS:
            raise ForeignFileError(f"it has more in it than tensors: {brief(argument)}")
        if opcode == "LONG1":
            numbers.append(argument)
    if magic is not None and numbers != [magic]:
        raise ForeignFileError("it is no pickle that torch.save wrote")
    return count


def _instructions(pickle: Any) -> Iterator[tuple[str, object]]:
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            yield opcode.name, argument
    except ForeignFileError:
        raise
    except Exception as error:  # pickletools raises what its readers happen to
        raise ForeignFileError(f"it is no pickle ({brief(str(error))})") from error
