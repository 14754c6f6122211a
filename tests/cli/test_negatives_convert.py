"""`finereel negatives convert`."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.finegrain.files import FORMATS
from tiny_annotations import write_annotations
from tiny_negatives import CAPTIONS, FILES


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.jsonl"
    rows = [
        {"id": row.id, "video_id": row.video_id, "caption": row.text} for row in CAPTIONS.values()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def placed(form: str, folder: Path) -> Path:
    name, text = FILES[form]
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_there_and_back(run: Any, form: str, captions: Path, tmp_path: Path) -> None:
    source, native, back = (
        placed(form, tmp_path),
        tmp_path / "native.jsonl",
        tmp_path / "back" / FILES[form][0],
    )
    result = run("negatives", "convert", source, native, "--captions", captions, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["from"], told["to"]) == (form, "jsonl")
    assert (
        told["negatives"]
        == len(native.read_text(encoding="utf-8").splitlines())
        == sum(told["pos"].values())
    )
    assert run("negatives", "convert", native, back, "--from", "jsonl", "--to", form).exit_code == 0
    if form != "jsonl":
        assert back.read_bytes() == source.read_bytes()


def test_people_see_counts(run: Any, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = run("negatives", "convert", placed("thesis", tmp_path), out, "--captions", captions)
    assert [line.split() for line in result.stdout.splitlines()[1:3]] == [
        ["adverb", "1"],
        ["noun", "1"],
    ]
    assert result.stdout.splitlines()[-1] == f"thesis to jsonl: 2 negatives of 1 captions in {out}"


def test_one_part_of_speech(run: Any, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    arguments = (
        "negatives",
        "convert",
        placed("thesis", tmp_path),
        out,
        "--to",
        "released",
        "--captions",
        captions,
    )
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "--pos" in refused.stderr
    assert not out.exists()
    assert run(*arguments, "--pos", "noun").exit_code == 0
    assert json.loads(out.read_text()) == {"video7#0": {"0": "a dog walks slowly , near an apple"}}


def test_captions_of_a_data_set(run: Any, tmp_path: Path) -> None:
    annotations = write_annotations("msrvtt", tmp_path / "annotations")
    source, out = tmp_path / "released.json", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"video7#1": {"0": "a dog, asleep"}}))
    arguments = (
        "negatives",
        "convert",
        source,
        out,
        "--captions",
        annotations,
        "--captions-format",
        "msrvtt",
    )
    assert "--read-as" in run(*arguments).stderr
    assert run(*arguments, "--read-as", "noun").exit_code == 0
    row = json.loads(out.read_text())
    assert (row["caption"], row["source"], row["replacement"], row["pos"]) == (
        "a cat, asleep",
        "cat",
        "dog",
        "noun",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "sugar"], "expected one of aro"),
        (["--to", "sugar"], "expected one of aro"),
        (["--pos", "nouns"], "expected one of adjective"),
        (["--read-as", "nouns"], "expected one of adjective"),
        (["--captions", "gone.csv"], "gone.csv does not exist"),
        (["--captions", "gone", "--captions-format", "uvo"], "unknown format of captions 'uvo'"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Any, tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = run(
        "negatives",
        "convert",
        placed("vitatecs", tmp_path),
        tmp_path / "out.jsonl",
        "--json",
        *arguments,
    )
    assert result.exit_code == 1
    assert said in json.loads(result.stderr)["error"]["message"]
    assert not (tmp_path / "out.jsonl").exists()


def test_released_files_need_captions(run: Any, tmp_path: Path) -> None:
    result = run("negatives", "convert", placed("released", tmp_path), tmp_path / "out.jsonl")
    assert result.exit_code == 1
    assert "--captions" in result.stderr


def test_what_is_read_is_not_overwritten(run: Any, captions: Path, tmp_path: Path) -> None:
    source = placed("thesis", tmp_path)
    before = source.read_bytes(), captions.read_bytes()
    for out in (source, captions):
        result = run("negatives", "convert", source, out, "--captions", captions)
        assert result.exit_code == 1
        assert "is read, and writing would overwrite it" in result.stderr
    assert (source.read_bytes(), captions.read_bytes()) == before
