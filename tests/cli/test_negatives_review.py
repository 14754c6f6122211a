"""`finereel negatives review`: every way to call it, and a served review stopped by Ctrl-C."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finereel.finegrain.files import write_negatives
from finereel.finegrain.review.verdicts import (
    Item,
    Judgement,
    Sampling,
    VerdictLog,
    VerdictName,
    open_log,
    read_verdicts,
    review_items,
    verdict_path,
)
from finereel.finegrain.types import PARTS_OF_SPEECH, Negative
from support.media import Recipe, make_video

Run = Callable[..., Any]


@pytest.fixture
def rows() -> list[Negative]:
    return [
        Negative(
            f"{pos}{word}",
            "v",
            "v#0",
            "a dog runs",
            f"a {word} runs",
            pos,
            2,
            5,
            "dog",
            word,
            "test",
        )
        for pos in PARTS_OF_SPEECH
        for word in ("cat", "cow", "<b>", "=1+1")
    ]


@pytest.fixture
def file(tmp_path: Path, rows: list[Negative]) -> Path:
    write_negatives(rows, tmp_path / "neg.jsonl")
    return tmp_path / "neg.jsonl"


@pytest.fixture
def items(rows: list[Negative]) -> tuple[Item, ...]:
    return review_items(rows, Sampling())


def judge(file: Path, items: tuple[Item, ...], rater: str, verdicts: list[VerdictName]) -> None:
    log = VerdictLog(verdict_path(file, rater), rater)
    for item, verdict in zip(items, verdicts, strict=False):
        log.add(Judgement(item.key, item.row.id, item.row.pos, rater, verdict))


def test_the_page_is_written_with_stills(run: Run, file: Path, tmp_path: Path) -> None:
    make_video(tmp_path / "v.mp4", Recipe(frames=30))
    out = tmp_path / "out" / "page.html"
    result = run(
        "negatives", "review", file, "--videos", tmp_path, "--export", out, "--frames", 3, "--json"
    )
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["items"], told["videos"], told["bytes"]) == (20, 1, out.stat().st_size)
    assert out.read_bytes().count(b"data:image/jpeg;base64,") == 3


@pytest.mark.parametrize("option", ["--export", "--export-label-studio"])
def test_the_negatives_are_not_overwritten(run: Run, file: Path, option: str) -> None:
    before = file.read_bytes()
    result = run("negatives", "review", file, option, file)
    assert (result.exit_code, file.read_bytes()) == (1, before)
    assert "would overwrite it" in result.stderr


def test_a_sample_is_drawn_and_missing_videos_are_told(
    run: Run, file: Path, tmp_path: Path
) -> None:
    make_video(tmp_path / "other.mp4", Recipe(frames=5))
    result = run(
        "negatives",
        "review",
        file,
        "--videos",
        tmp_path,
        "--sample",
        2,
        "--export",
        tmp_path / "p.html",
    )
    assert "10 of 20 negatives, at most 2 per part of speech" in result.stderr
    assert "1 of 1 videos not found, first v" in result.stderr


def test_agreement_of_two_names(run: Run, file: Path, items: tuple[Item, ...]) -> None:
    judge(
        file,
        items,
        "anna",
        ["valid"] * 12 + ["also_true"] * 4 + ["ungrammatical", "ungrammatical", "unsure", "unsure"],
    )
    judge(
        file,
        items,
        "bob",
        ["valid"] * 10
        + ["unsure"] * 2
        + ["also_true"] * 4
        + ["ungrammatical"] * 2
        + ["also_true"] * 2,
    )
    result = run("negatives", "review", file, "--agreement", "anna", "bob", "--json")
    told = json.loads(result.stdout)
    assert told["agreement"]["all"]["kappa"] == pytest.approx((0.8 - 0.38) / (1 - 0.38))  # by hand
    assert set(told["agreement"]) == {*PARTS_OF_SPEECH, "all"}
    assert told["raters"]["anna"]["all"]["valid"]["count"] == 12
    assert len(told["disagreements"]) == 4
    table = run("negatives", "review", file, "--agreement", "anna", verdict_path(file, "bob"))
    assert "0.677" in table.stdout
    assert "4 items to talk about" in table.stdout
    assert "\nall: rows anna, columns " in table.stdout
    assert "\ufffd" not in table.stdout
    assert all(pos in table.stdout for pos in PARTS_OF_SPEECH)


def test_agreement_without_variety_is_called_undefined(
    run: Run, file: Path, items: tuple[Item, ...]
) -> None:
    for rater in ("anna", "bob"):
        judge(file, items, rater, ["valid"] * 20)
    result = run("negatives", "review", file, "--agreement", "anna", "bob")
    assert "undefined" in result.stdout


def test_summary_of_one_rater(run: Run, file: Path, items: tuple[Item, ...]) -> None:
    judge(file, items, "anna", ["valid"] * 19 + ["also_true"])
    told = json.loads(run("negatives", "review", file, "--summary", "anna", "--json").stdout)
    assert told["all"]["valid"]["share"] == 0.95
    assert (
        "95.0% (76.4% to 99.1%)" in run("negatives", "review", file, "--summary", "anna").stdout
    )  # Wilson 1927


def test_to_label_studio_and_back(run: Run, file: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.json"
    assert run("negatives", "review", file, "--export-label-studio", tasks).exit_code == 0
    value = json.loads(tasks.read_text())
    for number, task in enumerate(value):
        region = {
            "from_name": "verdict",
            "type": "choices",
            "value": {"choices": ["valid" if number else "unsure"]},
        }
        task["annotations"] = [
            {"id": number, "completed_by": 5, "result": [region], "was_cancelled": False}
        ]
    tasks.write_text(json.dumps(value))
    for _ in range(2):  # taken in again, it changes nothing
        result = run("negatives", "review", file, "--import", tasks, "--rater", "anna", "--json")
        assert json.loads(result.stdout)["anna"]["verdicts"] == 20
    assert len(verdict_path(file, "anna").read_bytes().splitlines()) == 20
    with open_log(file, "anna"):
        result = run("negatives", "review", file, "--import", tasks, "--rater", "anna")
    assert result.exit_code == 1
    assert "are open in process" in result.stderr
    assert (
        sum(one.verdict == "unsure" for one in read_verdicts(verdict_path(file, "anna")).values())
        == 1
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--agreement", "anna", "bob"), "no such verdict file"),
        (("--summary", "../nobody of that name"), "a rater's name"),
        (
            ("--export", "p.html", "--summary", "anna"),
            "one of these at a time, got --export and --summary",
        ),
        (("--sample", "-1"), "sample must be 0"),
        (("--rater", "a/b", "--export", "p.html"), "a rater's name"),
        (("--export", "p.html", "--frames", "0"), "frames must be at least 1"),
        (("--import", "nowhere.json"), "no such file"),
    ],
)
def test_what_cannot_be_done_is_told(
    run: Run, file: Path, options: tuple[str, ...], message: str
) -> None:
    result = run("negatives", "review", file, *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stdout == ""


def test_a_served_review_stops_and_says_where_it_stands(
    run: Run, file: Path, items: tuple[Item, ...]
) -> None:
    command = [
        sys.executable,
        "-m",
        "finereel",
        "negatives",
        "review",
        str(file),
        "--port",
        "0",
        "--json",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = "".join(iter(lambda: process.stdout.readline(), "}\n")) + "}"  # type: ignore[union-attr]
        url = json.loads(lines)["url"]
        body = json.dumps({"item": items[0].key, "rater": "anna", "verdict": "valid"}).encode()
        asked = urllib.request.Request(f"{url}verdicts", body, {"X-Finereel-Review": "1"})
        urllib.request.urlopen(asked, timeout=20).close()
        second = run("negatives", "review", file, "--rater", "anna", "--port", "0")
        assert second.exit_code == 1
        assert f"are open in process {process.pid}" in second.stderr
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "anna: 1 of 20 judged, in" in told
    assert len(read_verdicts(verdict_path(file, "anna"))) == 1
