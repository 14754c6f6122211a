"""`negatives make --propose`, from the command line to the file."""

import json
from pathlib import Path

import pytest
from endpoint_double import agreeing, chat_server
from tiny_masked_lm import save_masked_lm
from typer.testing import CliRunner

from finereel.cli import app

CAPTIONS = "id,video_id,caption\nv#0,v,a man eats a sandwich\nw#0,w,<b>a dog</b> runs =1+1\n"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.csv"
    path.write_text(CAPTIONS)
    return path


def run(
    captions: Path, spec: str, out: str = "out.jsonl", workers: int = 1
) -> tuple[int, str, list[dict[str, object]]]:
    """(exit status, stderr, rows) of one run."""
    target = captions.parent / out
    options = [
        "--propose",
        spec,
        "--propose-cache",
        str(captions.parent / "answers"),
        "--workers",
        str(workers),
        "--json",
    ]
    result = CliRunner().invoke(app, ["negatives", "make", str(captions), str(target), *options])
    rows = [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []
    return result.exit_code, result.stderr, rows


def test_an_endpoint_proposes_and_the_second_run_pays_nothing(captions: Path) -> None:
    with chat_server(agreeing("cupcake", "more than a word")) as server:
        status, _, rows = run(captions, f"llm:tiny@{server.url}")
        assert status == 0
        paid = len(server.requests)
        again = run(captions, f"llm:tiny@{server.url}", "again.jsonl")
        assert len(server.requests) == paid
    assert again[2] == rows
    proposed = [row for row in rows if row["method"] == "llm"]
    assert "a man eats a cupcake" in {row["negative"] for row in proposed}
    assert all(str(row["sense"][0]) == "model:tiny" for row in proposed)  # type: ignore[index]


def test_an_endpoint_that_is_away_is_one_message(captions: Path) -> None:
    with chat_server(lambda _: (401, {}, "who are you")) as server:
        status, error, rows = run(captions, f"llm:tiny@{server.url}")
    assert status == 1
    assert json.loads(error)["error"]["type"] == "ProposalError"
    assert rows == []


def test_a_masked_model_proposes(captions: Path, tmp_path: Path) -> None:
    status, _, rows = run(captions, f"fill-mask:{save_masked_lm(tmp_path / 'tiny', steps=120)}")
    assert status == 0
    assert rows
    for row in rows:
        if row["method"] == "fill-mask":
            assert abs(row["scores"]["pll_gap"]) <= 7.0  # type: ignore[index]


@pytest.mark.parametrize("spec", ["fill-mask:/nowhere", "llm:tiny", "gpt"])
def test_a_wrong_specification_is_one_message(captions: Path, spec: str) -> None:
    status, error, _ = run(captions, spec)
    assert status == 1
    assert "expected" in json.loads(error)["error"]["message"]


@pytest.mark.slow
def test_a_model_that_only_workers_open_fails_once(captions: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, error, _ = run(captions, f"fill-mask:{tmp_path / 'empty'}", workers=2)
    assert status == 1
    assert json.loads(error.splitlines()[-1])["error"]["type"] == "CheckpointError"
