"""`finereel similar`."""

import json
from pathlib import Path
from typing import Any


def test_similar_clips_are_listed_and_copies_marked(run: Any, library: Any) -> None:
    lines = run("similar", "a.mp4", "--at", "1:20", "--library", "lib").stdout.splitlines()
    assert ("similar", (Path("a.mp4"), 10, 80.0, 1)) in library.calls
    assert lines[0].split() == ["#", "video", "time", "similarity"]
    assert lines[1].split() == ["1", "/v/copy.mp4", "0:00.0-0:10.0", "0.980", "duplicate"]
    assert lines[2].split() == ["and", "1", "copy:", "/w/copy.mp4"]
    assert lines[3].split() == ["2", "/v/like.mp4", "1:00.0-1:10.0", "0.410"]


def test_json_and_duplicates_only(run: Any, library: Any) -> None:
    del library
    hits = json.loads(run("similar", "a.mp4", "--library", "lib", "--json").stdout)
    assert [hit["duplicate"] for hit in hits] == [True, False]
    assert "thumbnail" not in hits[0]
    only = json.loads(run("similar", "a.mp4", "--duplicates", "--json").stdout)
    assert [hit["clip_id"] for hit in only] == ["c0"]


def test_a_time_that_is_none(run: Any, library: Any) -> None:
    del library
    done = run("similar", "a.mp4", "--at", "soon")
    assert done.exit_code == 2
    assert "expected a length such as 90, 1:30 or 1:02:03" in " ".join(
        done.stderr.replace("│", " ").split()
    )
