"""Clips of experiments: thinned to some frames, or one average clip for all."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from research.clips import OneClip, Remembered

from finereel.data.base import ClipArrays, FewerFrames


@dataclass
class Numbered:
    """Frame f of clip "n" is 100 n + f; clip 0 has but its first two frames, the rest is poison."""

    description: dict[str, str] = field(default_factory=lambda: {"source": "test"})

    def problems(self, videos: Sequence[str]) -> dict[str, str]:
        return {"bad": "why"}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        numbers = np.array([int(video) for video in videos], dtype=np.float32)
        frames = (
            100 * numbers[:, None, None, None]
            + np.arange(12, dtype=np.float32)[None, :, None, None]
        )
        mask = np.ones((len(videos), 12), dtype=bool)
        mask[numbers == 0, 2:] = False
        frames = np.where(mask[:, :, None, None], frames, np.float32("nan"))
        return ClipArrays(np.broadcast_to(frames, (len(videos), 12, 2, 3)).copy(), mask)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [(20, list(range(12))), (12, list(range(12))), (4, [0, 4, 7, 11]), (1, [0])],
)
def test_fewer_frames_are_spread_evenly(kept: int, expected: list[int]) -> None:
    thinned = FewerFrames(Numbered(), kept)
    clips = thinned.read(["1", "2"])
    assert clips.frames[0, :, 0, 0].tolist() == [100 + frame for frame in expected]
    assert clips.frame_mask.shape == (2, len(expected))
    assert thinned.description == {"source": "test", "kept_frames": str(kept)}
    assert thinned.problems(["bad"]) == {"bad": "why"}


def test_one_clip_is_the_average_of_real_frames_for_everyone() -> None:
    one = OneClip(Numbered(), ["0", "1", "3"])
    clips = one.read(["7", "8"])
    assert clips.frames.shape == (2, 12, 2, 3)
    assert np.array_equal(clips.frames[0], clips.frames[1])
    assert clips.frames[0, 1, 0, 0] == pytest.approx((0 + 100 + 300) / 3 + 1)
    assert clips.frames[0, 5, 0, 0] == pytest.approx(
        (100 + 300) / 2 + 5
    )  # clip 0 has no sixth frame
    assert clips.frame_mask.all()
    assert one.description["clips"] == "one average clip"
    assert one.problems(["bad"]) == {"bad": "why"}


def test_a_place_that_no_clip_fills_is_padding() -> None:
    clips = OneClip(Numbered(), ["0"]).read(["5"])
    assert clips.frame_mask[0].tolist() == [True, True] + [False] * 10
    assert np.isfinite(clips.frames).all()


def test_remembered_clips_are_read_once_and_are_the_same() -> None:
    asked: list[str] = []

    class Counting(Numbered):
        def read(self, videos: Sequence[str]) -> ClipArrays:
            asked.extend(videos)
            return super().read(videos)

    kept = Remembered(Counting())
    first, again = kept.read(["3", "0", "3"]), kept.read(["0", "4"])
    assert asked == ["3", "0", "4"]
    np.testing.assert_array_equal(first.frames, Numbered().read(["3", "0", "3"]).frames)
    np.testing.assert_array_equal(again.frame_mask, Numbered().read(["0", "4"]).frame_mask)
    assert len(kept.read([])) == 0
    assert kept.description == {"source": "test"}
    assert kept.problems(["bad"]) == {"bad": "why"}


def test_one_clip_of_pictures_is_a_picture() -> None:
    class Pictures(Numbered):
        def read(self, videos: Sequence[str]) -> ClipArrays:
            shade = np.array([int(video) for video in videos], dtype=np.uint8)[
                :, None, None, None, None
            ]
            return ClipArrays(
                np.broadcast_to(shade, (len(videos), 2, 4, 4, 3)).copy(),
                np.ones((len(videos), 2), bool),
            )

    clips = OneClip(Pictures(), ["1", "2", "2"]).read(["9"])
    assert clips.frames.dtype == np.uint8
    assert set(clips.frames.ravel()) == {2}
