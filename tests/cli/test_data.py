"""`finereel data check`."""

import json
from pathlib import Path
from typing import Any

import pytest

from finereel.cli import GROUPS
from finereel.data import DATASETS
from support.media import Recipe, make_video
from tiny_annotations import SIZES, write_annotations


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """MSVD with one good video, one broken, one missing."""
    write_annotations("msvd", tmp_path / "root")
    make_video(tmp_path / "root" / "-a_1_2.mp4", Recipe(frames=3))
    (tmp_path / "root" / "c_1_2.mp4").write_bytes(b"no video \x1b[31m")
    return tmp_path / "root"


@pytest.mark.parametrize("name", DATASETS)
def test_json_for_every_data_set(run: Any, name: str, tmp_path: Path) -> None:
    result = run(
        "data", "check", name, "--annotations", write_annotations(name, tmp_path), "--json"
    )
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    sizes = {
        split: (facts["videos"], facts["captions"]) for split, facts in report["splits"].items()
    }
    assert sizes == SIZES[name]
    assert (report["missing"], report["unreadable"], report["videos_checked"]) == ([], [], False)


def test_root_is_both_folders(run: Any, root: Path) -> None:
    result = run("data", "check", "msvd", "--root", root, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["missing"], report["unreadable"]) == (["b_1_2"], ["c_1_2"])
    apart = run("data", "check", "msvd", "--annotations", root, "--videos", root, "--json")
    assert json.loads(apart.stdout) == report


def test_an_option_wins_over_root(run: Any, root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("data", "check", "msvd", "--root", root, "--videos", tmp_path / "empty", "--json")
    assert len(json.loads(result.stdout)["missing"]) == 3


def test_people_see_a_table_and_what_is_wrong(run: Any, root: Path) -> None:
    result = run("data", "check", "msvd", "--root", root)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["split", "videos", "captions", "hash"]
    assert lines[1].split()[:3] == ["train", "1", "2"]
    assert "missing b_1_2" in lines
    assert any(line.startswith("unreadable c_1_2: ") for line in lines)
    assert "note train: published 1,200 videos and 48,774 captions, here 1 and 2" in lines


def test_long_lists_are_cut(run: Any, tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text(
        "video,caption\n" + "".join(f"v{n},x\n" for n in range(25))
    )
    shown = run("data", "check", "folder", "--root", tmp_path).stdout
    assert shown.count("missing v") == 10
    assert "missing: 25 in all" in shown


def test_a_complete_set_says_so_and_unchecked_videos_too(run: Any, tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("video,caption\nv,x\n")
    make_video(tmp_path / "v.mp4", Recipe(frames=3))
    assert "every video is there" in run("data", "check", "folder", "--root", tmp_path).stdout
    assert "videos not checked" in run("data", "check", "folder", "--annotations", tmp_path).stdout


def test_errors_exit_1_and_wrong_usage_2(run: Any, root: Path) -> None:
    result = run("data", "check", "nonsense", "--root", root, "--json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["type"]) == (1, "ConfigError")
    (root / "captions_msvd.json").write_text("{")
    result = run("data", "check", "msvd", "--root", root)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "captions_msvd.json, line 1" in result.stderr
    assert run("data", "check").exit_code == 2
    assert run("data", "nonsense").exit_code == 2


@pytest.mark.parametrize(
    ("group", "command"), [(group, word) for group, (_, words) in GROUPS.items() for word in words]
)
def test_every_command_of_two_words_explains_itself(run: Any, group: str, command: str) -> None:
    assert command in run(group, "--help").stdout
    result = run(group, command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout) > 200


def test_help_names_every_data_set(run: Any) -> None:
    shown = run("data", "check", "--help", env={"COLUMNS": "200"}).stdout
    assert all(name in shown for name in DATASETS)
