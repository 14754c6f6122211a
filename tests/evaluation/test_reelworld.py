"""A world and its measurement: a clairvoyant model is right everywhere, a blind one at chance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.evaluation.reelworld import World, evaluate_world, make_world, read_world
from finereel.evaluation.retrieval import EvaluationSettings
from finereel.models.features import Scores, TextFeatures, VideoFeatures
from finereel.reelworld.export import VideoFormat, write
from finereel.types import Frames

QUICK = EvaluationSettings(confidence=None)


class Knower:
    """A model that recognises clips by their pixels and texts by heart; `blind` gives every pair
    the same score.
    """

    def __init__(self, world: World, blind: bool = False) -> None:
        pairs = [
            *zip(world.clips, world.captions, strict=True),
            *zip(world.twin_clips, world.twin_captions, strict=True),
        ]
        self.said = {clip.pixels.tobytes(): caption for clip, caption in pairs}
        self.known = sorted({*world.captions, *world.twin_captions})
        self.blind = blind

    def _one_hot(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.eye(len(self.known))[[self.known.index(text) for text in texts]]

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        sentence = self._one_hot(texts)
        return TextFeatures(
            sentence, sentence[:, None], torch.ones(len(sentence), 1, dtype=torch.bool)
        )

    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures:
        video = self._one_hot([self.said[clip.pixels.tobytes()] for clip in clips])
        mask = torch.ones(len(video), 1, dtype=torch.bool)
        return VideoFeatures(video, video[:, None], video[:, None], mask, mask)

    def score(self, text: TextFeatures, video: VideoFeatures) -> Scores:
        part = text.sentence @ video.video.T
        return Scores({"video_sentence": part * (not self.blind)}, {"video_sentence": 1.0})


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("test", scenes=6, seed=1, num_frames=12, image_size=48)


def test_a_clairvoyant_model_is_always_right(world: World) -> None:
    result = evaluate_world(Knower(world), world, QUICK)
    assert result.retrieval.text_to_video["fused"].metrics.r1 == 100.0
    assert {found.group.percent for found in result.twins.values()} == {100.0}
    assert result.twins["all"].pairs == len(world.pos)


def test_a_blind_model_is_at_chance(world: World) -> None:
    result = evaluate_world(Knower(world, blind=True), world, QUICK)
    assert result.twins["all"].text.percent == 50.0
    assert result.retrieval.text_to_video["fused"].metrics.r1 == pytest.approx(
        100 / len(world.clips)
    )


def test_a_world_is_drawn_the_same_twice_and_another_seed_is_another(world: World) -> None:
    again = make_world("test", scenes=6, seed=1, num_frames=12, image_size=48)
    other = make_world("test", scenes=6, seed=2, num_frames=2, image_size=48)
    assert world.captions == again.captions
    assert np.array_equal(world.clips[0].pixels, again.clips[0].pixels)
    assert not set(world.captions) & set(other.captions)


def test_a_world_from_files_says_the_same_as_one_from_memory(tmp_path: Path) -> None:
    write(tmp_path / "world", 2, 0, "test", VideoFormat(size=96, fps=8))
    stored, drawn = read_world(tmp_path / "world", num_frames=4), make_world("test", 2, 0, 4, 96)
    assert stored.captions == drawn.captions
    assert stored.twin_captions == drawn.twin_captions
    assert stored.pos == drawn.pos
    gaps = [
        np.abs(a.pixels.astype(int) - b.pixels).mean()
        for a, b in zip(stored.clips, drawn.clips, strict=True)
    ]
    assert max(gaps) < 12
