"""Caption files of every kind, and what is said about broken ones."""

from pathlib import Path

import pytest

from finereel.cli.captions import read_captions
from finereel.errors import DataError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.txt", "\ufeffa dog\na cat\n"),
        ("c.json", '["a dog", "a cat", ""]'),
        ("c.jsonl", '{"caption": "a dog"}\n\n{"caption": "a cat", "video": 1}\n'),
        ("c.csv", 'file,caption\nx.mp4,"a dog"\ny.mp4,a cat\n'),
    ],
)
def test_caption_files(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert read_captions(path) == ["a dog", "a cat"]


def test_a_quoted_csv_caption_may_span_lines(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text('caption\n"a dog\nruns"\n', encoding="utf-8")
    assert read_captions(path) == ["a dog\nruns"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.txt", b"\n \n", "no caption"),
        ("c.txt", b"\xff\xfe", "UTF-8"),
        ("c.json", b'{"a": 1}', "JSON list of strings"),
        ("c.json", b"[1]", "JSON list of strings"),
        ("c.json", b"[" * 100_000, "not JSON"),
        ("c.jsonl", b'{"caption": "a"}\n{', "line 2"),
        ("c.jsonl", b'{"text": "a"}', "field 'caption'"),
        ("c.csv", b"file,text\nx,y\n", "column 'caption'"),
        ("c.csv", b'caption\n"never closed\n', "not CSV"),
        ("c.csv", b"", "column 'caption'"),
    ],
)
def test_bad_caption_files_name_the_place(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_captions(path)
