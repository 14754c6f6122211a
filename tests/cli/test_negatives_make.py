"""`finereel negatives make`."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.negatives.files import read_negatives

CAPTIONS = "id,video_id,caption\n" + "".join(
    f"v{i}#{j},v{i},{text}\n"
    for i in range(9)
    for j, text in enumerate(("a man in a red shirt is sitting", "a woman in a blue shirt is standing")[i % 2 :])
)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.csv"
    path.write_text(CAPTIONS)
    return path


def test_a_file_is_made(run: Any, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "negatives.jsonl"
    result = run("negatives", "make", captions, out, "--workers", 1, "--json")
    assert result.exit_code == 0, result.stderr
    told, rows = json.loads(result.stdout), read_negatives(out)
    assert (told["captions"], told["negatives"]) == (CAPTIONS.count("\n") - 1, len(rows))
    assert told["pos"]["adjective"]["negatives"] == sum(row.pos == "adjective" for row in rows)
    needed = {
        "id",
        "video_id",
        "caption_id",
        "caption",
        "negative",
        "pos",
        "start",
        "end",
        "source",
        "replacement",
        "method",
    }
    assert needed <= set(json.loads(out.read_text().splitlines()[0]))


def test_options_are_passed_on(run: Any, captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    options = ("--mode", "paper", "--pos", "verb, adjective", "--per-caption", 2, "--seed", 4, "--workers", 1)
    result = run("negatives", "make", captions, out, *options)
    assert result.exit_code == 0, result.stderr
    rows = read_negatives(out)
    assert {row.pos for row in rows} == {"verb", "adjective"}
    assert {row.seed for row in rows} == {4}
    assert {row.generator for row in rows} == {"paper-1"}
    assert result.stdout.splitlines()[-1].startswith(f"{len(rows)} negatives of ")


def test_balance(run: Any, tmp_path: Path) -> None:
    captions = tmp_path / "many.jsonl"
    texts = [f"a man in a {('red', 'blue')[i % 2]} shirt is {('sitting', 'standing')[i // 2 % 2]}" for i in range(80)]
    lines = [json.dumps({"id": f"{i}#0", "video_id": f"{i}", "caption": text}) for i, text in enumerate(texts)]
    captions.write_text("\n".join(lines))
    plain, balanced = tmp_path / "plain.jsonl", tmp_path / "balanced.jsonl"
    assert run("negatives", "make", captions, plain, "--workers", 1).exit_code == 0
    result = run("negatives", "make", captions, balanced, "--workers", 1, "--balance", "--json")
    assert result.exit_code == 0, result.stderr
    kept = {row.id for row in read_negatives(balanced)}
    assert kept
    assert kept < {row.id for row in read_negatives(plain)}
    assert json.loads(result.stdout)["negatives"] == len(kept)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--mode", "best"), "clean, paper"),
        (("--pos", "noun,nouns"), "unknown part of speech 'nouns'"),
        (("--per-caption", 0), "1 or more"),
        (("--format", "nothing"), "unknown form of captions"),
    ],
)
def test_wrong_options(run: Any, captions: Path, tmp_path: Path, options: tuple[Any, ...], complaint: str) -> None:
    result = run("negatives", "make", captions, tmp_path / "out.jsonl", "--workers", 1, *options)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_nothing_to_change_is_said(run: Any, tmp_path: Path) -> None:
    captions = tmp_path / "one.csv"
    captions.write_text("id,video_id,caption\n1,1,whatever\n")
    result = run("negatives", "make", captions, tmp_path / "out.jsonl", "--workers", 1, "--json")
    assert (result.exit_code, json.loads(result.stdout)["negatives"]) == (0, 0)
    assert "no word with a safe replacement" in result.stderr
