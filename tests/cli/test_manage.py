"""`finereel status`, `doctor`, `remove`, `tag` and `migrate`."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.types import Problem


def test_status(run: Any, library: Any) -> None:
    report = json.loads(run("status", "--library", "lib", "--json").stdout)
    assert (report["videos"], report["clips"], report["failed"]) == (2, 5, 1)
    shown = run("status", "--library", "lib").stdout
    assert "2.5 MB" in shown
    assert "toy" in shown
    rows = {" ".join(line.split()) for line in shown.splitlines()}
    assert rows >= {
        "clip seconds 4",
        "away the folder /media/x is not here now (14 videos): it is empty",
        "excluded none",
    }


def test_doctor_lists_path_and_error(run: Any, library: Any) -> None:
    library.problems = [Problem("/v/bad\n.mp4", "no picture stream: expected one")]
    problems = json.loads(run("doctor", "--library", "lib", "--json").stdout)
    assert problems == [{"path": "/v/bad\n.mp4", "error": "no picture stream: expected one"}]
    assert "/v/bad\ufffd.mp4" in run("doctor", "--library", "lib", env={"COLUMNS": "160"}).stdout


def test_doctor_without_problems(run: Any, library: Any) -> None:
    assert json.loads(run("doctor", "--json").stdout) == []
    assert run("doctor").stdout == "no problems\n"


def test_doctor_reads_everything_and_repairs(run: Any, library: Any) -> None:
    assert json.loads(run("doctor", "--verify", "--json").stdout)[-1]["path"] == "/lib/data"
    shown = run("doctor", "--repair", "--library", "lib").stdout
    for part in (
        "5 clips are intact and kept, 2 were dropped",
        "it was mended",
        "quarantine",
        "/v/a.mp4",
    ):
        assert part in shown
    assert json.loads(run("doctor", "--repair", "--json").stdout)["videos"] == ["/v/a.mp4"]


def test_remove_counts(run: Any, library: Any) -> None:
    assert json.loads(run("remove", "a.mp4", "b.mp4", "--json").stdout) == {"removed": 2}
    result = run("remove", "a.mp4")
    assert "removed 1 video from the library; the files are untouched" in result.stdout
    assert "finereel index PATH" in result.stderr
    assert library.calls[-1] == ("remove", True)
    assert "index" not in run("remove", "a.mp4", "--once").stderr
    assert library.calls[-1] == ("remove", False)


def test_normalize_fits_and_takes_off(run: Any, library: Any, tmp_path: Path) -> None:
    bank = tmp_path / "bank.txt"
    bank.write_text("a dog\na cat\n", encoding="utf-8")
    assert json.loads(run("normalize", "--captions", bank, "--json").stdout) == {
        "normalization": "bank:2"
    }
    assert run("normalize", "--off").stdout == "normalization: none\n"
    assert library.calls[-1] == ("remove_normalization", None)
    assert run("normalize").exit_code == 2
    assert run("normalize", "--off", "--captions", bank).exit_code == 2


def test_removing_nothing_is_an_error(
    run: Any, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "remove", lambda self, paths, exclude=True: 0)
    result = run("remove", "/typo")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing removed" in result.stderr
    assert json.loads(run("remove", "/typo", "--json").stdout) == {"removed": 0}


def test_a_small_bank_is_remarked(run: Any, library: Any, tmp_path: Path) -> None:
    bank = tmp_path / "bank.txt"
    bank.write_text("a dog\na cat\na dog\n", encoding="utf-8")
    assert "2 different captions" in run("normalize", "--captions", bank).stderr
    bank.write_text("\n".join(f"thing {number}" for number in range(100)), encoding="utf-8")
    assert run("normalize", "--captions", bank).stderr == ""


def test_doctor_names_each_path_once(run: Any, library: Any) -> None:
    library.problems = [Problem("/v/bad.mp4", "/v/bad.mp4: no picture stream")]
    assert run("doctor").stdout.count("/v/bad.mp4") == 1


def test_tag_says_how_many_videos(run: Any, library: Any) -> None:
    assert json.loads(run("tag", "a.mp4", "b.mp4", "norway", "--json").stdout) == {"videos": 2}
    assert library.calls[-1] == ("tag", (["norway"], False))
    assert "1 video now with the tag norway" in run("tag", "a.mp4", "norway").stdout
    assert "1 video now without the tag norway" in run("tag", "a", "norway", "--remove").stdout
    assert library.calls[-1] == ("tag", (["norway"], True))
    result = run("tag", "nowhere", "norway")
    assert result.exit_code == 1
    assert "no tag changed" in result.stderr


def test_migrate_says_what_it_did(run: Any, library: Any) -> None:
    result = run("migrate")
    assert "read what 3 videos are in 0.5 s; nothing was encoded again" in result.stdout
    assert "1 could not be read" in result.stderr
    assert json.loads(run("migrate", "--json").stdout)["videos"] == 3
    library.interrupted = True
    assert run("migrate").exit_code == 130
