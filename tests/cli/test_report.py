"""`finereel report`."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from records import make_record, random_scores

from finereel.evaluation.exports import FORMATS, export, table
from finereel.evaluation.exports.picture import Axis
from finereel.evaluation.record_files import load_record, save_record


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    for number in range(2):
        save_record(
            make_record(random_scores(30, 30, number), f"run {number}"), tmp_path / str(number)
        )
    return [tmp_path / "0", tmp_path / "1"]


@pytest.mark.parametrize("form", FORMATS)
def test_stdout_and_file_hold_the_export(
    run: Any, runs: list[Path], tmp_path: Path, form: str
) -> None:
    expected = export([load_record(folder) for folder in runs], form).encode()
    assert run("report", *runs, "--format", form).stdout_bytes == expected
    result = run("report", *runs, "--format", form, "--out", tmp_path / "deep" / "table")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "deep" / "table").read_bytes() == expected


def test_trec_files_go_into_a_folder_each(run: Any, runs: list[Path], tmp_path: Path) -> None:
    result = run("report", *runs, "--format", "trec", "--out", tmp_path / "trec")
    files = [Path(line) for line in result.stdout.splitlines()]
    assert len(files) == 10
    assert all(file.stat().st_size for file in files)
    assert {file.parent.name for file in files} == {"run-1", "run-2"}
    assert "--out DIR" in run("report", *runs, "--format", "trec").stderr


def test_unknown_formats_are_explained(run: Any, runs: list[Path]) -> None:
    result = run("report", *runs, "--format", "xml")
    assert result.exit_code == 1
    assert "csv, json, latex, markdown" in result.stderr


def test_the_picture_has_a_dot_per_row_where_its_value_is(
    run: Any, runs: list[Path], tmp_path: Path
) -> None:
    assert run("report", *runs, "--picture", tmp_path / "p.png").exit_code == 0
    picture = Image.open(tmp_path / "p.png").convert("RGB")
    rows = table([load_record(folder) for folder in runs])
    axis = Axis.around(rows)
    colours = {"text_to_video": (0x1F, 0x6F, 0xEB), "video_to_text": (0xC2, 0x41, 0x0C)}
    for number, row in enumerate(rows):
        place = (round(axis.place(row.metrics["R@1"])), 64 + 46 * number + 23)
        assert picture.getpixel(place) == colours[row.direction]
        above = (place[0], place[1] - 4)
        assert picture.getpixel(above) == colours[row.direction]


@pytest.mark.parametrize("skill", [-50.0, 0.0, 50.0])
def test_the_axis_holds_every_interval(skill: float) -> None:
    rows = table([make_record(random_scores(20, 20, 0, skill))])
    axis = Axis.around(rows)
    assert 0 <= axis.low < axis.high <= 100
    assert len(axis.ticks) <= 10
    for row in rows:
        assert row.interval is not None
        assert axis.low <= row.interval.low <= row.interval.high <= axis.high
