"""`finereel index`: what it passes on, what it prints, how it stops."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from finereel.cli.index import summary
from finereel.cli.progress import IndexProgress
from finereel.index.events import (
    AddReport,
    AddSettings,
    FileAdvanced,
    FileFailed,
    FileIndexed,
    FileRenamed,
    FileStarted,
    Planned,
    RebuildEstimated,
)
from finereel.index.folders import Away


def test_passes_paths_model_and_settings(run: Any, library: Any) -> None:
    run(
        "index",
        "a",
        "b",
        "--library",
        "lib",
        "--model",
        "reelworld-tiny",
        "--clip-seconds",
        "4",
        "--retry",
    )
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
        1,
        3,
        coarse=1,
        unknown=("/v/a.xyz", "/v/b.XYZ", "/v/c"),
        unreadable=(("/v/p", "no permission"),),
    )
    assert summary(report).splitlines()[1:] == [
        "1 read by keyframes, because decoding every frame took too long: see finereel doctor",
        "3 files of unknown kind left out (.xyz 2, without extension 1): see finereel doctor",
        "this folder cannot be read: /v/p (no permission)",
    ]


def test_says_what_was_done_and_what_failed(run: Any, library: Any) -> None:
    result = run("index", "a", "--library", "lib")
    assert result.exit_code == 0
    assert (
        "indexed 1 videos, 3 clips in 2.0 s (1.5 clips/s, decoding 25% of the work)"
        in result.stdout
    )
    assert "1 could not be read: see finereel doctor" in result.stdout
    assert "not a video" in result.stderr
    assert "\x1b" not in result.stderr, "a file name must not steer the terminal"


def test_says_which_model_answers_and_how_fast_the_run_was(run: Any, library: Any) -> None:
    library.model_name = "reelworld-tiny"
    library.more = {"video_seconds": 46.0}
    result = run("index", "a", "--library", "lib")
    assert "in 2.0 s, 23x real time (1.5 clips/s" in result.stdout
    assert result.stderr.startswith("model: reelworld-tiny (bundled, knows drawn scenes only)")
    assert "`finereel rebuild --model clip --library lib`" in result.stderr
    assert "model:" not in result.stdout
    report = json.loads(run("index", "a", "--library", "lib", "--json").stdout)
    assert report["real_time_factor"] == 23.0


def test_a_rebuild_says_beforehand_how_long_it_will_take() -> None:
    shown = io.StringIO()
    with IndexProgress(Console(file=shown)) as progress:
        progress(RebuildEstimated("openai/clip", 1000, 12, 25.04, 300.5))
    assert shown.getvalue() == (
        "rebuilding 1000 clips of 12 frames with openai/clip: about 5:00 on this machine "
        "(25 ms a frame)\n"
    )


def test_json_holds_the_whole_report(run: Any, library: Any) -> None:
    report = json.loads(run("index", "a", "--json").stdout)
    assert (report["indexed"], report["clips"], report["failed"], report["interrupted"]) == (
        1,
        3,
        1,
        False,
    )


def test_an_interrupted_run_says_that_nothing_is_lost(run: Any, library: Any) -> None:
    library.interrupted = True
    result = run("index", "a")
    assert result.exit_code == 130
    assert "nothing lost: 1 video committed; run the same command again to go on" in result.stderr


def test_summary_of_a_run_without_work() -> None:
    assert (
        summary(AddReport(unchanged=4, seconds=0.1))
        == "indexed 0 videos, 0 clips in 0.1 s\n4 unchanged"
    )


def test_summary_of_what_is_left_to_do() -> None:
    lines = summary(AddReport(indexed=1, unread=2, failed=1, unfinished=1)).splitlines()
    assert lines[1:] == [
        "1 could not be read: see finereel doctor",
        "2 could not be read this time and will be tried again: see finereel doctor",
        "1 video not finished: run the same command again to go on",
    ]


def test_an_interrupted_film_is_said_to_be_kept(run: Any, library: Any) -> None:
    library.interrupted, library.more = True, {"unfinished": 1}
    stopped = run("index", "a").stderr.splitlines()[-1]
    assert stopped == (
        "stopped; nothing lost: 1 video committed, and the first clips of one more; run the same "
        "command again to go on"
    )


def test_a_folder_that_is_not_here_is_named(run: Any, library: Any) -> None:
    library.more = {"away": (Away("/media/x", 14, "it is empty"),)}
    result = run("index", "/media/x", "--json")
    assert result.exit_code == 1
    sentence = "the folder /media/x is not here now (14 videos): it is empty"
    assert (
        result.stderr.splitlines()[-1] == f"{sentence}; connect it and run the same command again"
    )
    assert json.loads(result.stdout)["away"] == [
        {"path": "/media/x", "videos": 14, "reason": "it is empty"}
    ]
    library.more |= {"left": 14}
    assert (
        f"{sentence}; stopped, nothing lost: 1 video committed; connect it"
        in run("index", "/media/x").stderr
    )


def _film_events(progress: IndexProgress) -> None:
    progress(Planned(to_encode=4, unchanged=0, known_bad=0, moved=0, copied=0, missing=0))
    progress(FileStarted("/v/short.mp4", 1, 4))
    progress(FileStarted("/v/film.mp4", 2, 4))
    for seconds in (600.0, 1200.0, 1800.0, 2400.0):
        progress(FileAdvanced("/v/film.mp4", seconds, 2400.0))


def test_the_bar_moves_inside_a_film() -> None:
    progress = IndexProgress(Console(file=io.StringIO(), force_terminal=True, width=120))
    _film_events(progress)
    (task,) = progress._bar.tasks
    assert (task.completed, task.total, task.fields["note"]) == (2.0, 4, "film.mp4, 40:00 of 40:00")
    progress(FileAdvanced("/v/film.mp4", 600.0, None))
    assert task.fields["note"] == "film.mp4, 10:00"


def test_without_a_terminal_there_is_a_plain_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter(map(float, range(0, 100, 5)))
    monkeypatch.setattr("finereel.cli.progress.time.monotonic", lambda: next(seconds))
    out = io.StringIO()
    with IndexProgress(Console(file=out)) as progress:
        _film_events(progress)
    assert out.getvalue().splitlines() == [
        "indexing: 1 of 4 videos (film.mp4), 0:10 so far, about 0:30 left",
        "indexing: 1 of 4 videos (film.mp4, 20:00 of 40:00), 0:20 so far, about 0:33 left",
        "indexing: 2 of 4 videos (film.mp4, 40:00 of 40:00), 0:30 so far, about 0:30 left",
    ]


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
    assert (
        json.loads(run("rebuild", "--library", "lib", "--model", "other", "--json").stdout)[
            "interrupted"
        ]
        is False
    )
    assert library.calls == [("open", (Path("lib"), None)), ("rebuild", "other"), ("close", None)]
    library.interrupted = True
    assert run("rebuild", "--library", "lib", "--model", "other").exit_code == 130
    assert run("rebuild", "--library", "lib").exit_code == 2
