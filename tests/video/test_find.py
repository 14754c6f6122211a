"""Finding videos: everything below a folder once, in order, whatever lies around."""

import os
from pathlib import Path

import pytest

from finereel.errors import NotAVideoError
from finereel.video.find import EXTENSIONS, find_videos


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_finds_sorted_and_recursive(tmp_path: Path) -> None:
    wanted = [touch(tmp_path / name) for name in ("a.mp4", "b/c.MKV", "b/d/e.webm", "z.gif")]
    for name in ("note.txt", ".hidden.mp4", ".cache/f.mp4", "b/.git/g.mp4", "mp4"):
        touch(tmp_path / name)
    assert find_videos([tmp_path]) == sorted(wanted)


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_every_extension_counts(tmp_path: Path, extension: str) -> None:
    path = touch(tmp_path / f"a{extension}")
    assert find_videos([tmp_path]) == [path]


def test_a_named_file_is_taken_as_it_is(tmp_path: Path) -> None:
    odd = touch(tmp_path / ".recording.dat")
    assert find_videos([odd, str(odd)]) == [odd]


def test_links_that_go_round_end(tmp_path: Path) -> None:
    video = touch(tmp_path / "sub" / "a.mp4")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert find_videos([tmp_path]) == [tmp_path / "loop.mp4", video]


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "a.mp4")
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "link").symlink_to(tmp_path / "elsewhere")
    assert find_videos([tmp_path / "library"]) == [tmp_path / "library" / "link" / "a.mp4"]


def test_a_folder_called_like_a_video_is_a_folder(tmp_path: Path) -> None:
    video = touch(tmp_path / "a.mp4" / "b.mp4")
    assert find_videos([tmp_path]) == [video]


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.mp4"))
    touch(path)
    assert find_videos([tmp_path]) == [path]


def test_nothing_found_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match=rf"no video found in {tmp_path}.*\.mp4"):
        find_videos([tmp_path])
    with pytest.raises(NotAVideoError, match="no path given"):
        find_videos([])


def test_an_absent_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="no such file or folder"):
        find_videos([tmp_path / "absent"])
