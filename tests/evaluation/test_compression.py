"""What is measured of formats, against models whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from finereel.codecs import CODECS
from finereel.evaluation.compression import FormatResult, Measured, measure_formats
from finereel.evaluation.reelworld import EncodedWorld, World
from finereel.models.features import VideoFeatures
from finereel.types import Frames
from tiny_models import DIM, random_text, random_video, tiny_model


@pytest.fixture(scope="module")
def results() -> list[FormatResult]:
    text, video = random_text(24), random_video(12)
    relation = np.arange(24, dtype=np.int64) // 2
    return measure_formats(tiny_model(), Measured(text, video, relation))


def test_every_format_is_measured_on_the_same(results: list[FormatResult]) -> None:
    assert [result.tokens for result in results] == list(CODECS)
    half, int8, two_bit = results
    assert half.overlap >= int8.overlap >= two_bit.overlap > 0.5
    assert half.overlap > 0.99
    # 4 frames, of which each stands among its 4 patches or beside them, and a video vector.
    tokens = (half.bytes_per_clip - 2 * DIM) / (2 * DIM)
    assert tokens in (16, 20)
    assert two_bit.bytes_per_clip == tokens * (DIM // 4 + 2) + 2 * DIM
    for result in results:
        assert result.interval.low <= result.r1 <= result.interval.high
        assert result.change_interval.low <= result.change <= result.change_interval.high
        assert not result.twins
        assert result.as_dict()["R@1"] == result.r1


def test_a_loss_is_seen() -> None:
    """Clips whose only difference is smaller than a level of two bits become alike."""
    text = random_text(8)
    video = random_video(8)
    alike = video.patches[:1].expand_as(video.patches) + 0.02 * video.patches
    found = measure_formats(tiny_model(), Measured(text, replace(video, patches=alike)))
    assert found[2].overlap <= found[1].overlap


def test_twins_are_judged_by_part_of_speech() -> None:
    nothing = Frames(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1))
    world = World(
        clips=(nothing,) * 4,
        captions=("",) * 4,
        twin_clips=(nothing,) * 6,
        twin_captions=("",) * 6,
        scene_of=np.array([0, 0, 1, 2, 3, 3]),
        pos=("verb", "noun", "verb", "noun", "noun", "verb"),
    )
    encoded = EncodedWorld(random_text(4), random_text(6, seed=4), random_video(4), _clips(6))
    half, *_ = measure_formats(tiny_model(), Measured.of_world(world, encoded))
    assert {pos: found.pairs for pos, found in half.twins.items()} == {
        "noun": 3,
        "verb": 3,
        "all": 6,
    }
    assert half.as_dict()["twins"]["all"]["pairs"] == 6


def _clips(count: int) -> VideoFeatures:
    return random_video(count, seed=9).to(torch.float32)
