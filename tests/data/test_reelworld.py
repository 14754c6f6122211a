"""ReelWorld as a data set: exported or virtual, the same captions; clips rendered by id."""

from pathlib import Path

import numpy as np
import pytest

from finereel.data import load
from finereel.data.base import ClipSource
from finereel.data.reelworld import SIZES, WorldSource, virtual
from finereel.data.videos import find_videos
from finereel.errors import ConfigError, DataError
from finereel.reelworld import SPLITS, captions, frame_times, sample_scene, twins
from finereel.reelworld.batches import render_small
from finereel.reelworld.export import VideoFormat, write

SOURCE = WorldSource(image_size=32, num_frames=3)


def test_virtual_splits() -> None:
    dataset = virtual({"train": 3, "val": 2})
    assert dataset.split("train").videos == ("train/0", "train/1", "train/2")
    assert [text.text for text in dataset.split("val").captions] == [
        captions(sample_scene(number, "val"))[0] for number in range(2)
    ]
    assert dataset.selection == "val"
    assert virtual({"train": 1}).selection is None
    assert tuple(SIZES) == SPLITS
    with pytest.raises(ConfigError):
        virtual({"nonsense": 1})


def test_twins_follow_their_scene_and_are_rendered_by_their_ids() -> None:
    split = virtual({"test": 2}, with_twins=True).split("test")
    scene = sample_scene(1, "test")
    made = list(twins(scene, split="test"))
    start = split.videos.index("test/1")
    assert split.videos[start + 1 :] == tuple(f"test/1~{place}" for place in range(len(made)))
    assert [text.text for text in split.captions[start + 1 :]] == [twin.caption for twin in made]
    clip = SOURCE.read(["test/1~2"]).frames[0]
    assert np.array_equal(clip, render_small(made[2].scene, frame_times(3), 32))
    assert set(SOURCE.problems(["test/1~2", "test/1~99", "test/1~", "test/1~02"])) == {
        "test/1~99",
        "test/1~",
        "test/1~02",
    }


def test_without_annotations_the_scenes_are_virtual() -> None:
    dataset = load("reelworld")
    assert {name: len(split.videos) for name, split in dataset.splits.items()} == dict(SIZES)


def test_an_exported_folder(tmp_path: Path) -> None:
    write(tmp_path / "out", clips=2, seed=0, split="val", video_format=VideoFormat(32, 2))
    split = load("reelworld", tmp_path / "out").split("val")
    assert [text.text for text in split.captions] == [
        text.text for text in virtual({"val": 2}).split("val").captions
    ]
    assert list(find_videos(tmp_path / "out", split.videos)) == list(split.videos)


def test_clips_are_the_scenes_in_the_order_asked_for() -> None:
    clips = SOURCE.read(["test/1", "val/0", "test/1"])
    assert clips.frames.shape == (3, 3, 32, 32, 3)
    assert clips.frame_mask.all()
    assert np.array_equal(clips.frames[0], clips.frames[2])
    assert np.array_equal(clips.frames[1], render_small(sample_scene(0, "val"), frame_times(3), 32))
    assert SOURCE.read([]).frames.shape == (0, 3, 32, 32, 3)


def test_it_is_a_clip_source() -> None:
    assert isinstance(SOURCE, ClipSource)
    assert all(isinstance(value, str) for value in SOURCE.description.values())
    assert SOURCE.description != WorldSource(image_size=48, num_frames=3).description


@pytest.mark.parametrize(
    "video",
    [
        "",
        "val",
        "val/",
        "val/x",
        "val/-1",
        "val/01",
        "val/1/2",
        "nonsense/1",
        "val/²",
        "val/" + "9" * 40,
    ],
)
def test_ids_that_name_no_scene(video: str) -> None:
    assert list(SOURCE.problems([video, "val/7"])) == [video]
    with pytest.raises(DataError, match="not a scene"):
        SOURCE.read(["val/7", video])
