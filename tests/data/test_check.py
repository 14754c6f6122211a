"""The report on a data set: sizes against papers, videos without a file, videos without a frame,
leaks.
"""

import json
from pathlib import Path

import pytest

from finereel.data import PUBLISHED, load
from finereel.data.check import SplitFacts, check
from finereel.errors import ConfigError, DataError
from support.media import Recipe, make_video
from tiny_annotations import SIZES, write_annotations


def test_missing_and_unreadable_videos(tmp_path: Path) -> None:
    write_annotations("msvd", tmp_path / "annotations")
    make_video(tmp_path / "-a_1_2.mp4", Recipe(frames=3))
    (tmp_path / "c_1_2.avi").write_bytes(b"no video")
    steps: list[tuple[int, int]] = []
    report = check(
        "msvd", tmp_path, tmp_path, lambda what, done, total: steps.append((done, total))
    )
    assert report.missing == ("b_1_2",)
    assert list(report.unreadable or ()) == ["c_1_2"]
    assert steps == [(1, 2), (2, 2)]
    split = load("msvd", tmp_path).split("train")
    assert report.splits["train"] == SplitFacts(1, 2, split.hash)
    found = json.loads(json.dumps(report.as_json()))
    assert found["splits"]["train"] == {"videos": 1, "captions": 2, "hash": split.hash}
    assert (found["missing"], found["unreadable"], found["videos_checked"]) == (
        ["b_1_2"],
        ["c_1_2"],
        True,
    )
    assert found["reasons"]["c_1_2"]


@pytest.mark.parametrize("name", SIZES)
def test_annotations_alone(name: str, tmp_path: Path) -> None:
    report = check(name, write_annotations(name, tmp_path))
    assert {
        split: (facts.videos, facts.captions) for split, facts in report.splits.items()
    } == SIZES[name]
    assert (report.missing, report.unreadable) == (None, None)
    assert report.as_json()["videos_checked"] is False
    published = {split for split, size in PUBLISHED[name].items() if size.captions}
    assert {warning.split(":")[0] for warning in report.warnings} == published


def test_a_warning_names_both_numbers(tmp_path: Path) -> None:
    warnings = check("msrvtt", write_annotations("msrvtt", tmp_path)).warnings
    assert "test: published 1,000 videos and 1,000 captions, here 1 and 1" in warnings
    (tmp_path / "MSRVTT_train.7k.csv").unlink()
    assert "train_7k: not in these annotations" in check("msrvtt", tmp_path).warnings


def test_a_video_in_training_and_in_test_is_a_warning(tmp_path: Path) -> None:
    write_annotations("msvd", tmp_path)
    (tmp_path / "test_list.txt").write_text("c_1_2\n-a_1_2\n")
    leaks = [warning for warning in check("msvd", tmp_path).warnings if "share" in warning]
    assert leaks == ["train and test share 1 videos, such as -a_1_2"]


def test_two_videos_in_one_file_are_a_warning(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("video,caption\na.mp4,x\na.avi,y\n")
    video = make_video(tmp_path / "a.mp4", Recipe(frames=3))
    wanted = f"all 'a.mp4' and all 'a.avi' are one file ({video}): remove one"
    assert check("folder", tmp_path, tmp_path).warnings == (wanted,)


def test_a_copy_in_another_split_is_a_warning_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text(
        "video,caption,split\na.mp4,x,train\nb.mp4,y,train\nc.mp4,z,test\n"
    )
    one = make_video(tmp_path / "a.mp4", Recipe(frames=3))
    make_video(tmp_path / "b.mp4", Recipe(frames=4))
    copy = tmp_path / "c.mp4"
    copy.write_bytes(one.read_bytes())
    [warning] = check("folder", tmp_path, tmp_path).warnings
    wanted = (
        f"train 'a.mp4' and test 'c.mp4' have the same bytes ({one} and {copy}): give both "
        "one split, or remove one"
    )
    assert warning == wanted


def test_names_that_differ_in_case_alone_are_a_warning(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text("video,caption,split\nA.mp4,x,train\na.mp4,y,test\n")
    [warning] = check("folder", tmp_path).warnings
    assert warning.startswith("train 'A.mp4' and test 'a.mp4' differ in upper and lower case alone")


def test_errors_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown data set"):
        check("nonsense", tmp_path)
    with pytest.raises(DataError):
        check("msvd", tmp_path)
    with pytest.raises(DataError, match="folder of videos"):
        check("msvd", write_annotations("msvd", tmp_path), tmp_path / "nowhere")
