"""What a model's answers lose where a library keeps tokens in fewer bytes: retrieval on a split and
accuracy on twins for every format, by the model's own score.

Every format is compared with the features as the model makes them, in single precision. Clips pass
through the form in which a library keeps them, in half precision, and from there through the codec,
so that what is measured is what a library holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from finereel.codecs import CODECS
from finereel.codecs.base import Codec
from finereel.codecs.clips import clip_bytes, coded
from finereel.evaluation.gallery import EncodedSplit, score_pairs
from finereel.evaluation.reelworld import EncodedWorld, World, WorldEncoder, score_twins
from finereel.evaluation.retrieval import Ranked, Relation, metric_intervals, rank_videos
from finereel.models.features import Scores, StoredFeatures, TextFeatures, VideoFeatures
from finereel.ranking import fuse, top_overlap
from finereel.statistics.intervals import PERCENT, Interval, paired_difference
from finereel.statistics.metrics import summarise
from finereel.statistics.twins import TwinAccuracy
from finereel.types import OnProgress, no_progress


@runtime_checkable
class StoringModel(Protocol):
    """What is measured: `finereel.models.retrieval.RetrievalModel`."""

    @property
    def tokens_per_frame(self) -> int:
        """How many patches a frame has, where its own token is the first of them; else 0."""
        ...

    def encode_text(self, texts: Any) -> TextFeatures: ...
    def score(self, text: TextFeatures, video: VideoFeatures) -> Scores: ...
    def stored(self, video: VideoFeatures) -> StoredFeatures: ...


@dataclass(frozen=True)
class FormatResult:
    """One format of tokens.

    Attributes:
        tokens: Its name.
        bytes_per_clip: Tokens and video vector of one clip.
        r1: Text-to-video R@1 in percent.
        interval: Its 95 % interval, over videos.
        change: Percentage points of R@1 more than uncoded features have, with interval.
        overlap: Mean share of the ten best clips that are the same, 0 to 1.
        twins: Accuracy per part of speech; empty where no twins were given.
    """

    tokens: str
    bytes_per_clip: int
    r1: float
    interval: Interval
    change: float
    change_interval: Interval
    overlap: float
    twins: Mapping[str, TwinAccuracy]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        twins = {
            pos: {"pairs": found.pairs}
            | {way: getattr(found, way).percent for way in ("text", "video", "group")}
            for pos, found in self.twins.items()
        }
        return {
            "tokens": self.tokens,
            "bytes_per_clip": self.bytes_per_clip,
            "R@1": self.r1,
            "interval": [self.interval.low, self.interval.high],
            "change": self.change,
            "change_interval": [self.change_interval.low, self.change_interval.high],
            "overlap": self.overlap,
            "twins": twins,
        }


@dataclass(frozen=True)
class Measured:
    """What formats are measured on: T texts, V clips, which clip is right, and a world of twins."""

    text: TextFeatures
    video: VideoFeatures
    relation: Relation = None
    world: tuple[World, EncodedWorld] | None = None

    @classmethod
    def of_split(cls, encoded: EncodedSplit) -> "Measured":
        """A split of a data set, without twins."""
        return cls(encoded.text, encoded.video, encoded.split.video_of_caption)

    @classmethod
    def of_world(cls, world: World, encoded: EncodedWorld) -> "Measured":
        """The scenes of a world, and their twins."""
        return cls(encoded.texts, encoded.clips, None, (world, encoded))


@torch.no_grad()
def measure_formats(
    model: StoringModel, measured: Measured, on_progress: OnProgress = no_progress
) -> list[FormatResult]:
    """Every format of CODECS, in its order."""
    whole = _fused(model, measured.text, measured.video)
    results = []
    for number, (name, codec) in enumerate(CODECS.items()):
        on_progress("formats", number, len(CODECS))
        clips = _as_kept(model, measured.video, codec)
        scores = _fused(model, measured.text, clips)
        results.append(_result(name, _bytes(model, clips, codec), scores, whole, measured))
        if measured.world is not None:
            results[-1] = replace(results[-1], twins=_twins(model, *measured.world, codec))
    on_progress("formats", len(CODECS), len(CODECS))
    return results


def _result(
    name: str, size: int, scores: np.ndarray, whole: np.ndarray, measured: Measured
) -> FormatResult:
    ranked, before = (rank_videos(each, measured.relation) for each in (scores, whole))
    change = paired_difference(_right(ranked), _right(before), ranked.clusters, PERCENT)
    return FormatResult(
        tokens=name,
        bytes_per_clip=size,
        r1=summarise(ranked.ranks).r1,
        interval=metric_intervals(ranked.ranks, ranked.clusters)["R@1"],
        change=change.difference,
        change_interval=change.interval,
        overlap=float(top_overlap(whole, scores).mean()),
        twins={},
    )


def _right(ranked: Ranked) -> np.ndarray:
    return np.where(ranked.ranks.expected <= 1, 100.0, 0.0)


def _twins(
    model: StoringModel, world: World, encoded: EncodedWorld, codec: Codec
) -> dict[str, TwinAccuracy]:
    kept = replace(
        encoded,
        clips=_as_kept(model, encoded.clips, codec),
        twin_clips=_as_kept(model, encoded.twin_clips, codec),
    )
    assert isinstance(model, WorldEncoder)
    return score_twins(model, world, kept)


def _as_kept(model: StoringModel, video: VideoFeatures, codec: Codec) -> StoredFeatures:
    return coded(model.stored(video.to(torch.float16).to(torch.float32)), codec)


def _fused(model: StoringModel, text: TextFeatures, video: VideoFeatures) -> np.ndarray:
    parts, weights = score_pairs(model, text, video)  # type: ignore[arg-type]
    return fuse(parts, weights)


def _bytes(model: StoringModel, clips: StoredFeatures, codec: Codec) -> int:
    """Frames that stand among the patches are kept once."""
    patches = clips.patches.shape[1]
    frames = 0 if model.tokens_per_frame and patches else clips.frames.shape[1]
    return clip_bytes(codec, frames + patches + clips.contextual.shape[1], clips.video.shape[1])
