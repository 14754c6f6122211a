"""DemoSearch videos: everything below a folder once, in order, whatever lies around."""

import os
from pathlib import Path

import pytest

from finereel.errors import NotAVideoError
from finereel.video.find import (
    EXTENSIONS,
    Found,
    extensions,
    find_videos,
    nothing_found,
    search_folders,
)
from support.media import Recipe, make_video


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


def test_a_closed_folder_is_the_reason_and_kinds_are_not(tmp_path: Path) -> None:
    found = Found((), (), ((tmp_path, "Permission denied"),))
    reason = f"the folder {tmp_path} cannot be read (Permission denied)"
    assert str(nothing_found([tmp_path], found)) == f"no video found in {tmp_path}: {reason}"
    assert ".mp4" in str(nothing_found([tmp_path.parent], found))


def test_an_absent_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="no such file or folder"):
        find_videos([tmp_path / "absent"])


@pytest.mark.parametrize(
    "name", ["a.VOB", "b.Tod", "c.MTS", "d.insv", "e.LRV", "f.Dv", "g.mxf", "h.3G2", "i.ogm"]
)
def test_camcorder_files_count_in_any_case(tmp_path: Path, name: str) -> None:
    assert find_videos([touch(tmp_path / name).parent]) == [tmp_path / name]


def test_unknown_kinds_are_named_and_companions_are_not(tmp_path: Path) -> None:
    video = touch(tmp_path / "a.mp4")
    unknown = [touch(tmp_path / name) for name in ("b/film.xyz", "c.braw", "noextension")]
    for name in (
        "a.THM",
        "a.srt",
        "a.jpg",
        "notes.txt",
        "a.json",
        "a.mp3",
        "project.zip",
        "list.m3u8",
    ):
        touch(tmp_path / name)
    found = search_folders([tmp_path])
    assert found == Found((video,), tuple(sorted(unknown)), ())
    assert extensions(found.unknown) == ".braw 1, .xyz 1, without extension 1"


@pytest.mark.parametrize("suffix", [".xyz", ".bin", "", ".dat"])
@pytest.mark.parametrize(
    "container", ["mp4", "matroska", "avi", "mpegts", "flv", "asf", "ogg", "mpeg", "mxf", "nut"]
)
def test_a_video_of_unknown_extension_is_a_video(
    tmp_path: Path, container: str, suffix: str
) -> None:
    codec = {
        "ogg": "libvpx",
        "mpeg": "mpeg2video",
        "mxf": "mpeg2video",
        "flv": "flv1",
        "asf": "wmv2",
    }.get(container)
    path = make_video(
        tmp_path / f"film{suffix}", Recipe(frames=5, codec=codec or "mpeg4", container=container)
    )
    assert search_folders([tmp_path]) == Found((path,))


@pytest.mark.parametrize("extension", [".ts", ".mts", ".ps", ".mod"])
def test_a_program_text_is_no_video(tmp_path: Path, extension: str) -> None:
    text = tmp_path / f"app{extension}"
    text.write_text("import { Component } from '@angular/core';\n// grüße\n" * 40, encoding="utf-8")
    assert search_folders([tmp_path]) == Found((), (text,))
    video = make_video(
        tmp_path / f"film{extension}", Recipe(frames=2, codec="mpeg2video", container="mpegts")
    )
    assert search_folders([tmp_path]).videos == (video,)


def test_what_systems_leave_is_passed_over(tmp_path: Path) -> None:
    video = touch(tmp_path / "a.mp4")
    for name in (
        "._a.mp4",
        ".Trash-1000/b.mp4",
        "@eaDir/a.mp4/c.mp4",
        "lost+found/d.mp4",
        "$RECYCLE.BIN/e.mp4",
    ):
        touch(tmp_path / name)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        touch(tmp_path / name)
    assert search_folders([tmp_path]) == Found((video,))


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, locked = touch(tmp_path / "a.mp4"), tmp_path / "private"
    touch(locked / "b.mp4")
    listed = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(locked))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert search_folders([tmp_path]) == Found((video,), (), ((locked, "Permission denied"),))
    with pytest.raises(
        NotAVideoError, match=rf"the folder {locked} cannot be read \(Permission denied\)"
    ):
        find_videos([locked])


def test_a_path_below_a_closed_folder_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, **_options: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(
        NotAVideoError, match="a folder above it cannot be read; check its permissions"
    ):
        find_videos([tmp_path / "absent"])
