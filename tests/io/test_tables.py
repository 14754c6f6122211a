"""Reading annotation files: what was written comes back, and what cannot be read says where."""

import csv
import io
import json
import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import DataError
from finereel.io import tables
from finereel.io.tables import (
    Row,
    find_file,
    parse_json,
    quoted,
    read_csv,
    read_ids,
    read_json,
    read_jsonl,
    read_lines,
    read_tabbed,
    read_text,
)

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30
).filter(str.strip)
READERS = {
    "json": read_json,
    "jsonl": lambda path: list(read_jsonl(path)),
    "csv": lambda path: list(read_csv(path, ["a"])),
    "tabs": lambda path: list(read_tabbed(path, ["a", "b"])),
    "lines": lambda path: list(read_lines(path)),
    "ids": read_ids,
}


def written(tmp_path: Path, data: str | bytes, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_csv_round_trip(folder: Path, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("caption", "other"), *rows])
    found = list(read_csv(written(folder, out.getvalue()), ["caption"]))
    assert [(row.text("caption"), row.text("other")) for row in found] == [
        (a.strip(), b.strip()) for a, b in rows
    ]
    lines = out.getvalue().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for row, (first, _) in zip(found, rows, strict=True):
        begins = lines[int(row.place.removeprefix("line ")) - 1]
        assert first.splitlines()[0][:1] in begins or '"' in begins


@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_jsonl_round_trip(folder: Path, texts: list[str]) -> None:
    data = "".join(json.dumps({"caption": text}, ensure_ascii=False) + "\n\n" for text in texts)
    found = list(read_jsonl(written(folder, data)))
    assert [row.text("caption") for row in found] == [text.strip() for text in texts]
    assert [row.place for row in found] == [
        f"line {2 * number + 1}" for number in range(len(texts))
    ]


@given(data=st.binary(max_size=200))
@pytest.mark.parametrize("kind", READERS)
def test_any_bytes_are_read_or_refused(folder: Path, kind: str, data: bytes) -> None:
    path = written(folder, data)
    try:
        READERS[kind](path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
        assert len(str(error)) < len(str(path)) + 300  # noqa: PT017


@given(text=st.text(string.printable + "éß\u2028", max_size=60))
def test_quotes_are_short_and_on_one_line(text: str) -> None:
    assert quoted(text * 50).isprintable()
    assert len(quoted(text * 50)) <= 4 * tables.QUOTED + 5


@pytest.mark.parametrize("kind", READERS)
def test_no_regular_file(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        READERS[kind](tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a folder"):
        READERS[kind](tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no regular file"):
        READERS[kind](tmp_path / "pipe")
    with pytest.raises(DataError, match="does not exist"):
        READERS[kind](Path("a\0b"))


def test_lines_and_bytes_of_bad_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: byte 5 is not UTF-8"):
        read_text(written(tmp_path, b"abc\nd\xff\n"))
    with pytest.raises(DataError, match=r"line 3: a NUL byte"):
        read_text(written(tmp_path, b"a\nb\nc\0"))


def test_too_large_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 10)
    assert read_text(written(tmp_path, "x" * 10)) == "x" * 10
    with pytest.raises(DataError, match="11 bytes, more than the 10"):
        read_text(written(tmp_path, "x" * 11))


def test_broken_json_says_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2, column 6"):
        read_json(written(tmp_path, '{\n"a": x}'))
    with pytest.raises(DataError, match="line 3, column 5"):
        list(read_jsonl(written(tmp_path, '{"a": 1}\n\n{"a"; 2}\n')))


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"x": {"a": 1, "b": 3, "a": 2}}]'])
def test_a_key_twice(text: str) -> None:
    with pytest.raises(DataError, match="the key 'a' occurs twice"):
        parse_json(text, Path("a.json"))


def test_the_line_of_a_csv_row_is_where_it_begins(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,b\r\n\r\n1,"two\nlines"\r\n2,x,y\r\n')
    with pytest.raises(DataError, match="line 5: expected 2 fields"):
        list(read_csv(path, ["a"]))
    rows = read_csv(path, ["a"])
    assert next(rows).place == "line 3"


def test_a_row_that_breaks_off_says_where_it_begins(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 3: not CSV"):
        list(read_csv(written(tmp_path, 'a\n1\n"open\nand on\nand on\n'), ["a"]))


def test_a_csv_field_of_any_length_and_the_limit_of_the_process_stays(tmp_path: Path) -> None:
    limit, long = csv.field_size_limit(), "word " * 50_000
    rows = read_csv(written(tmp_path, f"a,b\n1,{long}x\n2,y\n"), ["b"])
    assert next(rows).values["b"] == f"{long}x"
    assert csv.field_size_limit() == limit
    assert next(rows).values["b"] == "y"
    with pytest.raises(DataError, match="line 2: not CSV"):
        list(read_csv(written(tmp_path, f'a\n"{long}"x\n'), ["a"]))
    assert csv.field_size_limit() == limit


def test_tabs_are_fields_and_quotes_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, 'x\t"says\t\n\ny\tz\r\n')
    assert [(row.place, dict(row.values)) for row in read_tabbed(path, ["a", "b"])] == [
        ("line 1", {"a": "x", "b": '"says'}),
        ("line 3", {"a": "y", "b": "z"}),
    ]
    with pytest.raises(DataError, match="line 3: expected 3 fields"):
        list(read_tabbed(path, ["a", "b", "c"]))


def test_ids_stand_once_and_are_names(tmp_path: Path) -> None:
    assert [row.name("line") for row in read_ids(written(tmp_path, "-a\n b \r\n"))] == ["-a", "b"]
    with pytest.raises(DataError, match=r"line 3: 'a' was listed already \(line 1\)"):
        read_ids(written(tmp_path, "a\nb\na\n"))
    with pytest.raises(DataError, match=r"line 1: .* is not an id"):
        read_ids(written(tmp_path, "a\x1bb\n"))


def test_values_of_a_row() -> None:
    row = Row(Path("a.json"), "[3]", {"text": " x ", "number": 3, "list": ["a", 4], "none": []})
    assert row.text("text") == "x"
    for complaint, call in (
        ("expected 'gone', got 'text, number, list, none'", lambda: row.text("gone")),
        ("expected 'number' to be text, got a number", lambda: row.text("number")),
        ("expected 'text' to be a list of texts, got ' x '", lambda: row.texts("text")),
        (r"expected 'list\[1\]' to be text, got a number", lambda: row.texts("list")),
        ("expected 'none' to be a list of texts, got an empty list", lambda: row.texts("none")),
    ):
        with pytest.raises(DataError, match=rf"^a.json, \[3\]: {complaint}"):
            call()


def test_files_are_found_in_the_folder_before_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / ".hidden").mkdir()
    written(tmp_path / ".hidden", "", "a.txt")
    assert find_file(tmp_path, "a.txt") is None
    written(tmp_path / "two", "", "a.txt")
    assert find_file(tmp_path, "b.txt", "a.txt") == tmp_path / "two" / "a.txt"
    written(tmp_path / "one", "", "a.txt")
    with pytest.raises(DataError, match=r"lies in .*one and in .*two"):
        find_file(tmp_path, "a.txt")
    written(tmp_path, "", "a.txt")
    assert find_file(tmp_path, "a.txt") == tmp_path / "a.txt"
