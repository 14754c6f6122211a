"""Captions in: CSV and JSONL."""

import csv
import io
import json
from pathlib import Path

import pytest

from finereel.data.base import Caption
from finereel.data.sources import captions_by_id, read_captions
from finereel.errors import DataError

HOSTILE = [
    " a dog ",
    '=HYPERLINK("http://x","dog")',
    "<b>a dog</b> &amp; cat",
    'a\tdog,\r\n"quoted"\x1b[31m\x07\u2028',
    "דלג 犬 🐕‍🦺",
    "dog " * 10_000,
]


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    path.write_bytes(out.getvalue().encode())
    return path


@pytest.fixture(params=["c.csv", "c.jsonl", "C.CSV"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.mark.parametrize("caption", HOSTILE)
def test_hostile_captions_are_carried_unharmed(path: Path, caption: str) -> None:
    written(path, [{"split": "x", "id": "a", "video_id": "v", "caption": caption}])
    assert list(read_captions(path)) == [Caption("a", "v", caption)]


def test_order_and_ids(path: Path) -> None:
    rows = [
        {"id": name, "video_id": "v", "caption": "same"}
        for name in ("b", "a", "video7#0", "-x##*##1")
    ]
    written(path, rows)
    assert list(captions_by_id(read_captions(path))) == ["b", "a", "video7#0", "-x##*##1"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("id", ""), ("video_id", " "), ("caption", ""), ("caption", " \t"), ("id", "a\x07")],
)
def test_what_is_empty_or_no_id_is_named_with_its_line(path: Path, name: str, value: str) -> None:
    good = {"id": "a", "video_id": "v", "caption": "a dog"}
    written(path, [good, {**good, "id": "b", name: value}])
    with pytest.raises(DataError, match=rf"{path.name}, line (2|3): "):
        list(read_captions(path))


def test_ids_that_stand_twice_name_both_lines(path: Path) -> None:
    rows = [{"id": "a", "video_id": "v", "caption": text} for text in ("a dog", "a cat")]
    first = 1 if path.suffix == ".jsonl" else 2
    with pytest.raises(
        DataError, match=rf"line {first + 1}: 'a' was listed already \(line {first}\)"
    ):
        list(read_captions(written(path, rows)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "id,video_id\na,b\n",
        "id,video_id,caption\n",
        "a dog\n",
        "3\n",
        '{"id": 3}\n',
        "\0",
    ],
)
def test_broken_files(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(DataError, match=path.name):
        list(read_captions(path))


def test_other_kinds_of_file(tmp_path: Path) -> None:
    for path in (tmp_path / "a.json", tmp_path):
        with pytest.raises(DataError, match="video_id"):
            list(read_captions(path))
    with pytest.raises(DataError, match="does not exist"):
        list(read_captions(tmp_path / "a.csv"))


def test_a_file_for_a_folder_of_videos_says_how_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("video,caption\na.mp4,a dog runs\n")
    with pytest.raises(DataError, match=r"no id, video_id in .*; a file with .* --format folder"):
        list(read_captions(path))
