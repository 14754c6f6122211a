"""`finereel export`: what is chosen, what is written, and what is left after trouble."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finereel.index.query import Filters, Query
from finereel.types import MatchConfidence
from support.media import Recipe, make_video


def test_the_clips_are_those_of_search(run: Any, library: Any, tmp_path: Path) -> None:
    options = ("a cat", "--top", "2", "--tag", "norway", "--not", "grass")
    result = run("export", *options, "--format", "csv", "--out", tmp_path / "new" / "a.csv")
    assert result.exit_code == 0, result.output
    query = Query("a cat", Filters(tags=("norway",)), 2, none_of=("grass",), moments=True)
    assert ("search", query) in library.calls
    with (tmp_path / "new" / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == ["/v/clip [0].mp4", "/v/clip [1].mp4"]
    assert "2 clips written to " in result.stdout


@pytest.mark.parametrize("form", ["csv", "json", "edl"])
def test_a_dash_is_stdout(run: Any, library: Any, form: str) -> None:
    result = run("export", "a cat", "--format", form, "--out", "-")
    assert result.exit_code == 0
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(result.stdout)))) == 3
    elif form == "json":
        assert json.loads(result.stdout)["confidence"]["level"] == "strong"
    else:
        assert result.stdout.startswith("TITLE: a cat\nFCM: NON-DROP FRAME\n")


def test_where_nothing_fits_only_the_closest_are_taken(run: Any, library: Any) -> None:
    library.hits = [replace(library.hits[0], video=f"/v/{n}.mp4") for n in range(6)]
    library.confidence = MatchConfidence(300 / 401, 400)
    result = run("export", "a cat", "--format", "csv", "--out", "-")
    assert len(result.stdout.splitlines()) == 4
    assert "nothing clearly fits" in result.stderr
    assert "the closest 3 are exported" in result.stderr
    result = run("export", "a cat", "--top", "5", "--format", "csv", "--out", "-")
    assert len(result.stdout.splitlines()) == 6


def test_clips_are_chosen_by_their_ids(run: Any, library: Any) -> None:
    result = run("export", "--clip", "id2", "--clip", "id0", "--format", "csv", "--out", "-")
    assert ("clips", ["id2", "id0"]) in library.calls
    assert len(result.stdout.splitlines()) == 3


def test_hits_come_from_a_file_too(run: Any, library: Any, tmp_path: Path) -> None:
    path = tmp_path / "hits.json"
    for version in ("1", "2"):
        path.write_text(run("search", "a cat", "--json-version", version).stdout)
        result = run("export", "--from", path, "--format", "csv", "--out", "-")
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "csv", "--out", "-"), "give either TEXT, --from FILE or --clip ID"),
        (("--clip", "x", "--top", "3", "--format", "csv", "--out", "-"), "go with TEXT"),
        (("a", "--clip", "x", "--format", "csv", "--out", "-"), "give either TEXT"),
        (("a", "--force", "--resume", "--format", "clips", "--out", "x"), "give one of them"),
        (("a", "--format", "clips", "--out", "-"), "clips needs a folder"),
        (("a", "--format", "otio", "--out", "-"), "otio needs a file"),
        (("a", "--since", "soon", "--format", "csv", "--out", "-"), "expected a date"),
    ],
)
def test_wrong_usage_is_told(
    run: Any, library: Any, arguments: tuple[str, ...], words: str
) -> None:
    result = run("export", *arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in result.stderr
    assert library.calls == []


def test_a_file_that_exists_stays(run: Any, library: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("mine")
    result = run("export", "a cat", "--format", "csv", "--out", path)
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "--force" in result.stderr
    assert run("export", "a cat", "--format", "csv", "--out", path, "--force").exit_code == 0
    assert path.read_text() != "mine"


def test_an_export_is_noted_in_the_library(run: Any, library: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    folder.mkdir()
    (folder / "library.json").write_text("{}")
    run("export", "a cat", "--format", "csv", "--out", tmp_path / "a.csv", "--library", folder)
    (line,) = (folder / "audit.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["what"], told["format"], told["count"]) == ("export", "csv", 3)
    assert (told["query"], told["out"]) == ("a cat", str(tmp_path / "a.csv"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    recipe = Recipe(frames=75, width=320, height=240, options={"g": "25"})
    return [make_video(folder / f"{number}.mp4", recipe) for number in range(2)]


def _hits(path: Path, films: list[Path]) -> Path:
    hits = [{"video": str(film), "start": 1.5, "end": 2.5} for film in films]
    path.write_text(json.dumps(hits))
    return path


def test_clip_files_need_no_library(run: Any, films: list[Path], tmp_path: Path) -> None:
    hits = _hits(tmp_path / "hits.json", [films[0], tmp_path / "gone.mp4", films[1]])
    asked = ("export", "--from", hits, "--library", tmp_path / "none", "--format", "clips")
    result = run(*asked, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "0001 0 0-01.mp4  (begins 0.5 s earlier)",
        "0003 1 0-01.mp4  (begins 0.5 s earlier)",
    ]
    assert "not written: " in result.stderr
    assert "gone.mp4: there is no such file" in result.stderr
    assert "2 clips written to " in result.stderr
    assert "--exact" in result.stderr
    again = run(*asked, "--out", tmp_path / "out")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "exist already" in again.stderr
    assert "missing: " not in again.stderr
    (tmp_path / "out" / "0001 0 0-01.mp4").unlink()
    rest = run(*asked, "--out", tmp_path / "out", "--resume")
    assert rest.stdout.splitlines() == ["0001 0 0-01.mp4  (begins 0.5 s earlier)"]
    exact = run(*asked, "--out", tmp_path / "exact", "--exact", "--json")
    told = json.loads(exact.stdout)
    assert [clip["earlier"] for clip in told["clips"]] == [0.0, 0.0]
    assert [one["rank"] for one in told["missing"]] == [2]


def test_ctrl_c_leaves_whole_files_and_says_what_is_missing(
    films: list[Path], tmp_path: Path
) -> None:
    hits = _hits(tmp_path / "hits.json", films * 40)
    out = tmp_path / "out"
    command = (*("export", "--from", str(hits), "--library", str(tmp_path / "none")), "--exact")
    process = subprocess.Popen(
        [sys.executable, "-m", "finereel", *command, "--format", "clips", "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    deadline = time.monotonic() + 60
    while not list(out.glob("*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    files = list(out.iterdir())
    assert 1 <= len(files) < 80
    assert all(path.suffix == ".mp4" and path.stat().st_size > 1000 for path in files)
    assert len(stdout.splitlines()) == len(files)
    assert f"{len(files)} of 80 clips are written, each as a whole; missing: number " in stderr
