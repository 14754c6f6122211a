"""A split, a clip source and a model small enough to check by hand; everything is seeded."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from finereel.config import ModelConfig
from finereel.data.base import Caption, ClipArrays, Split
from finereel.models.features import Scores, TextFeatures, VideoFeatures

DIM = 8


def make_split(name: str, videos: int, captions: int = 1) -> Split:
    """`videos` videos with `captions` captions each; the text of caption k of video v is `<name> v
    k`.
    """
    ids = tuple(f"{name}-{number}" for number in range(videos))
    texts = [
        Caption(f"{video}#{k}", video, f"{video} {k}") for video in ids for k in range(captions)
    ]
    return Split(name, ids, tuple(texts))


def vector(name: str, spread: float) -> np.ndarray:
    """A unit vector that belongs to a video id, and noise that belongs to the whole name."""
    own, whole = (
        np.random.default_rng(list(part.encode())) for part in (name.split(" ")[0], name + "?")
    )
    mixed = own.standard_normal(DIM) + spread * whole.standard_normal(DIM)
    return (mixed / np.linalg.norm(mixed)).astype(np.float32)


class ToySource:
    """Clips whose one token is the video's vector; counts what is read."""

    def __init__(self, missing: Mapping[str, str] | None = None) -> None:
        self.missing = dict(missing or {})
        self.reads: list[str] = []

    @property
    def description(self) -> Mapping[str, str]:
        return {"source": "toy"}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return {video: self.missing[video] for video in videos if video in self.missing}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        self.reads += videos
        frames = np.stack([vector(video, 0.0) for video in videos])[:, None, None]
        return ClipArrays(frames, np.ones((len(videos), 1), dtype=bool))


class ToyModel:
    """Cosines times 100 under two granularities; counts the texts it encodes."""

    def __init__(self, fingerprint: str = "toy", spread: float = 1.0) -> None:
        self.fingerprint = fingerprint
        self.spread = spread
        self.name = "toy model"
        self.config = ModelConfig(max_frames=1)
        self.card: dict[str, object] = {"note": "toy"}
        self.texts: list[str] = []

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        self.texts += texts
        rows = [vector(text, self.spread) for text in texts]
        sentence = torch.from_numpy(np.stack(rows) if rows else np.zeros((0, DIM), np.float32))
        return TextFeatures(sentence, sentence[:, None], torch.ones(len(rows), 1, dtype=torch.bool))

    def encode_clips(self, frames: np.ndarray, frame_mask: np.ndarray) -> VideoFeatures:
        given = torch.from_numpy(frames[:, :, 0])
        mask = torch.from_numpy(frame_mask)
        return VideoFeatures(given[:, 0], given, given[:, :0], mask, mask[:, :0])

    def score(self, text: TextFeatures, video: VideoFeatures) -> Scores:
        cosines = 100 * text.sentence @ video.video.T
        parts = {"video_sentence": cosines, "frame_sentence": cosines**2 / 100}
        return Scores(parts, {"video_sentence": 0.75, "frame_sentence": 0.25})
