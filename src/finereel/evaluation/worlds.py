"""How well a model knows ReelWorld: retrieval among rendered clips, and twins that differ in one word."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8

from finereel.datasets.reelworld import render_small
from finereel.evaluation.retrieval import PLAIN, EvaluationSettings, RetrievalResult, evaluate_scores
from finereel.evaluation.twins import TwinAccuracy, TwinScores, twin_accuracy
from finereel.features import TextFeatures, VideoFeatures
from finereel.model import RetrievalModel
from finereel.reelworld import captions, frame_times, sample_scene, twins
from finereel.types import Frames


@dataclass(frozen=True)
class World:
    """S scenes with a caption each, and M twins of them: rendered at the model's size, never compressed.

    scene_of: the scene behind every twin; pos: its part of speech.
    """

    clips: UInt8[np.ndarray, "S F H H 3"]
    captions: tuple[str, ...]
    twin_clips: UInt8[np.ndarray, "M F H H 3"]
    twin_captions: tuple[str, ...]
    scene_of: Int64[np.ndarray, " M"]
    pos: tuple[str, ...]


@dataclass(frozen=True)
class WorldResult:
    """Retrieval in a gallery of all scenes, and twin accuracy per part of speech (and `all`)."""

    retrieval: RetrievalResult
    twins: dict[str, TwinAccuracy]

    def as_dict(self) -> dict[str, Any]:
        """JSON values: metrics with intervals; twin accuracies in percent with intervals."""
        rows = {
            pos: {
                "pairs": found.pairs,
                **{
                    way: {
                        "percent": getattr(found, way).percent,
                        "interval": [getattr(found, way).interval.low, getattr(found, way).interval.high],
                    }
                    for way in ("text", "video", "group")
                },
            }
            for pos, found in self.twins.items()
        }
        return {"retrieval": self.retrieval.as_dict(), "twins": rows}


def make_world(split: str, scenes: int, seed: int, num_frames: int = 12, image_size: int = 80) -> World:
    """Draw and render a world; deterministic from its arguments."""
    times = frame_times(num_frames)
    drawn = [sample_scene(seed * scenes + number, split) for number in range(scenes)]
    paired = [(number, twin) for number, scene in enumerate(drawn) for twin in twins(scene)]
    return World(
        clips=np.stack([render_small(scene, times, image_size) for scene in drawn]),
        captions=tuple(captions(scene)[0] for scene in drawn),
        twin_clips=np.stack([render_small(twin.scene, times, image_size) for _, twin in paired]),
        twin_captions=tuple(twin.caption for _, twin in paired),
        scene_of=np.array([number for number, _ in paired], dtype=np.int64),
        pos=tuple(twin.pos for _, twin in paired),
    )


@torch.no_grad()
def evaluate_world(model: RetrievalModel, world: World, settings: EvaluationSettings = PLAIN) -> WorldResult:
    """Both measurements with the model's own score."""
    texts, twin_texts = model.encode_text(world.captions), model.encode_text(world.twin_captions)
    clips, twin_clips = encode_clips(model, world.clips), encode_clips(model, world.twin_clips)
    scene = torch.from_numpy(world.scene_of)
    scores = TwinScores(
        own=_paired(model, texts.rows(scene), clips.rows(scene)),
        twin_caption=_paired(model, twin_texts, clips.rows(scene)),
        twin_video=_paired(model, texts.rows(scene), twin_clips),
        twin_own=_paired(model, twin_texts, twin_clips),
    )
    return WorldResult(
        retrieval=evaluate_scores(model.score(texts, clips), None, settings),
        twins=twin_accuracy(scores, world.pos, world.scene_of),
    )


def encode_clips(model: RetrievalModel, clips: UInt8[np.ndarray, "V F H H 3"]) -> VideoFeatures:
    """Features of clips whose frames already have the model's size."""
    seconds = np.array(frame_times(clips.shape[1]))
    return model.encode_video([Frames(clip, seconds) for clip in clips])


def _paired(model: RetrievalModel, text: TextFeatures, video: VideoFeatures) -> np.ndarray:
    """Score of row i against row i, in blocks whose diagonal is read: no second scoring path."""
    block = 8
    found = [
        model.score(text.rows(slice(start, start + block)), video.rows(slice(start, start + block))).fused.diagonal()
        for start in range(0, len(text), block)
    ]
    return torch.cat(found).double().numpy()
