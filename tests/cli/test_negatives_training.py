"""`negatives training`: a file that `train --negatives` takes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finereel.cli import app
from finereel.finegrain.files import read_negatives
from finereel.finegrain.make.training import side_of

RUN = CliRunner()
SENTENCES = [
    f"a {colour} {thing} rolls {where} the {other}"
    for colour in ("red", "blue", "green")
    for thing, other in (("car", "table"), ("ball", "house"), ("dog", "chair"), ("cup", "bench"))
    for where in ("under", "behind", "near")
]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    lines = [
        "id,video_id,caption",
        *(f"c{n},v{n},{text}" for n, text in enumerate(SENTENCES)),
        "x,y,=HYPERLINK()",
    ]
    path = tmp_path / "captions.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_of_negatives_of_one_side(captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = RUN.invoke(
        app, ["negatives", "training", str(captions), str(out), "--per-caption", "5", "--json"]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    rows = read_negatives(out)
    assert told["negatives"] == len(rows) > 0
    assert told["captions"] == len(SENTENCES) + 1
    assert sum(told["methods"].values()) == len(rows)
    for row in rows:
        for old, new in zip(row.lemma.split(), row.replacement_lemma.split(), strict=True):
            assert "training" in {side_of(old, new, pos) for pos in ("noun", "preposition")}


@pytest.mark.parametrize(
    ("option", "value"), [("--side", "left"), ("--level", "sentence"), ("--per-caption", "0")]
)
def test_wrong_options_are_named(captions: Path, tmp_path: Path, option: str, value: str) -> None:
    result = RUN.invoke(
        app, ["negatives", "training", str(captions), str(tmp_path / "o"), option, value]
    )
    assert result.exit_code != 0
    assert not (tmp_path / "o").exists()
