"""The interface of a model under evaluation: score the texts of a clip, and describe itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Float64

from finereel.data.base import ClipSource, Split
from finereel.evaluation.gallery import ScoredSplit
from finereel.evaluation.record import ModelFacts
from finereel.finegrain.evaluate.groups import Candidates
from finereel.models.preprocessing import Preprocessing
from finereel.ranking import fuse
from finereel.types import OnProgress, no_progress


@dataclass(frozen=True)
class PairScores:
    """Scores of N texts, each against the clip it was asked for: per granularity, and the weights
    that fuse them.

    as_first: texts that read to the model exactly as the first text of their candidates does, for
    instance because it cuts both before the word that differs. The first one itself is True.
    """

    parts: Mapping[str, Float32[np.ndarray, " N"]]
    weights: Mapping[str, float]
    as_first: Bool[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.as_first)

    @property
    def fused(self) -> Float64[np.ndarray, " N"]:
        """Weighted sum over the granularities."""
        return fuse(
            {name: part.astype(np.float64) for name, part in self.parts.items()}, self.weights
        )


@runtime_checkable
class Scorer(Protocol):
    """Anything that scores texts against clips."""

    @property
    def facts(self) -> ModelFacts:
        """Who answers."""
        ...

    @property
    def description(self) -> Mapping[str, str]:
        """Where the clips come from, JSON values."""
        ...

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Why each of these videos cannot be scored, by id; those that can be are left out."""
        ...

    def score(
        self, asked: Sequence[Candidates], on_progress: OnProgress = no_progress
    ) -> PairScores:
        """All texts of `asked`, in order. Fastest when candidates of one video stand together."""
        ...

    def score_split(self, split: Split, on_progress: OnProgress = no_progress) -> ScoredSplit:
        """Every caption against every clip: coarse retrieval by the same model."""
        ...


@dataclass(frozen=True)
class ClipNeeds:
    """What a model wants of a clip: frames, side of its pictures in pixels, whether it takes tokens
    alone, and how its pictures are made (None: a bicubic centre square).
    """

    num_frames: int
    image_size: int = 224
    tokens_only: bool = False
    preprocessing: Preprocessing | None = None


OpenClips = Callable[[ClipNeeds], ClipSource]


@dataclass(frozen=True)
class Opening:
    """How to open a scorer. clips: called with what the model needs; device: a torch device's name;
    fine: score with the model's fine head where it has one.
    """

    clips: OpenClips
    device: str = "cpu"
    fine: bool = True


def distinct_chunks(asked: Sequence[Candidates], most: int) -> list[tuple[slice, list[str]]]:
    """`asked` cut so that no piece has more than `most` distinct texts (or is one piece of
    `asked`), and those texts.

    >>> asked = [Candidates("a", ("x", "y")), Candidates("b", ("y", "x")), Candidates("b", ("z", "x"))]
    >>> [(part.start, part.stop, texts) for part, texts in distinct_chunks(asked, 2)]
    [(0, 2, ['x', 'y']), (2, 3, ['z', 'x'])]
    """
    pieces: list[tuple[slice, list[str]]] = []
    start, texts = 0, dict[str, None]()
    for place, candidates in enumerate(asked):
        more = dict.fromkeys(text for text in candidates.texts if text not in texts)
        if place > start and len(texts) + len(more) > most:
            pieces.append((slice(start, place), list(texts)))
            start, texts = place, {}
        texts |= dict.fromkeys(candidates.texts)
    return [*pieces, (slice(start, len(asked)), list(texts))]
