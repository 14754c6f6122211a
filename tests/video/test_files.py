"""Only regular files are opened, and none is waited for."""

import os
import socket
from pathlib import Path

import pytest

from finereel.errors import NotAVideoError, VideoError
from finereel.video.files import SAMPLE, WHOLE, content_hash, file_state, open_regular, shown


def test_opens_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"12")
    with open_regular(tmp_path / "a.mp4") as file:
        assert file.read() == b"12"


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(NotAVideoError, match="this is a pipe"):
        open_regular(tmp_path / "a.mp4")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # socket names are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.mp4")
        with pytest.raises(NotAVideoError, match="this is a socket"):
            open_regular("a.mp4")


def test_devices_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="this is a device"):
        open_regular("/dev/zero")
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(NotAVideoError, match="this is a folder"):
        open_regular(tmp_path / "a.mp4")


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    with pytest.raises(NotAVideoError, match="leads to itself"):
        open_regular(tmp_path / "loop.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with pytest.raises(NotAVideoError, match="no such file"):
        open_regular(tmp_path / "gone.mp4")


def test_empty_and_unnameable(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with pytest.raises(NotAVideoError, match="empty"):
        open_regular(tmp_path / "a.mp4")
    with pytest.raises(NotAVideoError, match="not a file name"):
        open_regular("a\0b.mp4")
    with pytest.raises(NotAVideoError, match="no such file"):
        open_regular("x" * 5000)


def test_no_permission_is_not_the_file_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(VideoError, match="Permission denied") as caught:
        open_regular(tmp_path / "a.mp4")
    assert not isinstance(caught.value, NotAVideoError)


@pytest.mark.parametrize(
    "name", ["a\nb", "a\udce9", "\u202ecod.exe", "\x1b[31m", "plain é 日本.mp4"]
)
def test_a_name_is_shown_on_one_line(name: str) -> None:
    assert shown(name).isprintable()


# A file is its content.
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
