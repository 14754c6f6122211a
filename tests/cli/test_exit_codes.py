"""The table of exit statuses in the documentation, executed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finereel.index.events import AddReport

TABLE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "exit-codes.md"


def documented() -> dict[str, str]:
    """Status and meaning, as the document has them."""
    return dict(
        re.findall(r"^\| (\d+) \| (.+?) \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    )


def test_the_document_has_every_status() -> None:
    assert set(documented()) == {"0", "1", "2", "130", "141"}


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (AddReport(indexed=1, failed=1), 0),
        (AddReport(unchanged=1, known_bad=1), 0),
        (AddReport(renamed=1, failed=1), 0),
        (AddReport(copied=1, failed=1), 0),
        (AddReport(missing=1), 0),
        (AddReport(failed=2), 1),
        (AddReport(known_bad=2), 1),
        (AddReport(failed=2, interrupted=True), 130),
    ],
)
def test_index(
    run: Any, library: Any, monkeypatch: pytest.MonkeyPatch, report: AddReport, status: int
) -> None:
    monkeypatch.setattr(library, "add", lambda self, paths, on_event, settings: report)
    assert run("index", "videos").exit_code == status
    assert run("index", "videos", "--json").exit_code == status


def test_the_other_commands(
    run: Any, library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run("search", "a cat").exit_code == 0
    assert run("search", " ").exit_code == 1
    assert run("search").exit_code == 2
    assert run("remove", "a.mp4").exit_code == 0
    monkeypatch.setattr(library, "remove", lambda self, paths, exclude=True: 0)
    assert run("remove", "a.mp4").exit_code == 1
    (tmp_path / "empty.txt").touch()
    assert run("describe", "v.mp4", "--captions", tmp_path / "empty.txt").exit_code == 1
    assert run("describe", "v.mp4", "--captions", tmp_path / "none.txt").exit_code == 1
    library.hits = [replace(library.hits[0])]
    assert run("search", "a cat", "--picture", "x.txt").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [["search", "--tpo", "3"], ["nonsense"], ["search"], ["index", "--clip-seconds", "x"]],
)
def test_wrong_usage_is_two_lines(run: Any, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("error: ")
    assert "--help" in lines[1]


def test_a_mistyped_option_is_answered_with_the_right_one(run: Any) -> None:
    assert "--per-video" in run("search", "a", "--per-vdeo", "2").stderr
    assert "search" in run("serach", "a").stderr
