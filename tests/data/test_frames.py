"""A folder of videos as a clip source: the frames and times taken, the cache and its damage, files
that do not read.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.data.base import ClipSource
from finereel.data.frames import FrameSettings, FrameStore, default_cache
from finereel.errors import ConfigError, DataError, StorageError
from finereel.models.encoders.pixels import to_pixels, to_squares
from support.media import GREEN, RED, Recipe, level, make_video

SMALL = FrameSettings(num_frames=3, image_size=32)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    make_video(folder / "red.mp4", Recipe(frames=20, fps=10, colour=RED))
    (folder / "deeper").mkdir()
    make_video(folder / "deeper" / "green.mp4", Recipe(frames=20, fps=10, colour=GREEN))
    make_video(folder / "long.mp4", Recipe(frames=60, fps=10))
    make_video(folder / "short.mp4", Recipe(frames=6, fps=10))
    (folder / "broken.mp4").write_bytes(b"not a video at all" * 100)
    return folder


def store(videos: Path, cache: Path, settings: FrameSettings = SMALL) -> FrameStore:
    return FrameStore(videos, cache, settings)


def entries(cache: Path, suffix: str = ".npy") -> list[Path]:
    return sorted(cache.rglob(f"*{suffix}"))


def test_it_is_a_clip_source(videos: Path, tmp_path: Path) -> None:
    source = store(videos, tmp_path)
    assert isinstance(source, ClipSource)
    assert source.description["sampling"] == "seconds"


def test_pixels_come_in_the_order_asked_at_the_size_asked(videos: Path, tmp_path: Path) -> None:
    clips = store(videos, tmp_path).read(["green", "red"])
    assert clips.frames.shape == (2, 3, 32, 32, 3)
    assert clips.frames.dtype == np.uint8
    assert np.abs(clips.frames[0, 0].reshape(-1, 3).mean(0) - GREEN).max() < 8
    assert np.abs(clips.frames[1, 0].reshape(-1, 3).mean(0) - RED).max() < 8


def test_the_published_times_are_taken(videos: Path, tmp_path: Path) -> None:
    """Six seconds at 10 frames/s: whole seconds 0..5, of which 0, 2 and 5 are evenly spread with
    both ends.
    """
    clips = store(videos, tmp_path).read(["long"])
    seen = clips.frames[0].reshape(3, -1).mean(1)
    assert np.abs(seen - [level(number, 60) for number in (0, 20, 50)]).max() < 4
    assert clips.frame_mask.tolist() == [[True, True, True]]


def test_a_clip_with_fewer_frames_is_padded_and_masked(videos: Path, tmp_path: Path) -> None:
    clips = store(videos, tmp_path).read(["short", "long"])
    assert clips.frame_mask.tolist() == [[True, False, False], [True, True, True]]
    assert not clips.frames[0, 1:].any()


def test_cached_pixels_are_what_the_towers_would_see(videos: Path, tmp_path: Path) -> None:
    cached = torch.from_numpy(store(videos, tmp_path).read(["long"]).frames[0])
    large = torch.randint(0, 256, (2, 60, 80, 3), dtype=torch.uint8)
    assert torch.allclose(
        to_pixels(to_squares(large, 32).round().byte().movedim(1, -1), 32),
        to_pixels(large, 32),
        atol=0.01,
    )
    assert to_pixels(cached, 32).shape == (3, 3, 32, 32)


def test_a_second_reading_decodes_nothing_and_gives_the_same_bytes(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store(videos, tmp_path).read(["red", "long"])
    monkeypatch.setattr("finereel.data.frames._fill", None)
    again = store(videos, tmp_path).read(["red", "long"])
    assert np.array_equal(first.frames, again.frames)


def test_problems_name_missing_and_broken_files_and_nothing_else(
    videos: Path, tmp_path: Path
) -> None:
    source = store(videos, tmp_path)
    found = source.problems(["red", "broken", "nowhere", "green"])
    assert list(found) == ["broken", "nowhere"]
    assert "broken.mp4" in found["broken"]
    assert str(videos) in found["nowhere"]
    with pytest.raises(DataError, match="nowhere"):
        source.read(["red", "nowhere"])


def test_a_broken_file_is_tried_once_until_it_changes(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    broken = folder / "a.mp4"
    broken.write_bytes(b"nonsense")
    assert "a" in store(folder, tmp_path / "cache").problems(["a"])
    with monkeypatch.context() as patch:
        patch.setattr("finereel.data.frames._fill", None)
        assert "a" in store(folder, tmp_path / "cache").problems(["a"])
    broken.write_bytes((videos / "red.mp4").read_bytes())
    assert store(folder, tmp_path / "cache").problems(["a"]) == {}


def test_a_changed_file_is_decoded_again(videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes((videos / "red.mp4").read_bytes())
    source = store(folder, tmp_path / "cache")
    before = source.read(["a"]).frames
    (folder / "a.mp4").write_bytes((videos / "deeper" / "green.mp4").read_bytes())
    os.utime(folder / "a.mp4", ns=(1, 1))
    assert not np.array_equal(before, source.read(["a"]).frames)


def flip_a_byte(entry: Path) -> None:
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 0xFF
    entry.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        lambda entry: entry.write_bytes(entry.read_bytes()[:-40]),
        lambda entry: entry.write_bytes(b""),
        lambda entry: entry.write_bytes(b"\0" * 5000),
    ],
    ids=["a flipped byte", "cut off", "empty", "zeros"],
)
def test_a_damaged_entry_is_found_and_decoded_again(
    videos: Path, tmp_path: Path, damage: object
) -> None:
    whole = store(videos, tmp_path).read(["long"]).frames
    [entry] = entries(tmp_path)
    damage(entry)  # type: ignore[operator]
    assert np.array_equal(store(videos, tmp_path).read(["long"]).frames, whole)


def test_other_settings_are_other_entries(videos: Path, tmp_path: Path) -> None:
    store(videos, tmp_path).read(["red"])
    store(videos, tmp_path, FrameSettings(num_frames=3, image_size=48)).read(["red"])
    store(videos, tmp_path, FrameSettings(num_frames=3, image_size=32, sampling="centres")).read(
        ["red"]
    )
    assert len(entries(tmp_path)) == 3


def test_decoding_goes_on_where_it_was_stopped(videos: Path, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    names = ["red", "green", "long", "short", "broken"]
    with pytest.raises(KeyboardInterrupt):
        FrameStore(videos, tmp_path, FrameSettings(3, 32, workers=1), stop).problems(names)
    kept = len(entries(tmp_path)) + len(entries(tmp_path, ".problem"))
    assert 1 <= kept <= 2
    calls: list[tuple[int, int]] = []
    again = FrameStore(
        videos, tmp_path, SMALL, lambda what, done, total: calls.append((done, total))
    )
    assert set(again.problems(names)) == {"broken"}
    assert calls[-1] == (5 - kept, 5 - kept)
    assert not entries(tmp_path, ".part")


def test_a_full_disk_leaves_no_half_entry(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="No space"):
            store(videos, tmp_path).problems(["red"])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert store(videos, tmp_path).problems(["red"]) == {}


def test_another_process_can_take_it_over(videos: Path, tmp_path: Path) -> None:
    source = FrameStore(videos, tmp_path, SMALL, lambda what, done, total: None)
    frames = source.read(["red"]).frames
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read(["red"]).frames, frames)


def test_settings_and_folders_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size"):
        FrameSettings(image_size=4)
    with pytest.raises(ConfigError, match="sampling"):
        FrameSettings(sampling="random")
    with pytest.raises(DataError, match="not a folder"):
        FrameStore(tmp_path / "none", tmp_path, SMALL)


def test_the_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "finereel" / "frames"
