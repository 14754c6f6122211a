"""Records as Markdown, LaTeX, CSV and JSON: right numbers, and names that do no harm."""

import csv
import io
import json
import re

import pytest
from records import make_record, random_scores, renamed

from finereel.errors import ConfigError
from finereel.evaluation.exports import COLUMNS, FORMATS, escaped, export, in_latex, table
from finereel.io.spreadsheets import defused

RECORDS = [
    make_record(random_scores(20, 20, 0), "one"),
    make_record(random_scores(40, 20, 1), "two"),
]
NASTY = "=HYPERLINK(1)|a_b & 100% \\input{x}\n<script>"


def test_rows_are_the_records() -> None:
    rows = table(RECORDS)
    assert [(row.run, row.direction) for row in rows] == [
        (run, way) for run in ("one", "two") for way in ("text_to_video", "video_to_text")
    ]
    fused = RECORDS[1].row("text_to_video")
    assert rows[2].metrics["R@1"] == fused["R@1"]
    assert rows[2].interval is not None
    assert [rows[2].interval.low, rows[2].interval.high] == fused["intervals"]["R@1"]
    assert (rows[2].queries, rows[3].queries, rows[2].coverage, rows[2].protocol) == (
        40,
        20,
        "20/20",
        "none",
    )


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_every_run_protocol_and_coverage(form: str) -> None:
    text = export(RECORDS, form)
    assert all(
        word in text for word in ("one", "two", "none", "20/20", RECORDS[0].dataset.split_hash)
    )


def test_markdown_has_one_line_per_row_and_as_many_cells_as_columns() -> None:
    lines = export([renamed(RECORDS[0], NASTY)], "markdown").splitlines()
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(COLUMNS) + 1}
    assert "<script" not in lines[2]
    assert f"{RECORDS[0].row('text_to_video')['R@1']:.1f}" in lines[2]


def test_latex_has_one_line_per_row_and_no_command_of_a_name() -> None:
    text = export([renamed(RECORDS[0], NASTY)], "latex")
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 2
    assert all(len(re.findall(r"(?<!\\)&", line)) == len(COLUMNS) - 1 for line in body)
    assert r"\input" not in text
    assert r"100\%" in text
    assert not re.search(r"(?<!\\)%", text)
    assert text.startswith(r"\begin{tabular}{lllrrrrrr")


def test_a_first_cell_with_a_bracket_is_no_argument() -> None:
    assert "\n{}[a] & " in export([renamed(RECORDS[0], "[a]")], "latex")


def test_csv_reads_back_in_full_precision() -> None:
    rows = list(csv.DictReader(io.StringIO(export(RECORDS, "csv"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert float(rows[2]["R@1"]) == RECORDS[1].row("text_to_video")["R@1"]
    assert float(rows[3]["MnR"]) == RECORDS[1].row("video_to_text")["MnR"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r", " =", "＝"])
def test_csv_holds_no_formula(start: str) -> None:
    [row, _] = csv.DictReader(
        io.StringIO(export([renamed(RECORDS[0], start + "1+1")], "csv"), newline="")
    )
    assert row["run"].startswith("'")
    assert defused("plain =1") == "plain =1"


def test_json_is_the_record() -> None:
    [one, two] = json.loads(export(RECORDS, "json"))
    assert one["results"] == json.loads(json.dumps(RECORDS[0].results))
    assert (two["name"], two["dataset"]["coverage"], two["reload_verified"]) == (
        "two",
        "20/20",
        True,
    )


def test_escapes_leave_plain_text() -> None:
    assert in_latex("MSR-VTT 1k-A") == escaped("MSR-VTT 1k-A") == "MSR-VTT 1k-A"


def test_unknown_formats_list_the_known() -> None:
    with pytest.raises(ConfigError, match="csv, json, latex, markdown"):
        export(RECORDS, "xml")
