"""`finereel negatives positives`."""

import json
from pathlib import Path
from typing import Any

CAPTIONS = [
    "a man sits on a couch",
    "a sofa and a couch",
    "<b>the sofa</b> is red, =SUM(1)",
    "the couch",
    "a sofa",
]


def test_one_word_becomes_another_of_the_same_meaning(run: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "captions.jsonl", tmp_path / "positives.jsonl"
    rows = [
        {"id": f"v{n}#0", "video_id": f"v{n}", "caption": caption}
        for n, caption in enumerate(CAPTIONS)
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run("negatives", "positives", source, out, "--json")
    assert result.exit_code == 0, result.stderr
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert json.loads(result.stdout) == {"captions": 5, "positives": len(found)}
    texts = {(row["caption_id"], row["positive"]) for row in found}
    assert {("v0#0", "a man sits on a sofa"), ("v3#0", "the sofa"), ("v4#0", "a couch")} <= texts
    assert all({row["source"], row["replacement"]} == {"couch", "sofa"} for row in found)


def test_a_file_that_is_not_there_is_named(run: Any, tmp_path: Path) -> None:
    result = run("negatives", "positives", tmp_path / "none.csv", tmp_path / "out.jsonl")
    assert result.exit_code == 1
    assert "none.csv" in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_none_at_all_is_said(run: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "captions.csv", tmp_path / "out.jsonl"
    source.write_text("id,video_id,caption\n1,1,xyzzy\n")
    result = run("negatives", "positives", source, out)
    assert (result.exit_code, out.read_text()) == (0, "")
    assert "no caption contains a word of the list" in result.stderr
