"""Score an evaluation set: encode every caption and readable clip once, score all pairs, list what
was left out.

Coverage: a video that cannot be read is left out *with its captions*, and the ranks are over what
is there. A smaller gallery is easier, so such a result is no result of the benchmark: every row
carries `997/1000`, and comparisons refuse to mix it with a complete one.

Peak memory, with 4-byte floats: captions x W x D for words, videos x (2F + P) x D for clips (D =
512, 12 frames, 48
patches: 150 kB a clip), and captions x videos for every granularity.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int64, Shaped
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from finereel.data.base import ClipSource, Split
from finereel.errors import DataError
from finereel.io.atomic import replace_file, writes
from finereel.models.features import (
    Scores,
    TextFeatures,
    VideoFeatures,
    concatenate,
    from_tensors,
    tensors_of,
)
from finereel.types import OnProgress, no_progress

_CLIPS_AT_A_TIME = 16
_TEXTS_AT_A_TIME = 256


@runtime_checkable
class GalleryModel(Protocol):
    """What is measured: `finereel.models.retrieval.RetrievalModel`, or anything that encodes and
    scores like it.
    """

    @property
    def fingerprint(self) -> str:
        """Names settings and weights."""
        ...

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features of texts; no texts give T = 0."""
        ...

    def encode_clips(
        self, frames: Shaped[np.ndarray, "V F ..."], frame_mask: Bool[np.ndarray, "V F"]
    ) -> VideoFeatures:
        """Features of what a clip source reads."""
        ...

    def score(self, text: TextFeatures, video: VideoFeatures) -> Scores:
        """T x V scores."""
        ...


@dataclass(frozen=True)
class Coverage:
    """How much of a split was scored. `split_hash` is that of the whole split; missing: why, by
    video id; captions_cut: scored captions longer than the model reads, None where nobody knows.

    >>> str(Coverage("0a1b2c3d4e5f", 1000, 1000, {"video7": "no file"}, 1))
    '999/1000'
    """

    split_hash: str
    videos: int
    captions: int
    missing: Mapping[str, str]
    captions_missing: int
    captions_cut: int | None = None

    def __str__(self) -> str:
        return f"{self.videos - len(self.missing)}/{self.videos}"

    @property
    def complete(self) -> bool:
        """Whether this is the benchmark and not a part of it."""
        return not self.missing


@dataclass(frozen=True)
class EncodedSplit:
    """Features of the readable part of a split, in its order: T captions and V clips."""

    split: Split
    text: TextFeatures
    video: VideoFeatures
    coverage: Coverage


@dataclass(frozen=True)
class ScoredSplit:
    """Scores of the readable part of a split: one Float32 (T, V) matrix per granularity, and their
    weights.
    """

    split: Split
    scores: Mapping[str, np.ndarray]
    weights: Mapping[str, float]
    coverage: Coverage

    @property
    def relation(self) -> Int64[np.ndarray, " T"]:
        """The column that is right for every row."""
        return self.split.video_of_caption

    @property
    def sentences(self) -> Int64[np.ndarray, " T"]:
        """A number for every caption, the same for captions of the same words (case and spaces do
        not count).
        """
        plain = [" ".join(caption.text.lower().split()) for caption in self.split.captions]
        return np.unique(np.array(plain, dtype=object), return_inverse=True)[1].astype(np.int64)


def score_split(
    model: GalleryModel,
    split: Split,
    source: ClipSource,
    on_progress: OnProgress = no_progress,
    cache: Path | None = None,
) -> ScoredSplit:
    """Scores of every caption against every readable clip of a split; memory and coverage as in the
    module.

    cache: a folder for encoded features (see `FeatureCache`), so that the same model on the same
    split is not encoded twice. Raises DataError when nothing can be read.
    """
    return score_encoded(model, encode_split(model, split, source, on_progress, cache), on_progress)


def encode_split(
    model: GalleryModel,
    split: Split,
    source: ClipSource,
    on_progress: OnProgress = no_progress,
    cache: Path | None = None,
) -> EncodedSplit:
    """The first half of `score_split`."""
    readable, coverage = covered(split, source)
    store = (
        None
        if cache is None
        else FeatureCache(cache, model.fingerprint, readable.hash, source.description)
    )
    kept = None if store is None else store.read(model.encode_text([]).sentence.device)
    if kept is None:
        text = encode_texts(model, [caption.text for caption in readable.captions], on_progress)
        kept = text, encode_videos(model, readable.videos, source, on_progress)
        if store is not None:
            store.write(*kept)
    return EncodedSplit(
        readable, *kept, replace(coverage, captions_cut=cut_captions(model, readable))
    )


def cut_captions(model: Any, split: Split) -> int | None:
    """How many captions of a split have more tokens than the model reads; None for a model without
    a tokenizer.
    """
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return None
    most = int(model.config.max_words)
    texts = [caption.text for caption in split.captions]
    return int((tokenizer.encode(texts, most + 1).mask.sum(1) > most).sum())


def covered(split: Split, source: ClipSource) -> tuple[Split, Coverage]:
    """The readable part of a split, and what that leaves out. Raises DataError when nothing is left
    to rank.
    """
    missing = dict(source.problems(split.videos))
    readable = (
        split.only([video for video in split.videos if video not in missing]) if missing else split
    )
    if not readable.captions:
        first = next((f" ({video}: {reason})" for video, reason in missing.items()), "")
        raise DataError(
            f"split {split.name}: {len(readable.videos)} of {len(split.videos)} videos can be "
            f"read{first} and none of "
            "them has a caption; check the folder of the videos"
        )
    left_out = len(split.captions) - len(readable.captions)
    return readable, Coverage(split.hash, len(split.videos), len(split.captions), missing, left_out)


def encode_texts(
    model: GalleryModel, texts: Sequence[str], on_progress: OnProgress = no_progress
) -> TextFeatures:
    """Features of texts, in order."""
    batches = []
    for start in range(0, max(1, len(texts)), _TEXTS_AT_A_TIME):
        batches.append(model.encode_text(list(texts[start : start + _TEXTS_AT_A_TIME])))
        on_progress("captions", min(start + _TEXTS_AT_A_TIME, len(texts)), len(texts))
    return concatenate(batches)


def encode_videos(
    model: GalleryModel,
    videos: Sequence[str],
    source: ClipSource,
    on_progress: OnProgress = no_progress,
) -> VideoFeatures:
    """Features of the clips called `videos` (at least one), in order; 16 are read at a time."""
    batches = []
    for start in range(0, len(videos), _CLIPS_AT_A_TIME):
        clips = source.read(videos[start : start + _CLIPS_AT_A_TIME])
        batches.append(model.encode_clips(clips.frames, clips.frame_mask))
        on_progress("clips", min(start + _CLIPS_AT_A_TIME, len(videos)), len(videos))
    return concatenate(batches)


def score_encoded(
    model: GalleryModel, encoded: EncodedSplit, on_progress: OnProgress = no_progress
) -> ScoredSplit:
    """The second half of `score_split`."""
    scores, weights = score_pairs(model, encoded.text, encoded.video, on_progress)
    return ScoredSplit(encoded.split, scores, weights, encoded.coverage)


@torch.no_grad()
def score_pairs(
    model: GalleryModel,
    text: TextFeatures,
    video: VideoFeatures,
    on_progress: OnProgress = no_progress,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Float32 (T, V) per granularity, and the weights; a band of texts at a time, by the model's
    own score.
    """
    bands: dict[str, list[np.ndarray]] = {}
    weights: dict[str, float] = {}
    for start in range(0, max(1, len(text)), _TEXTS_AT_A_TIME):
        found = model.score(text.rows(slice(start, start + _TEXTS_AT_A_TIME)), video)
        weights = dict(found.weights)
        for name, part in found.parts.items():
            bands.setdefault(name, []).append(part.float().cpu().numpy())
        on_progress("scores", min(start + _TEXTS_AT_A_TIME, len(text)), len(text))
    return {name: np.concatenate(parts) for name, parts in bands.items()}, weights


# Encoded captions and clips on disk, so that another normalisation of the same model and split
# encodes nothing.
FORMAT = 2
"""Part of every entry's name, so that entries in another form are not read."""


@dataclass(frozen=True)
class FeatureCache:
    """One entry of the cache. A damaged entry counts as none, and entries appear whole or not at
    all.
    """

    folder: Path
    model: str
    split: str
    source: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file in which this cache entry is stored."""
        named = json.dumps([FORMAT, self.model, self.split, dict(self.source)], sort_keys=True)
        return (
            self.folder
            / f"{hashlib.blake2b(named.encode(), digest_size=8).hexdigest()}.safetensors"
        )

    def read(self, device: torch.device) -> tuple[TextFeatures, VideoFeatures] | None:
        """The features on `device`, None where they are not kept."""
        try:
            kept = {name: tensor.to(device) for name, tensor in load_file(self.path).items()}
            text, video = (
                {
                    name.removeprefix(side): tensor
                    for name, tensor in kept.items()
                    if name.startswith(side)
                }
                for side in ("text/", "video/")
            )
            return from_tensors(TextFeatures, text), from_tensors(VideoFeatures, video)
        except (OSError, SafetensorError, LookupError, ValueError, TypeError, RuntimeError):
            return None

    @writes("self.folder")
    def write(self, text: TextFeatures, video: VideoFeatures) -> None:
        """Keep the features."""
        sides = (("text/", tensors_of(text)), ("video/", tensors_of(video)))
        kept = {
            side + name: tensor.detach().cpu().contiguous()
            for side, part in sides
            for name, tensor in part.items()
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with replace_file(self.path) as fresh:
            save_file(kept, fresh)
