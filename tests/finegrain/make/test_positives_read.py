"""research/scripts/read_positives.py, and the page it made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT

RESULTS = ROOT / "docs" / "results"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(ROOT / "research" / "scripts" / "read_positives.py"),
        *map(str, words),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["positives-read.jsonl", "positives-read.before.jsonl"])
def test_the_page_shows_what_the_command_counts(name: str) -> None:
    counted = run("count", RESULTS / name)
    assert counted.returncode == 0, counted.stderr
    assert counted.stdout in (RESULTS / "positives-read.md").read_text(encoding="utf-8")


def test_captions_are_drawn_each_with_one_positive(tmp_path: Path) -> None:
    source, out, again = (tmp_path / name for name in ("ms.jsonl", "out.jsonl", "again.jsonl"))
    rows = [{"caption_id": f"v#{n % 7}", "positive": f"caption {n}"} for n in range(40)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("draw", out, "--from", f"{source}=5", "--seed", 3)
    source.write_text(
        "".join(json.dumps(row) + "\n" for row in sorted(rows, key=lambda row: row["caption_id"]))
    )
    run("draw", again, "--from", f"{source}=5", "--seed", 3)
    drawn = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({row["caption_id"] for row in drawn}) == len(drawn) == 5
    assert all(row["verdict"] == "" and row["source_file"] == "ms" for row in drawn)
    assert out.read_text() == again.read_text()


def test_a_row_that_was_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(
        '{"source_file": "ms", "verdict": "right"}\n{"source_file": "ms", "verdict": ""}\n'
    )
    result = run("count", path)
    assert result.returncode != 0
    assert "line 2: expected a verdict of right" in result.stderr
