"""Parts of videos that browsers play: what is made of which file, kept, and let go again."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from finereel.errors import StorageError, VideoLimitError
from finereel.index.facts import FileFacts
from finereel.index.lookup import StoredClip, StoredFile
from finereel.library import Library
from finereel.serve import playback
from finereel.serve.playback import PlaybackFolder, Rung
from support.media import Recipe, make_video
from support.serving import server_process

RECIPES = {
    "container.avi": Recipe(frames=150, sound=True, sound_seconds=6),
    "pictures.mp4": Recipe(frames=150, codec="libx265", sound=True, sound_seconds=6),
    "both.avi": Recipe(frames=150, codec="mpeg4"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of videos that browsers do not play, each for another reason."""
    folder = tmp_path_factory.mktemp("unplayable")
    videos = folder / "videos"
    videos.mkdir()
    for name, recipe in RECIPES.items():
        make_video(videos / name, recipe)
    with closing(Library.open(folder / "library", model="reelworld-tiny")) as library:
        library.add([videos])
    return folder


@pytest.fixture(scope="module")
def http(folder: Path) -> Iterator[httpx.Client]:
    with server_process(folder / "library") as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.base, headers=headers, timeout=60) as client:
            yield client


def clip_of(http: httpx.Client, name: str) -> str:
    hits: list[dict[str, Any]] = http.get("/api/search", params={"q": "grey"}).json()["hits"]
    return next(hit["clip_id"] for hit in hits if hit["video"].endswith(name))


def streams(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {stream.type: stream.codec_context.name for stream in container.streams}


@pytest.mark.parametrize(
    ("name", "asked", "rung", "sound"),
    [
        ("container.avi", "remux", "remux", True),
        ("container.avi", "preview", "preview", True),
        ("pictures.mp4", "remux", "preview", True),
        ("both.avi", "remux", "preview", False),
    ],
)
def test_what_a_browser_gets_has_pictures_that_it_knows(
    http: httpx.Client, tmp_path: Path, name: str, asked: str, rung: str, sound: bool
) -> None:
    answer = http.get(f"/play/{clip_of(http, name)}", params={"rung": asked})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    # AVI has no times of its own for pictures that are shown in another order than they are stored.
    late = 0.13 if name.endswith(".avi") else 0.01
    assert answer.headers["X-Finereel-Rung"] == rung
    assert float(answer.headers["X-Finereel-Start"]) == pytest.approx(0, abs=late)
    assert float(answer.headers["X-Finereel-End"]) == pytest.approx(6, abs=0.05 + late)
    (tmp_path / "made.mp4").write_bytes(answer.content)
    assert streams(tmp_path / "made.mp4") == {"video": "h264"} | ({"audio": "aac"} if sound else {})
    with av.open(str(tmp_path / "made.mp4")) as container:
        shown = [frame.pts for frame in container.decode(video=0)]
    assert len(shown) == pytest.approx(150, abs=2)


def test_a_part_of_it_is_sent_as_a_range(http: httpx.Client) -> None:
    url = f"/play/{clip_of(http, 'both.avi')}?rung=preview"
    whole = http.get(url).content
    part = http.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])


def test_other_rungs_and_clips_are_refused(http: httpx.Client) -> None:
    assert http.get(f"/play/{clip_of(http, 'both.avi')}?rung=direct").status_code == 400
    assert http.get("/play/0000000000000000-0?rung=preview").status_code == 404


def test_a_file_that_is_gone_is_told_apart(
    http: httpx.Client, folder: Path, tmp_path: Path
) -> None:
    clip, video = clip_of(http, "container.avi"), folder / "videos" / "container.avi"
    video.rename(tmp_path / "elsewhere.avi")
    try:
        assert http.get(f"/play/{clip}").status_code == 410
    finally:
        (tmp_path / "elsewhere.avi").rename(video)


@pytest.fixture
def stored(folder: Path) -> tuple[StoredFile, StoredClip]:
    from finereel.index.lookup import stored_file

    with closing(Library.open(folder / "library")) as library:
        video = str(folder / "videos" / "both.avi")

        def find(searcher: Any, _: Any) -> StoredFile | None:
            file_id = searcher.snapshot.files()[video].file_id
            return stored_file(searcher.snapshot, file_id)

        found = library.read(find)
    assert found is not None
    return found, found.clips[0]


def test_what_was_made_is_found_again(
    tmp_path: Path, stored: tuple[StoredFile, StoredClip]
) -> None:
    kept = PlaybackFolder(tmp_path / "play")
    assert kept.find(*stored, "preview") is None
    made = kept.make(*stored, "preview")
    assert PlaybackFolder(tmp_path / "play").find(*stored, "preview") == made
    made.path.unlink()
    assert kept.find(*stored, "preview") is None


def test_old_files_go_when_there_are_too_many_bytes(
    tmp_path: Path, stored: tuple[StoredFile, StoredClip]
) -> None:
    folder = tmp_path / "play"
    folder.mkdir()
    for age, name in enumerate(("older", "old")):
        (folder / f"{name}.mp4").write_bytes(bytes(1000))
        (folder / f"{name}.json").write_text("{}")
        os.utime(folder / f"{name}.mp4", (time.time() - 100 + age,) * 2)
    made = PlaybackFolder(folder, most_bytes=10**9).make(*stored, "preview")
    assert {path.stem for path in folder.iterdir()} == {"older", "old", made.path.stem}
    PlaybackFolder(folder, most_bytes=made.path.stat().st_size + 1500).make(*stored, "preview")
    assert {path.stem for path in folder.iterdir()} == {"old", made.path.stem}
    PlaybackFolder(folder, most_bytes=1).make(*stored, "preview")
    assert {path.stem for path in folder.iterdir()} == {made.path.stem}


def test_what_takes_too_long_is_given_up(
    tmp_path: Path, stored: tuple[StoredFile, StoredClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(0, 10_000, 20))
    monkeypatch.setattr(playback, "monotonic", lambda: float(next(ticks)))
    with pytest.raises(VideoLimitError, match="more than 30 s"):
        PlaybackFolder(tmp_path / "play").make(*stored, "preview")
    assert not list((tmp_path / "play").glob("*.mp4"))


def test_a_folder_that_cannot_be_had_is_a_storage_error(
    tmp_path: Path, stored: tuple[StoredFile, StoredClip]
) -> None:
    (tmp_path / "play").write_text("a file")
    with pytest.raises(StorageError, match="play"):
        PlaybackFolder(tmp_path / "play").make(*stored, "preview")


@pytest.mark.parametrize(
    ("video_codec", "audio_codec", "wanted", "rung", "new_sound"),
    [
        ("h264", "ac3", "remux", "remux", True),
        ("h264", "aac", "remux", "remux", False),
        ("hevc", "aac", "remux", "preview", False),
        (None, None, "remux", "preview", False),
        ("h264", "aac", "preview", "preview", False),
    ],
)
def test_only_what_is_in_the_way_is_encoded_again(
    stored: tuple[StoredFile, StoredClip],
    video_codec: str | None,
    audio_codec: str | None,
    wanted: Rung,
    rung: Rung,
    new_sound: bool,
) -> None:
    facts = FileFacts(video_codec=video_codec, audio_codec=audio_codec)
    assert playback.rung_for(facts, wanted) == rung
    order = playback.order_for(stored[1], facts, rung)
    assert (order.exact, order.draft, order.new_sound) == (
        rung == "preview",
        rung == "preview",
        new_sound,
    )
