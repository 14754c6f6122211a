"""Only regular files are opened, and none is waited for."""

import os
import socket
from pathlib import Path

import pytest

from finereel.errors import NotAVideoError, VideoError
from finereel.video.files import open_regular, shown


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
