"""Read annotation files strictly: every error names its file and position, and nothing is guessed.

A `Row` remembers where it came from, so that whoever reads a value out of it can complain about the
right line.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

from finereel.errors import DataError

MAX_BYTES = 2**30
"""Of one annotation file; the largest published one (VATEX, with its Chinese captions) has 60 MB.
"""
LONGEST_ID = 1000
QUOTED = 60
_CANDIDATES = 20
_FIELD_LIMIT = Lock()
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
Json: TypeAlias = Any


def quoted(value: object) -> str:
    """A value as an error message shows it: on one line and short.

    >>> quoted("a\\nb"), len(quoted("x" * 10_000_000))
    ("'a\\\\nb'", 65)
    """
    if not isinstance(value, str):
        return _KINDS.get(type(value), type(value).__name__)
    return repr(value[:QUOTED]) + ("..." if len(value) > QUOTED else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of an annotation file: its named values, and where it stands.

    place: "line 12" in a text file, "sentences[3]" in JSON.
    """

    path: Path
    place: str
    values: Mapping[str, Json]

    def error(self, complaint: str) -> DataError:
        """The complaint with file and place before it.

        >>> Row(Path("a.csv"), "line 2", {}).error("no caption")
        DataError('a.csv, line 2: no caption')
        """
        return DataError(f"{self.path}, {self.place}: {complaint}")

    def text(self, name: str) -> str:
        """The text called `name` without white space around it; DataError when it is absent, empty
        or no text.
        """
        return self._checked(name, self._value(name))

    def raw(self, name: str) -> str:
        """The text called `name` as it stands, white space around it and all; DataError as `text`
        raises it.

        >>> Row(Path("a.csv"), "line 2", {"caption": " a dog "}).raw("caption")
        ' a dog '
        """
        self._checked(name, self._value(name))
        return str(self.values[name])

    def texts(self, name: str) -> list[str]:
        """The list of texts called `name`, at least one."""
        value = self._value(name)
        if not isinstance(value, list) or not value:
            came = "an empty list" if value == [] else quoted(value)
            raise self.error(f"expected {name!r} to be a list of texts, got {came}")
        return [self._checked(f"{name}[{number}]", item) for number, item in enumerate(value)]

    def name(self, name: str) -> str:
        """The text called `name` as an id: one line of printable characters, not longer than
        LONGEST_ID.
        """
        text = self.text(name)
        if len(text) > LONGEST_ID or not text.isprintable():
            raise self.error(
                f"{quoted(text)} is not an id: expected at most {LONGEST_ID} printable characters"
            )
        return text

    def _value(self, name: str) -> Json:
        if name not in self.values:
            raise self.error(f"expected {name!r}, got {_some(self.values)}")
        return self.values[name]

    def _checked(self, name: str, value: Json) -> str:
        if not isinstance(value, str):
            raise self.error(
                f"expected {name!r} to be text, got {quoted(value)}; write it in quotes"
            )
        text = value.strip()
        if not text:
            raise self.error(f"{name!r} is empty: remove the row or write what is missing")
        if "\0" in text or not (text.isascii() or _encodes(text)):
            raise self.error(
                f"{name!r} holds a NUL or half a surrogate pair, which is not valid text: {quoted(text)}"
            )
        return text


def find_file(folder: Path, *names: str) -> Path | None:
    """The first of `names` that lies in `folder`, or else directly in one of its subfolders; None
    when none does.

    Raises DataError when there is no such folder, and when two subfolders have a file of that name.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"expected a folder with annotations, {folder} {what}")
    for name in names:
        if (folder / name).exists():
            return folder / name
        below = sorted(
            path for path in folder.glob(f"*/{name}") if not path.parent.name.startswith(".")
        )
        if len(below) > 1:
            raise DataError(
                f"{name} lies in {below[0].parent} and in {below[1].parent}: name one of these "
                "folders"
            )
        if below:
            return below[0]
    return None


def need_file(folder: Path, *names: str) -> Path:
    """Like `find_file`, but DataError says which names were tried when there is none."""
    found = find_file(folder, *names)
    if found is None:
        raise DataError(f"{folder} has no {' or '.join(names)} (nor a subfolder with it)")
    return found


def read_text(path: Path) -> str:
    """A UTF-8 text file, with or without a byte order mark.

    Raises DataError: absent, a folder or no regular file, unreadable, over MAX_BYTES, not UTF-8
    (says the byte and the line), a NUL byte in it.
    """
    if not path.is_file():
        what = (
            "is a folder"
            if path.is_dir()
            else "is no regular file"
            if path.exists()
            else "does not exist"
        )
        raise DataError(f"expected an annotation file, {path} {what}")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(
                f"{path} has {size:,} bytes, more than the {MAX_BYTES:,} an annotation file may "
                "have"
            )
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); check its permissions and its disk"
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path}, line {line}: a NUL byte, so this is not UTF-8 text; copy the file again"
        )
    return text


def parse_json(text: str, path: Path, first_line: int = 1) -> Json:
    """JSON text to values; DataError names line and column, a key that occurs twice in one object,
    too deep nesting.
    """
    twice: list[str] = []

    def as_dict(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        value = dict(pairs)
        if len(value) < len(pairs):
            names = [name for name, _ in pairs]
            twice.append(next(name for number, name in enumerate(names) if name in names[:number]))
        return value

    try:
        value = json.loads(text, object_pairs_hook=as_dict)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise DataError(
            f"{path}, line {line}, column {error.colno}: not JSON ({error.msg})"
        ) from error
    except RecursionError as error:
        raise DataError(
            f"{path}, line {first_line}: nested too deeply to be annotations"
        ) from error
    except ValueError as error:  # a whole number of thousands of digits
        raise DataError(
            f"{path}, line {first_line}: not JSON that can be read ({error})"
        ) from error
    if twice:
        raise DataError(
            f"{path}, line {first_line} on: the key {quoted(twice[0])} occurs twice in one object"
        )
    return value


def read_json(path: Path) -> Json:
    """The value of a JSON file; see `parse_json`."""
    return parse_json(read_text(path), path)


def json_object(path: Path, value: Json, place: str = "") -> dict[str, Json]:
    """`value` as an object; DataError when it is something else. `place`: its name in the file."""
    if not isinstance(value, dict):
        raise DataError(
            f"{path}{place and ', ' + place}: expected an object {{...}}, got {quoted(value)}"
        )
    return value


def json_rows(path: Path, value: Json, place: str = "") -> Iterator[Row]:
    """The rows of a JSON list of objects, at least one."""
    if not isinstance(value, list) or not value:
        came = "an empty list" if value == [] else quoted(value)
        raise DataError(
            f"{path}{place and ', ' + place}: expected a list [...] of objects, got {came}"
        )
    for number, item in enumerate(value):
        here = f"{place}[{number}]"
        yield Row(path, here, json_object(path, item, here))


def keyed_rows(path: Path) -> Iterator[Row]:
    """The entries of a JSON file {id: value} as rows with the values "id" and "value", at least
    one.
    """
    entries = json_object(path, read_json(path))
    if not entries:
        raise DataError(f"{path} holds no entry: expected {{id: ...}}")
    for name, value in entries.items():
        yield Row(path, f"[{quoted(name)}]", {"id": name, "value": value})


def read_lines(path: Path) -> Iterator[Row]:
    """The lines of a text file as rows with one value, "line"; blank lines pass, but a file of them
    does not.
    """
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path} is empty")
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield Row(path, f"line {number}", {"line": line.removesuffix("\r")})


def read_jsonl(path: Path) -> Iterator[Row]:
    """The rows of a file with one JSON object per line; blank lines pass."""
    for row in read_lines(path):
        value = parse_json(row.values["line"], path, int(row.place.removeprefix("line ")))
        yield replace(row, values=json_object(path, value, row.place))


def read_ids(path: Path) -> list[Row]:
    """The lines of a list of ids, as rows with one value, "line". DataError for one that stands
    twice.
    """
    return unique(read_lines(path), "line")


def read_csv(
    path: Path, columns: Sequence[str], delimiter: str = ",", otherwise: str = ""
) -> Iterator[Row]:
    """The rows of a CSV file with a header that has at least `columns`; a row's place is the line
    it begins in. otherwise: what to do with a file that lacks some of them.

    Raises DataError: columns absent or twice, too many or too few fields, a stray quote.
    """
    line, rows = 1, 0
    header: list[str] = []
    try:
        for fields, last in csv_fields(read_text(path), delimiter):
            place, line = f"line {line}", last + 1
            if not any(field.strip() for field in fields):
                continue
            if header:
                rows += 1
                yield Row(path, place, _named(Row(path, place, {}), header, fields))
                continue
            header = [field.strip() for field in fields]
            _check_header(Row(path, place, {}), header, columns, otherwise)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {line}: not CSV ({error}); quote texts that hold commas or quotes"
        ) from error
    if not rows:
        raise DataError(
            f"{path} holds no row: expected a header with {', '.join(columns)}, and rows below it"
        )


def csv_fields(text: str, delimiter: str = ",") -> Iterator[tuple[list[str], int]]:
    """The fields of every row of CSV text, of any length, and the number of its last line. Raises
    csv.Error.

    The csv module has one limit for the whole process, 131,072 characters a field; it is lifted for
    each row and then as it was.

    >>> [len(fields[0]) for fields, _ in csv_fields("x" * 200_000)]
    [200000]
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        with _FIELD_LIMIT:
            limit = csv.field_size_limit(MAX_BYTES)
            try:
                fields = next(reader, None)
            finally:
                csv.field_size_limit(limit)
        if fields is None:
            return
        yield fields, reader.line_num


def read_tabbed(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file without a header whose fields stand between tabs; nothing is quoted."""
    for row in read_lines(path):
        fields = row.values["line"].split("\t")
        while len(fields) > len(columns) and not fields[-1].strip():
            fields.pop()
        yield replace(row, values=_named(row, columns, fields))


def unique(rows: Iterable[Row], name: str) -> list[Row]:
    """The rows, whose ids called `name` must differ; DataError names the second of two and where
    the first stands.
    """
    first: dict[str, Row] = {}
    for row in rows:
        here = row.name(name)
        if here in first:
            raise row.error(
                f"{quoted(here)} was listed already ({first[here].place}); remove one of the two"
            )
        first[here] = row
    return list(first.values())


def _named(row: Row, columns: Sequence[str], fields: list[str]) -> dict[str, str]:
    if len(fields) != len(columns):
        raise row.error(f"expected {len(columns)} fields ({_some(columns)}), got {len(fields)}")
    return dict(zip(columns, fields, strict=True))


def _check_header(row: Row, header: list[str], columns: Sequence[str], otherwise: str) -> None:
    lacking = [name for name in columns if name not in header]
    if lacking:
        raise row.error(
            f"expected the columns {', '.join(columns)}; no {', '.join(lacking)} in {_some(header)}"
            + (f"; {otherwise}" if otherwise else "")
        )
    if len(set(header)) < len(header):
        raise row.error(f"a column occurs twice: {_some(sorted(header))}")


def _some(names: Iterable[str]) -> str:
    return quoted(", ".join(list(names)[:_CANDIDATES])) if names else "nothing"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
