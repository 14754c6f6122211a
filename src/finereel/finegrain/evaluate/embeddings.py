"""Scorers for models with one vector per text and per clip: any object with `encode`, or vectors
from a file.

A video's vector is the mean of its frames' unit vectors (Luo et al., CLIP4Clip, arXiv 2104.08860,
`meanP`), a score the cosine; the only granularity is video_sentence.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from finereel.config import fingerprint
from finereel.data.base import ClipSource, Split
from finereel.errors import DataError, ModelError, missing_extra
from finereel.evaluation.gallery import ScoredSplit, covered
from finereel.evaluation.record import ModelFacts
from finereel.finegrain.evaluate.groups import Candidates
from finereel.finegrain.evaluate.scorer import ClipNeeds, Opening, PairScores, distinct_chunks
from finereel.io.foreign_files import read_npz
from finereel.types import OnProgress, no_progress

PART = "video_sentence"
_WEIGHTS = {PART: 1.0}
_TEXTS_AT_A_TIME, _CLIPS_AT_A_TIME = 4096, 16


@runtime_checkable
class Encode(Protocol):
    """The one method of a sentence-transformers model that is needed, for texts and for PIL
    images.
    """

    def encode(self, inputs: list[Any]) -> Any:
        """One vector per input, (N, D)."""
        ...


@runtime_checkable
class Vectors(Protocol):
    """A source of vectors. They need not have unit length."""

    @property
    def facts(self) -> ModelFacts:
        """Who made them."""
        ...

    @property
    def description(self) -> Mapping[str, str]:
        """Where the clips came from."""
        ...

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Why these videos have no vector."""
        ...

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "T D"]:
        """Vectors of texts."""
        ...

    def clips(self, videos: Sequence[str]) -> Float32[np.ndarray, "V D"]:
        """Vectors of videos."""
        ...


class CosineScorer:
    """A `Scorer` by the cosine of two vectors. Every text and every clip is encoded once."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self._known: dict[str, np.ndarray] = {}

    @property
    def facts(self) -> ModelFacts:
        return self.vectors.facts

    @property
    def description(self) -> Mapping[str, str]:
        return self.vectors.description

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return self.vectors.problems(videos)

    def score(
        self, asked: Sequence[Candidates], on_progress: OnProgress = no_progress
    ) -> PairScores:
        """See `Scorer`; progress counts distinct texts."""
        clips = self._clips(
            list(dict.fromkeys(candidates.video_id for candidates in asked)), on_progress
        )
        pieces = distinct_chunks(asked, _TEXTS_AT_A_TIME)
        total, done, found = sum(len(texts) for _, texts in pieces), 0, list[np.ndarray]()
        for part, texts in pieces:
            vectors = dict(zip(texts, self._texts(texts), strict=True))
            for candidates in asked[part]:
                given = np.stack([vectors[text] for text in candidates.texts])
                found.append((given * clips[candidates.video_id]).sum(1))  # equal texts tie exactly
            done += len(texts)
            on_progress("texts", done, total)
        as_first = [
            text == candidates.texts[0] for candidates in asked for text in candidates.texts
        ]
        return PairScores(
            {PART: np.concatenate(found).astype(np.float32)},
            _WEIGHTS,
            np.array(as_first, dtype=bool),
        )

    def score_split(self, split: Split, on_progress: OnProgress = no_progress) -> ScoredSplit:
        part, coverage = covered(split, _Problems(self.vectors))
        clips = self._clips(list(part.videos), on_progress)
        texts = self._texts([caption.text for caption in part.captions])
        scores = (texts @ np.stack([clips[video] for video in part.videos]).T).astype(np.float32)
        return ScoredSplit(part, {PART: scores}, _WEIGHTS, coverage)

    def _texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "T D"]:
        return _unit(self.vectors.texts(texts), "text")

    def _clips(self, videos: list[str], on_progress: OnProgress) -> dict[str, np.ndarray]:
        new = [video for video in videos if video not in self._known]
        for start in range(0, len(new), _CLIPS_AT_A_TIME):
            some = new[start : start + _CLIPS_AT_A_TIME]
            self._known |= dict(zip(some, _unit(self.vectors.clips(some), "video"), strict=True))
            on_progress("clips", start + len(some), len(new))
        return self._known


class _Problems:
    """The part of a clip source that coverage needs."""

    def __init__(self, vectors: Vectors) -> None:
        self.problems, self.description = vectors.problems, vectors.description

    def read(self, videos: Sequence[str]) -> Any:
        """Never asked for."""
        raise ModelError("these are vectors, not clips")


class EncodedVectors:
    """Vectors by an object with `encode`, of texts and of the frames that `source` reads."""

    def __init__(
        self, encoder: Encode, source: ClipSource, name: str, num_frames: int = 12
    ) -> None:
        self._encoder, self._source = encoder, source
        self.facts = ModelFacts(name, fingerprint(name), "cosine", 0, num_frames, _WEIGHTS, {})

    @property
    def description(self) -> Mapping[str, str]:
        return self._source.description

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return self._source.problems(videos)

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "T D"]:
        """By `encode` on strings."""
        return self._encode(list(texts))

    def clips(self, videos: Sequence[str]) -> Float32[np.ndarray, "V D"]:
        """By `encode` on the real frames of each clip as PIL images. ModelError for tokens."""
        from PIL import Image

        clips = self._source.read(videos)
        if clips.frames.dtype != np.uint8:
            raise ModelError(
                f"model {self.facts.name} takes pictures: give a folder of videos instead of tokens"
            )
        pictures = [Image.fromarray(picture) for picture in clips.frames[clips.frame_mask]]
        units = _unit(self._encode(pictures), "frame")
        owners = np.repeat(np.arange(len(clips)), clips.frame_mask.sum(1))
        return np.stack([units[owners == row].mean(0) for row in range(len(clips))])

    def _encode(self, inputs: list[Any]) -> Float32[np.ndarray, "N D"]:
        made = self._encoder.encode(inputs)
        array = np.asarray(
            made.detach().cpu() if hasattr(made, "detach") else made, dtype=np.float32
        )
        if array.ndim != 2 or len(array) != len(inputs):
            raise ModelError(
                f"{self.facts.name}: encode gave {array.shape} for {len(inputs)} inputs, expected "
                "(N, D)"
            )
        return array


class StoredVectors:
    """Vectors from a file, see `read_vectors`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        arrays = read_vectors(path)
        self._texts = dict(zip(arrays["texts"].tolist(), arrays["text_vectors"], strict=True))
        self._videos = dict(zip(arrays["videos"].tolist(), arrays["video_vectors"], strict=True))
        digest = fingerprint(
            *(np.ascontiguousarray(arrays[name]).tobytes() for name in sorted(arrays))
        )
        self.facts = ModelFacts(path.stem, digest, "cosine", 0, 0, _WEIGHTS, {})
        self.description: Mapping[str, str] = {"source": "embeddings", "hash": digest}

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Videos that have no vector."""
        return {
            video: f"no vector in {self._path}" for video in videos if video not in self._videos
        }

    def texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "T D"]:
        """DataError for a text that has none."""
        lacking = [text for text in texts if text not in self._texts]
        if lacking:
            raise DataError(
                f"{self._path} has no vector of {lacking[0][:80]!r} and {len(lacking) - 1} more: "
                "embed every caption "
                "and negative, letter by letter as the file has them"
            )
        return np.stack([self._texts[text] for text in texts])

    def clips(self, videos: Sequence[str]) -> Float32[np.ndarray, "V D"]:
        """Return the vectors of videos that have no problem."""
        return np.stack([self._videos[video] for video in videos])


def read_vectors(path: Path) -> dict[str, np.ndarray]:
    """An npz of `texts` (T,) strings, `text_vectors` (T, D), `videos` (V,) strings, `video_vectors`
    (V, D) or (V, F, D); F frames are averaged as unit vectors. DataError says what does not fit;
    pickles are refused.
    """
    try:
        file = read_npz(path)
        arrays = {name: file[name] for name in ("texts", "text_vectors", "videos", "video_vectors")}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as an npz of texts, text_vectors, videos and video_vectors "
            f"without pickles ({error})"
        ) from error
    for name in ("text", "video"):
        names, vectors = arrays[f"{name}s"], arrays[f"{name}_vectors"]
        if names.dtype.kind != "U" or names.ndim != 1 or len(set(names.tolist())) != len(names):
            raise DataError(
                f"{path}: `{name}s` must be distinct strings, got {names.dtype} {names.shape}"
            )
        if vectors.dtype.kind != "f" or vectors.ndim not in (2, 3) or len(vectors) != len(names):
            raise DataError(
                f"{path}: `{name}_vectors` is {vectors.dtype} {vectors.shape} for {len(names)} "
                f"{name}s"
            )
        if not np.isfinite(vectors).all():
            raise DataError(
                f"{path}: `{name}_vectors` holds numbers that are not finite; make them again"
            )
        arrays[f"{name}_vectors"] = vectors.astype(np.float32)
    if arrays["video_vectors"].ndim == 3:
        arrays["video_vectors"] = _unit(arrays["video_vectors"], "frame").mean(1)
    widths = [arrays[f"{name}_vectors"].shape[1:] for name in ("text", "video")]
    if widths[0] != widths[1]:
        raise DataError(
            f"{path}: vectors of texts and videos have different widths, {widths[0]} and "
            f"{widths[1]}"
        )
    return arrays


def _unit(vectors: np.ndarray, what: str) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise DataError(f"a {what} vector is zero or not finite; find the broken input")
    return np.asarray(vectors / lengths, dtype=np.float32)


def open_embeddings(model: str, opening: Opening) -> CosineScorer:
    """The npz file called `model`."""
    return CosineScorer(StoredVectors(Path(model)))


def open_sentence_transformers(model: str, opening: Opening) -> CosineScorer:
    """The model directory or hub id, by the sentence-transformers library, which must be
    installed.
    """
    try:
        library = importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise missing_extra("the scorer sentence-transformers", "sentence-transformers") from error
    needs = ClipNeeds(num_frames=12)
    encoder: Encode = library.SentenceTransformer(model, device=opening.device)
    return CosineScorer(EncodedVectors(encoder, opening.clips(needs), model, needs.num_frames))
