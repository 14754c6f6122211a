"""A file is its content."""

import os
from pathlib import Path

import pytest

from finereel.errors import NotAVideoError
from finereel.video.identity import SAMPLE, WHOLE, content_hash, file_state


def test_a_renamed_file_keeps_its_hash(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"pictures")
    before = content_hash(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").rename(tmp_path / "b.mkv")
    assert content_hash(tmp_path / "b.mkv") == before
    assert len(before) == 32


@pytest.mark.parametrize("place", [0, 1000, WHOLE - 2])
def test_a_small_file_is_hashed_whole(tmp_path: Path, place: int) -> None:
    data = bytearray(WHOLE - 1)
    (tmp_path / "a").write_bytes(data)
    data[place] = 1
    (tmp_path / "b").write_bytes(data)
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


@pytest.mark.parametrize("place", [0, SAMPLE - 1, 5 * WHOLE - SAMPLE, 5 * WHOLE - 1])
def test_a_large_file_is_hashed_at_both_ends(tmp_path: Path, place: int) -> None:
    for name in ("a", "b"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(5 * WHOLE)
    with (tmp_path / "b").open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


def test_size_counts(tmp_path: Path) -> None:
    for name, size in (("a", WHOLE), ("b", WHOLE + 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")


def test_state_notices_a_touch_and_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    os.utime(path, ns=(0, 10**18))
    first = file_state(path)
    assert file_state(path) == first
    os.utime(path, ns=(0, 10**18 + 1))
    assert file_state(path) != first


def test_a_folder_has_no_content(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="this is a folder"):
        content_hash(tmp_path)
