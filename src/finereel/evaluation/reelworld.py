"""Evaluate a model on ReelWorld: retrieval among rendered clips, and twins that differ in one word."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64

from finereel.evaluation.retrieval import (
    PLAIN,
    EvaluationSettings,
    RetrievalResult,
    evaluate_scores,
)
from finereel.models.features import Scores, TextFeatures, VideoFeatures, concatenate
from finereel.reelworld import Scene, captions, frame_times, sample_scene, twins
from finereel.reelworld.batches import render_small
from finereel.statistics.twins import TwinAccuracy, TwinScores, twin_accuracy
from finereel.types import Frames, OnProgress, no_progress
from finereel.video import ClipPlan, VideoReader

_CLIPS_AT_A_TIME = 16


@runtime_checkable
class WorldEncoder(Protocol):
    """What is measured: `finereel.models.retrieval.RetrievalModel`, or anything that encodes and
    scores like it.
    """

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features of texts."""

    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures:
        """Features of clips."""

    def score(self, text: TextFeatures, video: VideoFeatures) -> Scores:
        """T x V scores."""


@dataclass(frozen=True)
class World:
    """S scenes with a caption each, and M twins of them, as F frames each.

    scene_of: the scene behind every twin; pos: its part of speech.
    """

    clips: tuple[Frames, ...]
    captions: tuple[str, ...]
    twin_clips: tuple[Frames, ...]
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
                        "interval": [
                            getattr(found, way).interval.low,
                            getattr(found, way).interval.high,
                        ],
                    }
                    for way in ("text", "video", "group")
                },
            }
            for pos, found in self.twins.items()
        }
        return {"retrieval": self.retrieval.as_dict(), "twins": rows}


def make_world(
    split: str, scenes: int, seed: int, num_frames: int = 12, image_size: int = 80
) -> World:
    """Draw and render a world at a model's size, never compressed; deterministic from its
    arguments.
    """
    times = frame_times(num_frames)
    drawn = [sample_scene(seed * scenes + number, split) for number in range(scenes)]
    paired = [(number, twin) for number, scene in enumerate(drawn) for twin in twins(scene)]

    def show(scene: Scene) -> Frames:
        return Frames(render_small(scene, times, image_size), np.array(times))

    return World(
        clips=tuple(show(scene) for scene in drawn),
        captions=tuple(captions(scene)[0] for scene in drawn),
        twin_clips=tuple(show(twin.scene) for _, twin in paired),
        twin_captions=tuple(twin.caption for _, twin in paired),
        scene_of=np.array([number for number, _ in paired], dtype=np.int64),
        pos=tuple(twin.pos for _, twin in paired),
    )


def read_world(folder: Path, num_frames: int = 12) -> World:
    """The same from exported files (`finereel reelworld`), decoded and sampled like any user's
    video.
    """
    lines = [
        json.loads(line)
        for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    paired = [(number, twin) for number, line in enumerate(lines) for twin in line["twins"]]
    with VideoReader() as reader:

        def show(video: str) -> Frames:
            return next(iter(reader.read(folder / video, ClipPlan(num_frames=num_frames)))).frames

        return World(
            clips=tuple(show(line["video"]) for line in lines),
            captions=tuple(line["caption"] for line in lines),
            twin_clips=tuple(show(twin["video"]) for _, twin in paired),
            twin_captions=tuple(twin["caption"] for _, twin in paired),
            scene_of=np.array([number for number, _ in paired], dtype=np.int64),
            pos=tuple(twin["pos"] for _, twin in paired),
        )


@dataclass(frozen=True)
class EncodedWorld:
    """Features of a world: of its S scenes and of their M twins, which clips and captions have in
    the order of `World`.
    """

    texts: TextFeatures
    twin_texts: TextFeatures
    clips: VideoFeatures
    twin_clips: VideoFeatures


@torch.no_grad()
def evaluate_world(
    model: WorldEncoder, world: World, settings: EvaluationSettings = PLAIN
) -> WorldResult:
    """Both measurements with the model's own score."""
    encoded = encode_world(model, world)
    return WorldResult(
        retrieval=evaluate_scores(model.score(encoded.texts, encoded.clips), None, settings),
        twins=score_twins(model, world, encoded),
    )


@torch.no_grad()
def encode_world(
    model: WorldEncoder, world: World, on_progress: OnProgress = no_progress
) -> EncodedWorld:
    """The features of every caption and clip."""
    every, found = [*world.clips, *world.twin_clips], []
    for start in range(0, len(every), _CLIPS_AT_A_TIME):
        found.append(model.encode_video(every[start : start + _CLIPS_AT_A_TIME]))
        on_progress("clips", min(start + _CLIPS_AT_A_TIME, len(every)), len(every))
    clips, scenes = concatenate(found), len(world.clips)
    return EncodedWorld(
        model.encode_text(world.captions),
        model.encode_text(world.twin_captions),
        clips.rows(slice(0, scenes)),
        clips.rows(slice(scenes, None)),
    )


@torch.no_grad()
def score_twins(
    model: WorldEncoder, world: World, encoded: EncodedWorld
) -> dict[str, TwinAccuracy]:
    """Twin accuracy per part of speech with the model's own score."""
    scene = torch.from_numpy(world.scene_of)
    texts, clips = encoded.texts.rows(scene), encoded.clips.rows(scene)
    scores = TwinScores(
        own=_paired(model, texts, clips),
        twin_caption=_paired(model, encoded.twin_texts, clips),
        twin_video=_paired(model, texts, encoded.twin_clips),
        twin_own=_paired(model, encoded.twin_texts, encoded.twin_clips),
    )
    return twin_accuracy(scores, world.pos, world.scene_of)


def _paired(model: WorldEncoder, text: TextFeatures, video: VideoFeatures) -> np.ndarray:
    """Score of row i against row i, in blocks whose diagonal is read: no second scoring path."""
    block = 8
    found = [
        model.score(
            text.rows(slice(start, start + block)), video.rows(slice(start, start + block))
        ).fused.diagonal()
        for start in range(0, len(text), block)
    ]
    return torch.cat(found).double().numpy()
