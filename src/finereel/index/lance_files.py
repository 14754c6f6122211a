"""List the files of one version of a Lance table from its manifest, without Lance.

A manifest is the protobuf message `Manifest` of Lance's `table.proto`, after it 16 bytes: its
position, the format version, and `LANC`. Only what names files is read here; a manifest that is
torn, empty or zeroed does not parse.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

MAGIC = b"LANC"
FOOTER = 16
_FRAGMENTS, _VERSION, _INDICES, _TRANSACTION = 2, 3, 6, 12
_DELETION_SUFFIXES = ("arrow", "bin")

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class TableVersion:
    """One version of the table; paths are relative to its folder.

    data: size in bytes per data file (0 where the manifest does not say). fragments: data files per
    fragment number.
    rows: number of rows per fragment, deleted ones included.
    deletions: files that hide rows. indices: folders. transaction: what Lance wrote about the
    commit, None if nothing.
    """

    version: int
    data: dict[str, int]
    fragments: dict[int, tuple[str, ...]]
    rows: dict[int, int]
    deletions: tuple[str, ...]
    indices: tuple[str, ...]
    transaction: str | None

    @property
    def files(self) -> set[str]:
        """Every file and every index folder that reading this version may need."""
        own = [] if self.transaction is None else [self.transaction]
        return {*self.data, *self.deletions, *self.indices, *own}


def manifest_files(table: Path) -> dict[int, Path]:
    """The manifests of the table in the folder `table`, by version."""
    found = {}
    for path in (table / "_versions").glob("*.manifest"):
        if path.stem.isdigit():
            # Names of 20 digits count down, so that the newest comes first in a listing.
            number = int(path.stem)
            found[2**64 - 1 - number if len(path.stem) == 20 else number] = path
    return found


def fragment_of(deletions: str) -> int:
    """The fragment whose rows a file of deletions hides."""
    return int(Path(deletions).name.split("-")[0])


def manifest_name(version: int) -> str:
    """The file name of a version, below the table's folder."""
    return f"_versions/{2**64 - 1 - version}.manifest"


def parse_manifest(content: bytes) -> TableVersion:
    """Raises ValueError when the manifest is not whole."""
    try:
        return _parse(content)
    except (IndexError, OverflowError) as error:
        raise ValueError("the manifest lacks an entry") from error


def _parse(content: bytes) -> TableVersion:
    if len(content) < FOOTER or not content.endswith(MAGIC):
        raise ValueError("the manifest has no end")
    fields = _message(content, int.from_bytes(content[-FOOTER : 8 - FOOTER], "little"))
    data: dict[str, int] = {}
    fragments: dict[int, tuple[str, ...]] = {}
    rows: dict[int, int] = {}
    deletions = []
    for fragment in map(_fields, _all_bytes(fields, _FRAGMENTS)):
        number = _number(fragment, 1)
        files = {
            f"data/{_text(file, 1)}": _number(file, 6)
            for file in map(_fields, _all_bytes(fragment, 2))
        }
        data |= files
        fragments[number] = tuple(files)
        rows[number] = _number(fragment, 4)
        deletions += [_deletion(number, _fields(deleted)) for deleted in _all_bytes(fragment, 3)]
    indices = []
    if _INDICES in fields:
        for index in _all_bytes(_message(content, _number(fields, _INDICES)), 1):
            uuid = _all_bytes(_fields(_all_bytes(_fields(index), 1)[0]), 1)[0]
            indices.append(f"_indices/{UUID(bytes=uuid)}")
    transaction = f"_transactions/{_text(fields, _TRANSACTION)}" if _TRANSACTION in fields else None
    return TableVersion(
        _number(fields, _VERSION),
        data,
        fragments,
        rows,
        tuple(deletions),
        tuple(indices),
        transaction,
    )


def _deletion(fragment: int, fields: Fields) -> str:
    suffix = _DELETION_SUFFIXES[_number(fields, 1)]
    return f"_deletions/{fragment}-{_number(fields, 2)}-{_number(fields, 3)}.{suffix}"


def _message(content: bytes, position: int) -> Fields:
    length = int.from_bytes(content[position : position + 4], "little")
    message = content[position + 4 : position + 4 + length]
    if not message or len(message) < length:
        raise ValueError("the manifest is cut short")
    return _fields(message)


def _fields(message: bytes) -> Fields:
    fields: Fields = {}
    for number, value in _walk(message):
        fields.setdefault(number, []).append(value)
    return fields


def _walk(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if key < 8:
            raise ValueError("the manifest has a field without a number")
        if kind == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if kind == 2:
            length, place = _varint(message, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"the manifest has a field of unknown kind {kind}")
        if place + length > len(message):
            raise ValueError("the manifest is cut short")
        yield key >> 3, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("the manifest is cut short")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _all_bytes(fields: Fields, number: int) -> list[bytes]:
    values = [value for value in fields.get(number, []) if isinstance(value, bytes)]
    if len(values) != len(fields.get(number, [])):
        raise ValueError("the manifest has a number where a message should be")
    return values


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError("the manifest has a message where a number should be")
    return value


def _text(fields: Fields, number: int) -> str:
    return _all_bytes(fields, number)[-1].decode()


# The columns within data files. A file ends with 40 bytes that say where the positions and lengths
# of the columns' messages `ColumnMetadata` stand, and how many there are.
_FILE_FOOTER = 40
_FIELDS, _NO_PARENT = 1, 2**64 - 1
_FILE_FORMAT = 2


@dataclass(frozen=True)
class ColumnPage:
    """A part of a column in a data file: its number of rows, and the position and length of each of
    its buffers.
    """

    rows: int
    buffers: tuple[tuple[int, int], ...]


def columns_by_file(content: bytes) -> dict[int, dict[str, dict[str, int]]]:
    """Of a manifest, by fragment its data files, and by file the number that every column of the
    table has in it.

    Raises ValueError for a manifest that is not whole, or files of another format.
    """
    fields = _message(content, int.from_bytes(content[-FOOTER : 8 - FOOTER], "little"))
    columns = map(_fields, _all_bytes(fields, _FIELDS))
    names = {_number(one, 3): _text(one, 2) for one in columns if _number(one, 4) == _NO_PARENT}
    found: dict[int, dict[str, dict[str, int]]] = {}
    for fragment in map(_fields, _all_bytes(fields, _FRAGMENTS)):
        files = found.setdefault(_number(fragment, 1), {})
        for file in map(_fields, _all_bytes(fragment, 2)):
            if _number(file, 4) != _FILE_FORMAT:
                raise ValueError("a data file has another format")
            places = zip(_packed(file, 2), _packed(file, 3), strict=True)
            files[f"data/{_text(file, 1)}"] = {names[one]: at for one, at in places if one in names}
    return found


def pages_of(path: Path, columns: Collection[int]) -> dict[int, list[ColumnPage]]:
    """The pages of some columns of a data file. Raises ValueError where it is not whole."""
    found = {}
    with path.open("rb") as file:
        file.seek(-_FILE_FOOTER, os.SEEK_END)
        footer = file.read(_FILE_FOOTER)
        count, table = _little(footer, 28, 4), _little(footer, 8, 8)
        if not footer.endswith(MAGIC) or max(columns, default=-1) >= count:
            raise ValueError("the data file has no end")
        for column in columns:
            file.seek(table + 16 * column)
            entry = file.read(16)
            file.seek(_little(entry, 0, 8))
            found[column] = [
                ColumnPage(
                    _number(page, 3), tuple(zip(_packed(page, 1), _packed(page, 2), strict=True))
                )
                for page in map(_fields, _all_bytes(_fields(file.read(_little(entry, 8, 8))), 2))
            ]
    return found


def _little(content: bytes, start: int, length: int) -> int:
    return int.from_bytes(content[start : start + length], "little")


def _packed(fields: Fields, number: int) -> list[int]:
    """A list of numbers, which stand one after the other in one entry."""
    values, content, place = list[int](), b"".join(_all_bytes(fields, number)), 0
    while place < len(content):
        value, place = _varint(content, place)
        values.append(value)
    return values
