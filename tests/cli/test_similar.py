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


def test_duplicates_of_the_whole_library(run: Any, library: Any) -> None:
    result = run("similar", "--duplicates", "--library", "lib")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["group", "video", "time", "similarity"],
        ["1", "/v/copy.mp4", "whole", "1.000"],
        ["and", "1", "copy:", "/w/copy.mp4"],
        ["1", "/v/late.mp4", "0:10.0-0:20.0", "0.800"],
    ]
    assert "3 files in 1 group show the same shots" in result.stderr
    told = json.loads(run("similar", "--duplicates", "--json").stdout)
    assert told[0][1] == {
        "video": "/v/late.mp4",
        "start": 10.0,
        "end": 20.0,
        "similarity": 0.8,
        "copies": [],
    }
    library.hits = []
    assert "no two videos" in run("similar", "--duplicates").stderr


def test_without_a_file_only_duplicates_can_be_listed(run: Any, library: Any) -> None:
    del library
    assert run("similar").exit_code == 2
    assert run("similar", "--duplicates", "--at", "1").exit_code == 2
