"""Which file belongs to which id, and which files give no frame."""

import unicodedata
from pathlib import Path

import pytest

from finereel.data.videos import check_videos, find_videos
from finereel.errors import DataError
from places import DATA
from support.media import Recipe, make_video

FOUND = {
    "a bare name": ("video0", ["video0.mp4"], "video0.mp4"),
    "a name with its ending": ("video0.avi", ["video0.avi", "video0.mp4"], "video0.avi"),
    "compressed to another format": ("x_1.m4v", ["x_1.mp4"], "x_1.mp4"),
    "below a subfolder": ("video0", ["train/part 1/video0.webm"], "train/part 1/video0.webm"),
    "a path": ("b/1", ["a/1.mp4", "b/1.mp4"], "b/1.mp4"),
    "a path with its ending": ("b/1.mp4", ["a/1.mp4", "b/1.mp4"], "b/1.mp4"),
    "the path before the bare name": ("z.mp4", ["A/z.mp4", "z.mp4"], "z.mp4"),
    "no ending at all": ("video0", ["video0"], "video0"),
    "an ending nobody knows": ("video0", ["video0.divx"], "video0.divx"),
    "a dash in front": ("-4wsuPCjDBc_5_15", ["-4wsuPCjDBc_5_15.avi"], "-4wsuPCjDBc_5_15.avi"),
    "points inside": (
        "0017_P_00.23.28.872-00.23.34.843",
        ["0017_P_00.23.28.872-00.23.34.843.avi"],
        None,
    ),
    "upper case ending": ("v", ["v.MP4"], "v.MP4"),
    "fixed order of endings": ("v", ["v.avi", "v.mp4", "v.webm"], "v.mp4"),
    "fixed order of folders": ("v", ["b/v.mp4", "a/v.mp4"], "a/v.mp4"),
    "videos before what lies beside them": ("v", ["v.json", "v.jpg", "v.flv"], "v.flv"),
}
ABSENT = {
    "only a caption beside it": ("v", ["v.txt", "v.json"]),
    "hidden": ("v", [".v.mp4", ".hidden/v.mp4"]),
    "another case": ("abc", ["ABC.mp4"]),
    "the folder is another": ("b/1", ["a/1.mp4", "1.mp4"]),
    "a part of the name": ("video1", ["video10.mp4"]),
    "outside": ("../v", ["v.mp4"]),
}


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize("case", FOUND)
def test_found(case: str, tmp_path: Path) -> None:
    video, names, expected = FOUND[case]
    assert find_videos(fill(tmp_path, names), [video]) == {video: tmp_path / (expected or names[0])}


@pytest.mark.parametrize("case", ABSENT)
def test_absent(case: str, tmp_path: Path) -> None:
    video, names = ABSENT[case]
    assert find_videos(fill(tmp_path / "in", names), [video]) == {}


def test_order_is_that_of_the_ids(tmp_path: Path) -> None:
    fill(tmp_path, ["a.mp4", "b.mp4", "c.mp4"])
    assert list(find_videos(tmp_path, ["c", "x", "a"])) == ["c", "a"]


def test_accents_spelled_two_ways(tmp_path: Path) -> None:
    fill(tmp_path, [unicodedata.normalize("NFD", "é.mp4")])
    assert len(find_videos(tmp_path, [unicodedata.normalize("NFC", "é")])) == 1


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        find_videos(tmp_path / "nowhere", [])
    fill(tmp_path, ["file"])
    with pytest.raises(DataError, match="is a file"):
        find_videos(tmp_path / "file", [])


def test_unreadable_files_are_named_with_a_reason(tmp_path: Path) -> None:
    good = make_video(tmp_path / "good.mp4", Recipe(frames=5))
    late = make_video(tmp_path / "late.mkv", Recipe(frames=3, times=(5.0, 6.0, 7.0)))
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video" * 100)
    (tmp_path / "cut.mp4").write_bytes(good.read_bytes()[:300])
    (tmp_path / "folder.mp4").mkdir()
    names = ["text", "good", "empty", "late", "cut", "folder", "gone"]
    paths = {name: tmp_path / f"{name}.mp4" for name in names} | {"late": late}
    steps: list[tuple[int, int]] = []
    reasons = check_videos(
        paths, workers=2, on_progress=lambda what, done, total: steps.append((done, total))
    )
    assert list(reasons) == ["text", "empty", "cut", "folder", "gone"]
    assert all(reason and "\n" not in reason for reason in reasons.values())
    assert "empty" in reasons["empty"]
    assert "no such file" in reasons["gone"]
    assert steps == [(number, 7) for number in range(1, 8)]


@pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the real videos, which are not in the repository"
)
def test_a_recording_without_a_picture_in_its_first_second_is_readable() -> None:
    assert not check_videos({"cut": DATA / "videos" / "clip-video-encode__vid1.mp4"})
