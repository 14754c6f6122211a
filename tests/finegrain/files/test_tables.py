"""Forms that are tables, and forms with one file per category."""

from dataclasses import replace
from pathlib import Path

import pytest

from finereel.errors import ConfigError, DataError
from finereel.finegrain.files import read_negatives, recognise, write_negatives
from finereel.finegrain.files.contrast import COLUMNS
from finereel.finegrain.types import Negative
from tiny_negatives import FILES

ROW = Negative("a", "v", "v#0", "a dog", "a cat", "noun", 2, 5, "dog", "cat", "set")


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_contrast_is_what_shares_most_words(tmp_path: Path) -> None:
    path = tmp_path / FILES["contrast"][0]
    path.write_text(FILES["contrast"][1])
    rows = read_negatives(path)
    assert [(row.method, row.negative) for row in rows[:4]] == [
        ("distractor", "rain"),
        ("contrast", "a man washes a doll"),
        ("distractor", "snow"),
        ("distractor", "ice"),
    ]
    assert rows[1].scores == {"shared_words": 0.8}
    assert (rows[1].source, rows[1].replacement, rows[1].pos) == ("wraps", "washes", "other")


@pytest.mark.parametrize(
    "line",
    [
        "v\ta\tb\tc\td\te\t5",
        "v\ta\tb\tc\td\te\t-1",
        "v\ta\tb\tc\td\te\tx",
        "v\ta\tb\tc\td\t1",
        "v\ta\t \tc\td\te\t1",
    ],
)
def test_contrast_rows_that_are_none(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match="line 2"):
        read_negatives(written(tmp_path / "x.tsv", "\t".join(COLUMNS), line))


def test_a_contrast_set_holds_four_of_each_without_tabs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"four negatives .* got 1 of v#0"):
        write_negatives([ROW], tmp_path / "x.tsv", "contrast")
    with pytest.raises(ConfigError, match="tab"):
        write_negatives([replace(ROW, negative="a\tcat")] * 4, tmp_path / "x.tsv", "contrast")


@pytest.mark.parametrize(
    "text", ["3", "['a', 3]", "['a'", "[" * 300, "['']", "[]", "__import__('os')", "a cat"]
)
def test_lists_that_are_none(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "x.tsv", "title\tfilepath\tneg_caption", f"a dog\t1.jpg\t{text}")
    with pytest.raises(DataError, match="line 2"):
        read_negatives(path)


def test_negclip_keeps_the_negatives_of_a_caption_together(tmp_path: Path) -> None:
    rows = [
        ROW,
        replace(ROW, id="b", negative="a 'cow'\n\t\""),
        replace(ROW, id="c", caption_id="v#1"),
    ]
    write_negatives(rows, tmp_path / "x.tsv", "negclip")
    back = read_negatives(tmp_path / "x.tsv")
    assert [row.negative for row in back] == [row.negative for row in rows]
    assert [row.extra["row"] for row in back] == [0, 0, 1]


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl"])
def test_velociti_rows_in_three_kinds_of_file(tmp_path: Path, ending: str) -> None:
    rows = [
        replace(
            ROW,
            caption='=1+1, "a" <b>',
            negative="a\ncat",
            start=0,
            end=0,
            source="",
            method="coref",
        )
    ]
    path = tmp_path / f"x{ending}"
    write_negatives(rows, path, "velociti")
    assert recognise(path) == "velociti"
    (back,) = read_negatives(path)
    assert (back.caption, back.negative, back.method) == (
        rows[0].caption,
        rows[0].negative,
        "coref",
    )
    again = tmp_path / f"y{ending}"
    write_negatives([back], again, "velociti")
    assert again.read_bytes() == path.read_bytes()


def test_the_name_of_a_file_is_its_category(tmp_path: Path) -> None:
    path = tmp_path / "swap_att.json"
    path.write_text(FILES["sugarcrepe"][1])
    rows = read_negatives(path)
    assert [(row.id, row.method) for row in rows] == [
        ("swap_att/0", "swap_att"),
        ("swap_att/2", "swap_att"),
    ]


def test_rows_of_two_categories_are_two_files(tmp_path: Path) -> None:
    rows = []
    for name in ("swap_att.json", "swap_obj.json"):
        (tmp_path / name).write_text(FILES["sugarcrepe"][1])
        rows += read_negatives(tmp_path / name)
    with pytest.raises(ConfigError, match="one category"):
        write_negatives(rows, tmp_path / "x.json", "sugarcrepe")


def test_the_second_true_caption_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(FILES["sugarcrepe_pp"][1])
    assert read_negatives(path)[0].extra["caption2"] == "One cat."


def test_captions_of_any_length_go_through_negclip_and_back(tmp_path: Path) -> None:
    long = "a dog " + "word " * 10_000 + "end"
    rows = [
        replace(ROW, id=f"a{n}", caption=long, negative=long.replace("dog", f"cat{n}"))
        for n in range(20)
    ]
    write_negatives(rows, tmp_path / "long.tsv", "negclip")
    assert recognise(tmp_path / "long.tsv") == "negclip"
    found = read_negatives(tmp_path / "long.tsv")
    assert [(row.caption, row.negative) for row in found] == [
        (row.caption, row.negative) for row in rows
    ]


def test_a_broken_header_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: not CSV"):
        recognise(written(tmp_path / "a.csv", '"id"x,video_id'))
