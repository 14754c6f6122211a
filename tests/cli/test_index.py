"""`finereel index`: what it passes on, what it prints, how it stops."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from finereel.cli.index import summary
from finereel.cli.progress import IndexProgress
from finereel.index.events import AddReport, AddSettings, FileFailed, FileIndexed, FileRenamed, FileStarted, Planned


def test_passes_paths_model_and_settings(run: Any, library: Any) -> None:
    run("index", "a", "b", "--library", "lib", "--model", "reelworld-tiny", "--clip-seconds", "4", "--retry")
    assert library.calls == [
        ("open", (Path("lib"), "reelworld-tiny")),
        ("add", ([Path("a"), Path("b")], AddSettings(clip_seconds=4.0, retry_failed=True))),
        ("close", None),
    ]


@pytest.mark.parametrize("mode", ["exact", "keyframes", "auto"])
def test_the_mode_of_decoding_is_passed_on(run: Any, library: Any, mode: str) -> None:
    assert run("index", "a", "--mode", mode).exit_code == 0
    assert library.calls[1][1][1] == AddSettings(mode=mode)
    assert run("index", "a", "--mode", "fast").exit_code == 2


def test_summary_names_what_was_left_out_and_what_was_read_coarsely() -> None:
    report = AddReport(
        1, 3, coarse=1, unknown=("/v/a.xyz", "/v/b.XYZ", "/v/c"), unreadable=(("/v/p", "no permission"),)
    )
    assert summary(report).splitlines()[1:] == [
        "1 read by keyframes, because decoding every frame took too long: see finereel doctor",
        "3 files of unknown kind left out (.xyz 2, without extension 1): see finereel doctor",
        "this folder cannot be read: /v/p (no permission)",
    ]


def test_says_what_was_done_and_what_failed(run: Any, library: Any) -> None:
    result = run("index", "a", "--library", "lib")
    assert result.exit_code == 0
    assert "indexed 1 videos, 3 clips in 2.0 s (1.5 clips/s, decoding 25% of the work)" in result.stdout
    assert "1 could not be read: see finereel doctor" in result.stdout
    assert "not a video" in result.stderr
    assert "\x1b" not in result.stderr, "a file name must not steer the terminal"


def test_json_holds_the_whole_report(run: Any, library: Any) -> None:
    report = json.loads(run("index", "a", "--json").stdout)
    assert (report["indexed"], report["clips"], report["failed"], report["interrupted"]) == (1, 3, 1, False)


def test_an_interrupted_run_says_that_nothing_is_lost(run: Any, library: Any) -> None:
    library.interrupted = True
    result = run("index", "a")
    assert result.exit_code == 130
    assert "nothing lost: 1 video committed; run the same command again to go on" in result.stderr


def test_summary_of_a_run_without_work() -> None:
    assert summary(AddReport(unchanged=4, seconds=0.1)) == "indexed 0 videos, 0 clips in 0.1 s\n4 unchanged"


def test_progress_draws_every_kind_of_event() -> None:
    out = io.StringIO()
    with IndexProgress(Console(file=out, force_terminal=True, width=120)) as progress:
        progress(Planned(to_encode=3, unchanged=0, known_bad=0, moved=1, copied=0, missing=0))
        progress(FileRenamed("/v/old.mp4", "/v/new.mp4"))
        progress(FileStarted("/v/[bold]a.mp4", 1, 2))
        progress(FileIndexed("/v/[bold]a.mp4", 3, 0.5, 0.5, partial="stops at 3.2 s"))
        progress(FileIndexed("/v/c.mp4", 3, 0.5, 0.5, note="read by keyframes only"))
        progress(FileFailed("/v/b.mp4", "no picture stream"))
    drawn = out.getvalue()
    for expected in (
        "was /v/old.mp4",
        "[bold]a.mp4",
        "stops at 3.2 s",
        "no picture stream",
        "by keyframes only",
        "3/3",
    ):
        assert expected in drawn


def test_rebuild_names_the_new_model(run: Any, library: Any) -> None:
    assert json.loads(run("rebuild", "--library", "lib", "--model", "other", "--json").stdout)["interrupted"] is False
    assert library.calls == [("open", (Path("lib"), None)), ("rebuild", "other"), ("close", None)]
    library.interrupted = True
    assert run("rebuild", "--library", "lib", "--model", "other").exit_code == 130
    assert run("rebuild", "--library", "lib").exit_code == 2
