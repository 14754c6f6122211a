"""Protocols for what the index needs, a model and a source of clips, so that tests can replace
both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from finereel.config import ModelConfig
from finereel.models.features import Scores, StoredFeatures, TextFeatures, VideoFeatures
from finereel.text import BaseTokenizer
from finereel.types import Frames
from finereel.video.files import FileState
from finereel.video.find import Found
from finereel.video.plan import Clip, ClipPlan, VideoInfo
from finereel.video.subtitles import FileCues


@runtime_checkable
class SearchModel(Protocol):
    """The part of `finereel.models.retrieval.RetrievalModel` that indexing and searching use."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def num_frames(self) -> int: ...
    @property
    def picture_size(self) -> int: ...
    @property
    def num_patches(self) -> int: ...
    @property
    def num_contextual(self) -> int: ...

    def encode_text(self, texts: Sequence[str]) -> TextFeatures: ...
    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures: ...
    def score(self, text: TextFeatures, video: VideoFeatures, budget_mib: int = 256) -> Scores: ...
    def coarse_query(self, text: TextFeatures) -> Float[Tensor, "T D"]: ...


@runtime_checkable
class TextReader(Protocol):
    """A model that tells how it reads texts; `finereel.models.retrieval.RetrievalModel` is one."""

    tokenizer: BaseTokenizer | None
    config: ModelConfig


@runtime_checkable
class DecodedClips(Protocol):
    """The clips of one file in time order, decoded as they are asked for;
    `finereel.video.reader.ClipStream` is one.

    `info`: what the file is, known from the first clip on. After the last clip, `warning` says why
    a damaged file gave only some of its clips (empty for a sound file), `note` how a sound one was
    read other than planned (mostly empty) and `decode_seconds` what decoding took.
    """

    @property
    def info(self) -> VideoInfo | None: ...
    @property
    def warning(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def decode_seconds(self) -> float: ...

    def __iter__(self) -> Iterator[Clip]: ...
    def __next__(self) -> Clip: ...
    def close(self) -> None:
        """Give up early."""
        ...


@runtime_checkable
class VideoSource(Protocol):
    """Where videos come from. A file that cannot give frames raises `finereel.errors.VideoError` or
    `OSError`.
    """

    def find(self, paths: Iterable[Path]) -> Found:
        """The video files at and below `paths`, and what was left out."""
        ...

    def state(self, path: Path) -> FileState:
        """Size and modification time."""
        ...

    def content_hash(self, path: Path) -> str:
        """What a rename keeps."""
        ...

    def clips(self, path: Path, plan: ClipPlan) -> DecodedClips:
        """The clips of a file."""
        ...

    def probe(self, path: Path) -> VideoInfo:
        """What a file is, without its clips."""
        ...

    def close(self) -> None:
        """Let go of the decoding child, if there is one."""
        ...


@runtime_checkable
class CueSource(Protocol):
    """A `VideoSource` that also gives the texts of a video; `finereel.video.reader.DiskSource` is
    one.
    """

    def cues(self, path: Path) -> FileCues:
        """The texts beside a file and within it."""
        ...


@runtime_checkable
class SoundSource(Protocol):
    """A `VideoSource` that also gives the sound of a video; `finereel.video.reader.DiskSource` is
    one.
    """

    def sound(self, path: Path) -> Iterator[tuple[float, Float32[np.ndarray, " N"]]]:
        """Mono samples at `finereel.video.plan.SAMPLE_RATE`, piece by piece, each with the second at
        which it begins.
        """
        ...


@runtime_checkable
class TokenStorer(Protocol):
    """A model that says in which form a library keeps its tokens;
    `finereel.models.retrieval.RetrievalModel` is one.
    """

    @property
    def raw_tokens(self) -> frozenset[str]:
        """Which of them keep their own length, see `finereel.models.heads.base.Head.raw`."""
        ...

    @property
    def tokens_per_frame(self) -> int:
        """How many patches a frame has, where its own token is the first of them; else 0."""
        ...

    def stored(self, video: VideoFeatures) -> StoredFeatures: ...


@dataclass(frozen=True)
class StoredTokens:
    """How a table keeps the tokens of its clips; the defaults are those of tables before version 3.

    prepared: whether in the form of `StoredFeatures`, raw: which of them at their own length.
    per_frame: how many patches a frame has, where its own token is the first of them and is kept
    once, as a frame; else 0. format: a name of `finereel.index.tokens.TOKEN_FORMATS`.
    """

    prepared: bool = False
    raw: tuple[str, ...] = ()
    per_frame: int = 0
    format: str = "fp16"

    @classmethod
    def of(cls, model: SearchModel) -> "StoredTokens":
        """As the model says; just as they come where it does not."""
        if not isinstance(model, TokenStorer):
            return cls()
        return cls(True, tuple(sorted(model.raw_tokens)), model.tokens_per_frame)


@dataclass(frozen=True)
class IndexedModel:
    """The model a library was made with: name for messages, fingerprint for the test, sizes for the
    table, and how that keeps the tokens.

    patches, contextual: 0 where the model's head reads none; the table then has no column for them.
    """

    name: str
    fingerprint: str
    frames: int
    patches: int
    dim: int
    contextual: int = 0
    stored: StoredTokens = StoredTokens()

    @classmethod
    def of(cls, model: SearchModel) -> "IndexedModel":
        """What is kept of a model."""
        sizes = (model.num_frames, model.num_patches, model.dim, model.num_contextual)
        return cls(model.name, model.fingerprint, *sizes, StoredTokens.of(model))
