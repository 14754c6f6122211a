"""`finereel negatives make`."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.data import VIRTUAL
from finereel.data import reelworld as worlds
from finereel.finegrain.files import read_negatives

CAPTIONS = "id,video_id,caption\n" + "".join(
    f"v{i}#{j},v{i},{text}\n"
    for i in range(9)
    for j, text in enumerate(
        ("a man in a red shirt is sitting", "a woman in a blue shirt is standing")[i % 2 :]
    )
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
    options = (
        "--mode",
        "paper",
        "--pos",
        "verb, adjective",
        "--per-caption",
        2,
        "--seed",
        4,
        "--workers",
        1,
    )
    result = run("negatives", "make", captions, out, *options)
    assert result.exit_code == 0, result.stderr
    rows = read_negatives(out)
    assert {row.pos for row in rows} == {"verb", "adjective"}
    assert {row.seed for row in rows} == {4}
    assert {row.generator for row in rows} == {"paper-1"}
    assert result.stdout.splitlines()[-1].startswith(f"{len(rows)} negatives of ")


def test_balance(run: Any, tmp_path: Path) -> None:
    captions = tmp_path / "many.jsonl"
    texts = [
        f"a man in a {('red', 'blue')[i % 2]} shirt is {('sitting', 'standing')[i // 2 % 2]}"
        for i in range(80)
    ]
    lines = [
        json.dumps({"id": f"{i}#0", "video_id": f"{i}", "caption": text})
        for i, text in enumerate(texts)
    ]
    captions.write_text("\n".join(lines))
    plain, balanced = tmp_path / "plain.jsonl", tmp_path / "balanced.jsonl"
    unbalanced = run("negatives", "make", captions, plain, "--workers", 1)
    assert unbalanced.exit_code == 0
    result = run("negatives", "make", captions, balanced, "--workers", 1, "--balance", "--json")
    assert result.exit_code == 0, result.stderr
    kept = {row.id for row in read_negatives(balanced)}
    assert kept
    assert kept < {row.id for row in read_negatives(plain)}
    assert json.loads(result.stdout)["negatives"] == len(kept)
    assert (
        f"note: balancing kept {len(kept)} negatives of 80 captions, which are few" in result.stderr
    )
    assert "are few" not in unbalanced.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--mode", "best"), "clean, paper, swap"),
        (("--pos", "noun,nouns"), "unknown part of speech 'nouns'"),
        (("--per-caption", 0), "1 or more"),
        (("--workers", -1), "0 for one per core, got -1"),
        (("--format", "nothing"), "unknown format of captions"),
    ],
)
def test_wrong_options(
    run: Any, captions: Path, tmp_path: Path, options: tuple[Any, ...], complaint: str
) -> None:
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


@pytest.mark.parametrize("command", ["make", "training", "positives"])
def test_captions_are_not_overwritten(
    run: Any, captions: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "same.csv").symlink_to(captions)
    for out in (captions, tmp_path / "same.csv"):
        result = run("negatives", command, captions, out, "--json")
        assert result.exit_code == 1
        assert (
            "is read, and writing would overwrite it"
            in json.loads(result.stderr)["error"]["message"]
        )
    assert captions.read_text() == CAPTIONS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["captions.csv", "same.csv"]


@pytest.mark.parametrize("command", ["make", "training", "positives"])
def test_a_place_that_takes_no_file_is_said_before_anything_is_read(
    run: Any, tmp_path: Path, command: str
) -> None:
    for out, complaint in ((tmp_path, "is a folder"), ("/proc/out.jsonl", "cannot be written")):
        result = run("negatives", command, tmp_path / "gone.csv", out)
        assert result.exit_code == 1
        assert complaint in result.stderr
    assert not list(tmp_path.iterdir())


def test_too_few_videos_to_balance_are_said_before_the_work(run: Any, tmp_path: Path) -> None:
    captions, out = tmp_path / "one.csv", tmp_path / "out.jsonl"
    captions.write_text("id,video_id,caption\n1,1,a red car\n")
    result = run("negatives", "make", captions, out, "--workers", 1, "--balance")
    assert result.exit_code == 1
    assert "give the captions of more videos" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["one.csv"]


@pytest.mark.parametrize("command", ["make", "training", "positives"])
def test_a_data_set_without_files(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(VIRTUAL, "reelworld", lambda: worlds.virtual({"test": 4}))
    out = tmp_path / "out.jsonl"
    result = run("negatives", command, "-", out, "--format", "reelworld", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["captions"] == 4
    refused = run("negatives", command, tmp_path / "gone", out, "--format", "reelworld")
    assert (refused.exit_code, "write - in its place" in refused.stderr) == (1, True)
    refused = run("negatives", command, "-", out)
    assert (refused.exit_code, "captions needs a path" in refused.stderr) == (1, True)
