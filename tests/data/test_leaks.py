"""One video under two names: links, copies, spellings; and which of them are leaks."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from finereel.data import load
from finereel.data.base import Caption, Dataset, Split
from finereel.data.leaks import same_but_case, same_file
from finereel.data.videos import find_videos
from finereel.errors import DataError


def dataset(**videos: tuple[str, ...]) -> Dataset:
    splits = {
        name: Split(name, listed, tuple(Caption(f"{name}/{video}", video, "x") for video in listed))
        for name, listed in videos.items()
    }
    return Dataset("folder", splits, selection=None)


def copied(one: Path, other: Path) -> None:
    other.write_bytes(one.read_bytes())


WAYS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "copied": (copied, "have the same bytes"),
    "a symbolic link": (lambda one, other: other.symlink_to(one), "are one file"),
    "a hard link": (lambda one, other: os.link(one, other), "are one file"),
}


@pytest.mark.parametrize("way", WAYS)
def test_one_video_under_two_names(tmp_path: Path, way: str) -> None:
    make, said = WAYS[way]
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "c.mp4").write_bytes(b"two")  # as long, and another
    make(tmp_path / "a.mp4", tmp_path / "b.mp4")
    data = dataset(train=("a.mp4", "c.mp4"), test=("b.mp4",))
    [found] = same_file(data, find_videos(tmp_path, ["a.mp4", "b.mp4", "c.mp4"]))
    assert found.leak
    assert str(found).startswith(f"train 'a.mp4' and test 'b.mp4' {said}")


def test_an_id_with_and_without_its_ending_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    data = dataset(val=("a.mp4",), test=("a",))
    [found] = same_file(data, find_videos(tmp_path, ["a.mp4", "a"]))
    assert found.leak
    assert "val 'a.mp4' and test 'a' are one file" in str(found)


def test_twice_in_one_split_is_no_leak_and_a_leak_is_named_before_it(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").write_bytes(b"one")
    files = find_videos(tmp_path, ["a", "b", "c"])
    first, second = same_file(dataset(test=("a", "b"), train=("c",)), files)
    assert (first.leak, str(first.second)) == (False, "test 'b'")
    assert (second.leak, str(second.first), str(second.second)) == (True, "test 'a'", "train 'c'")
    assert not any(
        found.leak for found in same_file(dataset(train_7k=("a",), train_9k=("b",)), files)
    )


def test_what_is_not_there_or_listed_twice_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    data = dataset(train=("a", "gone"), test=("a",))
    assert list(same_file(data, {"a": tmp_path / "a.mp4", "gone": tmp_path / "gone.mp4"})) == []


def test_names_that_differ_in_case_alone() -> None:
    [found] = same_but_case(dataset(train=("x/A.mp4", "b.mp4"), test=("./x/a.MP4", "c.mp4")))
    assert "train 'x/A.mp4' and test './x/a.MP4'" in str(found)
    assert list(same_but_case(dataset(train=("A", "a")))) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "./a.mp4"),
        ("x//a.mp4", "x/a.mp4"),
        ("x/../a.mp4", "a.mp4"),
        (unicodedata.normalize("NFC", "é.mp4"), unicodedata.normalize("NFD", "é.mp4")),
    ],
)
def test_one_name_spelled_two_ways_has_one_split(tmp_path: Path, one: str, other: str) -> None:
    table = tmp_path / "captions.csv"
    table.write_text(f"video,caption,split\n{one},x,train\n{other},y,test\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3: .* is in split 'train' too, spelled "):
        load("folder", table)
    table.write_text(f"video,caption,split\n{one},x,test\n{other},y,test\n", encoding="utf-8")
    assert len(load("folder", table).split("test").videos) == 2
