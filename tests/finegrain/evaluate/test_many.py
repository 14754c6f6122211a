"""Several fine-grained records: compared, and as one table, by the commands people use."""

import json
from pathlib import Path
from typing import Any

import pytest
from finegrain_doubles import TableScorer, toy_rows
from typer.testing import CliRunner

from finereel.cli import app
from finereel.finegrain.evaluate.groups import groups_of
from finereel.finegrain.evaluate.many import COLUMNS
from finereel.finegrain.evaluate.measure import FineSettings, measure
from finereel.finegrain.evaluate.record_files import save_fine_record

GROUPS = groups_of(toy_rows(videos=40))


def kept(folder: Path, name: str, right: float, groups: Any = GROUPS) -> Path:
    """A record of a scorer that gives the true captions `right` and everything else 0."""
    table = {(group.video_id, group.caption): right for group in groups}
    settings = FineSettings(name=name, negatives="toy", wrong_video=False)
    save_fine_record(measure(TableScorer(table), groups, settings), folder / name)
    return folder / name


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    return [str(kept(tmp_path, "guessing", 0.0)), str(kept(tmp_path, "knowing", 1.0))]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_compare_takes_fine_grained_records(runs: list[str]) -> None:
    found = json.loads(run("compare", *runs, "--json").stdout)
    rows = {row["direction"]: row for row in found["comparisons"]}
    assert list(rows) == ["adverb", "noun", "all"]
    for row in rows.values():
        assert (row["baseline_R@1"], row["R@1"]) == (
            pytest.approx(20.0),
            100.0,
        )  # ties: one of five
        assert row["verdict"] == "better"


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
def test_report_takes_fine_grained_records(runs: list[str], form: str) -> None:
    result = run("report", *runs, "--format", form)
    assert result.exit_code == 0, result.output
    assert "guessing" in result.stdout
    if form == "csv":
        head, *rows = result.stdout.splitlines()
        assert head == ",".join(COLUMNS)
        assert len(rows) == 6


def test_records_of_other_negatives_or_of_two_kinds_are_refused(
    runs: list[str], tmp_path: Path
) -> None:
    other = kept(tmp_path, "other", 1.0, GROUPS[:20])
    assert "same negatives" in " ".join(run("compare", runs[0], str(other)).output.split())
    described = json.loads((other / "record.json").read_text())
    (other / "record.json").write_text(json.dumps({**described, "format": "finereel-run"}))
    assert "runs of one kind" in " ".join(run("report", runs[0], str(other)).output.split())
    assert "markdown, latex" in " ".join(run("report", *runs, "--format", "trec").output.split())
