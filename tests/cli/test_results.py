"""Ranked results on any screen: rank, file, time and score are always there, whatever the names."""

from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from finereel.cli.table import Column, fitted, shorten

ODD = [
    "/v/" + "deep/" * 30 + "clip.mp4",
    "/v/日本語の動画ファイル名がとても長い場合.mp4",
    "/v/😀🎉.mp4",
    "/v/שלום עולם.mp4",
    "/v/a\nb\tc\x1b[2J\x1b]0;title\x07\u202egpj.mp4",
    "/v/broken\udcff.mp4",
]


@pytest.fixture
def odd_hits(library: Any) -> Any:
    library.hits = [replace(library.hits[0], video=name, start=62.04, end=72.04) for name in ODD]
    library.confidence = None
    return library


@pytest.mark.parametrize("columns", [40, 60, 80, 110, 200])
def test_rank_name_time_and_score_stay_at_any_width(run: Any, odd_hits: Any, columns: int) -> None:
    header, *lines = run("search", "a cat", env={"COLUMNS": str(columns)}).stdout.splitlines()
    assert len(lines) == len(ODD)
    assert all(cell_len(line) <= columns for line in (header, *lines))
    for rank, line in enumerate(lines, 1):
        assert line.startswith(f"{rank} ")
        assert "1:02.0-1:12.0" in line
        assert "0.700" in line
    place = {cell_len(line[: line.index("1:02.0")]) for line in lines}
    assert len(place) == 1, "names of wide letters or control characters must not move the columns"
    assert lines[0].split()[1].endswith("mp4"), "the end of a name tells most"


def test_the_best_moment_is_shown_where_there_is_room(run: Any, library: Any) -> None:
    header, first, *_ = run("search", "a cat", env={"COLUMNS": "60"}).stdout.splitlines()
    assert "best" in header
    assert "0:12.5" in first


def test_nothing_in_a_name_steers_the_terminal(run: Any, odd_hits: Any) -> None:
    for env in ({"COLUMNS": "60"}, {}):
        shown = run("search", "a cat", env=env).stdout
        assert not set("\x1b\x07\t\r\u202e") & set(shown)


def test_piped_output_is_not_shortened(run: Any, odd_hits: Any) -> None:
    odd_hits.hits = [replace(odd_hits.hits[0], copies=("/v/" + "x" * 300 + ".mp4",))]
    shown = run("search", "a cat").stdout
    assert ODD[0] in shown
    assert "x" * 300 in shown
    assert "…" not in shown


def test_copies_are_one_line(run: Any, library: Any) -> None:
    library.hits = [
        replace(library.hits[0], copies=("/v/b.mp4", "/v/c.mp4")),
        replace(library.hits[1], copies=("/d",)),
    ]
    lines = run("search", "a cat", env={"COLUMNS": "80"}).stdout.splitlines()
    assert lines[2].strip() == "and 2 copies: /v/b.mp4, /v/c.mp4"
    assert lines[4].strip() == "and 1 copy: /d"


def test_a_screen_too_small_for_anything_still_gets_a_line_per_hit(run: Any, library: Any) -> None:
    library.confidence = None
    assert len(run("search", "a cat", env={"COLUMNS": "5"}).stdout.splitlines()) == 4


def test_parts_go_first_then_extras() -> None:
    name = Column("video", ("x" * 40,), shrinks=True)
    others = [
        Column("best", ("0:01.0",), extra=True),
        Column("video-sentence", (" 0.500",), part=True),
    ]
    assert [column.name for column in fitted([name, *others], 70)] == [
        "video",
        "best",
        "video-sentence",
    ]
    assert [column.name for column in fitted([name, *others], 39)] == ["video", "best", "v-sent"]
    assert [column.name for column in fitted([name, *others], 32)] == ["video", "best"]
    assert [column.name for column in fitted([name, *others], 20)] == ["video"]


@pytest.mark.parametrize("width", range(1, 20))
def test_a_shortened_text_fits(width: int) -> None:
    assert cell_len(shorten("日本語 and English 😀.mp4", width)) <= width
    assert cell_len(shorten("日本語 and English 😀.mp4", width, keep_end=False)) <= width
