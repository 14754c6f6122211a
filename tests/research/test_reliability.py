"""The scoreboard's short form: every attack with a few inputs, and nothing happens that must never
happen.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import ROOT


@pytest.mark.slow
def test_the_short_form_counts_nothing_that_must_never_happen(tmp_path: Path) -> None:
    board = tmp_path / "reliability.md"
    command = [sys.executable, "-m", "research.reliability", "--short", "--out", str(board)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "CI": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [
        line for line in board.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    assert len(rows) > 15
    assert all(row.endswith("| 0 |") for row in rows[1:] if not row.startswith("|---"))
