"""`finereel compare`."""

import json
from pathlib import Path
from typing import Any

import pytest
from records import make_record, random_scores

from finereel.evaluation.record_files import save_record


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    for name, skill in (("weak", 0.5), ("strong", 6.0)):
        save_record(make_record(random_scores(60, 60, 0, skill), name), tmp_path / name)
    return [tmp_path / "weak", tmp_path / "strong"]


def test_the_table_says_which_is_better(run: Any, runs: list[Path]) -> None:
    result = run("compare", *runs)
    assert result.exit_code == 0, result.stderr
    head, *rows = result.stdout.splitlines()
    assert all(word in head for word in ("R@1", "difference", "interval", "p (Holm)", "verdict"))
    assert [row.split()[:2] for row in rows] == [
        ["text_to_video", "strong"],
        ["video_to_text", "strong"],
    ]
    assert all(row.rstrip().endswith("better") for row in rows)


def test_json_has_every_number(run: Any, runs: list[Path]) -> None:
    found = json.loads(run("compare", runs[0], runs[0], "--k", "5", "--json").stdout)
    assert [row["verdict"] for row in found["comparisons"]] == ["not distinguishable"] * 2
    assert set(found["comparisons"][0]) >= {
        "R@5",
        "baseline_R@5",
        "difference",
        "interval",
        "p",
        "p_holm",
    }
    assert found["remarks"]


def test_other_queries_are_refused(run: Any, runs: list[Path], tmp_path: Path) -> None:
    save_record(make_record(random_scores(20, 20, 0), "other"), tmp_path / "other")
    result = run("compare", runs[0], tmp_path / "other")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "same annotation files" in result.stderr


def test_a_folder_without_a_record_says_what_to_give(run: Any, tmp_path: Path) -> None:
    result = run("compare", tmp_path, tmp_path)
    assert result.exit_code == 1
    assert "finereel evaluate --out" in result.stderr
