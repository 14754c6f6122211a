"""What every form of file owes: known by its content, read and written without loss, whole or not
at all.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError, FinereelError
from finereel.finegrain.files import FORMATS, read_negatives, recognise, write_negatives
from finereel.finegrain.files.base import Known
from finereel.finegrain.types import CHANGES, Negative
from tiny_negatives import CAPTIONS, FILES, KNOWN

ADVERB = Negative(
    "n/0",
    "video7",
    "video7#0",
    "a man runs fast",
    "a man runs slowly",
    "adverb",
    11,
    15,
    "fast",
    "slowly",
    "set",
)


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(form: str, tmp_path: Path) -> Path:
    name, text = FILES[form]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def same(form: str, first: Path, second: Path) -> bool:
    """Whether two files are alike to the byte; the native one may differ in what it escapes."""
    if form == "jsonl":
        lines = [path.read_text(encoding="utf-8").strip().split("\n") for path in (first, second)]
        return [*map(json.loads, lines[0])] == [*map(json.loads, lines[1])]
    return first.read_bytes() == second.read_bytes()


def test_every_form_has_a_file_to_test_with() -> None:
    assert FILES.keys() == FORMATS.keys()


def test_a_file_is_known_by_its_content(form: str, file: Path) -> None:
    assert recognise(file) == form


def test_written_again_it_is_the_same(form: str, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / file.name
    write_negatives(read_negatives(file, form, KNOWN), out, form)
    assert same(form, file, out)


def test_through_the_native_form_and_back(form: str, file: Path, tmp_path: Path) -> None:
    rows = read_negatives(file, None, KNOWN)
    write_negatives(rows, tmp_path / "native.jsonl")
    native = read_negatives(tmp_path / "native.jsonl")
    assert native == rows
    out = tmp_path / "out" / file.name
    write_negatives(native, out, form)
    assert same(form, file, out)


def test_rows_say_what_changed(form: str, file: Path) -> None:
    rows = read_negatives(file, form, KNOWN)
    assert len({row.id for row in rows}) == len(rows) > 0
    for row in rows:
        assert row.caption[row.start : row.end] == row.source
        assert row.replacement in row.negative
        assert row.pos in CHANGES
        assert row.video_id
        assert row.caption_id
        assert row.method


def test_one_caption_has_one_id(form: str, file: Path) -> None:
    """Also where the form gives none, and also next to the captions of the data set."""
    by_text: dict[tuple[str, str], set[str]] = {}
    for row in read_negatives(file, form, KNOWN):
        by_text.setdefault((row.video_id, row.caption), set()).add(row.caption_id)
        if (row.video_id, row.caption) == ("video7", CAPTIONS["video7#0"].text):
            assert row.caption_id == "video7#0"
    assert all(len(ids) == 1 for ids in by_text.values())


def test_rows_from_elsewhere_keep_their_texts(form: str, tmp_path: Path) -> None:
    name = FILES[form][0]
    rows = [
        replace(ADVERB, id=f"n/{number}", negative=f"a man runs {word}")
        for number, word in enumerate("pqrs")
    ]
    write_negatives(rows, tmp_path / name, form)
    known = Known({"video7#0": Caption("video7#0", "video7", "a man runs fast")})
    back = read_negatives(tmp_path / name, form, known)
    texts = [(row.video_id, row.caption_id, row.caption, row.negative) for row in back]
    assert texts == [(row.video_id, row.caption_id, row.caption, row.negative) for row in rows]
    assert recognise(tmp_path / name) == form


def test_a_failed_write_leaves_what_was_there(form: str, tmp_path: Path) -> None:
    path = tmp_path / FILES[form][0]
    path.write_text("old")

    def failing() -> Iterator[Negative]:
        yield ADVERB
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_negatives(failing(), path, form)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_folder_is_no_file_to_write(form: str, tmp_path: Path) -> None:
    rows = [ADVERB] * 4
    with pytest.raises(FinereelError, match=r"folder|category"):
        write_negatives(rows, tmp_path, form)


BROKEN: dict[str, Any] = {
    "empty": "",
    "blank": " \n\n",
    "no JSON": "{",
    "a number": "3",
    "an empty object": "{}",
    "an empty list": "[]",
    "null": "null",
    "a list of numbers": "[1, 2]",
    "an object of numbers": '{"a": 1}',
    "a list of lists": "[[[[]]]]",
    "nested": "[" * 50_000,
    "NUL": "\0",
    "not UTF-8": b"\xff\xfe{\x00}\x00",
    "one line": "x" * 100_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_say_where(form: str, file: Path, kind: str) -> None:
    text = BROKEN[kind]
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=file.name) as caught:
        read_negatives(file, form, KNOWN)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".tsv", ".csv", ".txt"])
def test_broken_files_have_no_form(tmp_path: Path, kind: str, ending: str) -> None:
    text, path = BROKEN[kind], tmp_path / f"a{ending}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=path.name):
        recognise(path)


def test_absent_file_and_folder(form: str, tmp_path: Path) -> None:
    for path in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(FinereelError, match=r"gone|folder"):
            read_negatives(path, form, KNOWN)


@pytest.mark.parametrize("text", ["", " ", 3, None, "\0", "\ud800"])
def test_a_caption_or_negative_that_is_none(form: str, file: Path, text: Any) -> None:
    """The first negative of each file becomes something else."""
    if form in ("contrast", "negclip"):
        pytest.skip("texts in tables are tested below")
    first = read_negatives(file, form, KNOWN)[0].negative
    whole = file.read_text(encoding="utf-8")
    assert json.dumps(first, ensure_ascii=False) in whole
    file.write_text(
        whole.replace(json.dumps(first, ensure_ascii=False), json.dumps(text)), encoding="utf-8"
    )
    with pytest.raises(DataError, match=file.name):
        read_negatives(file, form, KNOWN)


def test_unknown_forms_are_listed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'sugar': expected one of aro"):
        read_negatives(tmp_path / "a", "sugar")
    with pytest.raises(ConfigError, match="'sugar': expected one of aro"):
        write_negatives([], tmp_path / "a", "sugar")
