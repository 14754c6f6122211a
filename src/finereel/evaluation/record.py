"""The record of a run: everything needed to compare it, redo its statistics and know how it was
made.

A `RunRecord` is a folder (`finereel.evaluation.record_files`): facts and metrics, the rank of every
query, and, where kept, the scores that were ranked.
"""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

import finereel
from finereel.data.base import Dataset
from finereel.errors import DataError
from finereel.evaluation.gallery import ScoredSplit
from finereel.evaluation.retrieval import FUSED, RetrievalResult, also_right, pooled_texts
from finereel.models.heads import compiled
from finereel.statistics.metrics import Ranks

# What a result was made with: program and library versions, machine kind, and the commit of a
# checkout.
_GIT_SECONDS = 10


@dataclass(frozen=True)
class Environment:
    """Versions and machine.

    commit: the commit of the checkout, with `+` where files differ from it; empty for an installed
    package. device: the device that computed the scores. kernels: instructions of the compiled
    kernels, or why there are none.
    """

    finereel: str
    torch: str
    numpy: str
    python: str
    platform: str
    device: str
    threads: int
    commit: str
    kernels: str = ""


def environment(device: torch.device) -> Environment:
    """Describe the software and the hardware of this process.

    >>> environment(torch.device("cpu")).finereel == finereel.__version__
    True
    """
    return Environment(
        finereel=finereel.__version__,
        torch=torch.__version__,
        numpy=np.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        commit=commit(Path(finereel.__file__).resolve().parents[2]),
        kernels=compiled.state(),
    )


def commit(checkout: Path) -> str:
    """The commit of a checkout, 40 hex characters and `+` for changed files; empty where `checkout`
    is none.
    """
    if not ((checkout / ".git").exists() and (checkout / "pyproject.toml").exists()):
        return ""
    try:
        found = _git(checkout, "rev-parse", "HEAD").strip()
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return found + ("+" if changed else "")


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS
    ).stdout


@dataclass(frozen=True)
class DatasetFacts:
    """What was asked: split and coverage. Hashes as of `Split.hash`: of the whole split and of what
    was scored.

    texts: `single`, `multiple` or `paragraph` (see `CaptionProtocol`); missing: why, by video id.
    doubled: captions with the words of a caption of another video, and whether such a video counts
    as right; captions_cut: captions longer than the model reads (None: not known).
    """

    name: str
    split: str
    split_hash: str
    scored_hash: str
    texts: str
    videos: int
    captions: int
    coverage: str
    missing: Mapping[str, str]
    doubled: int = 0
    doubled_right: bool = False
    captions_cut: int | None = None

    @property
    def complete(self) -> bool:
        """Whether all of the split was scored."""
        return not self.missing

    @classmethod
    def of(
        cls, dataset: Dataset, scored: ScoredSplit, doubled_right: bool = False
    ) -> "DatasetFacts":
        """The facts of a scored split; videos and captions count what was scored."""
        split, coverage = scored.split, scored.coverage
        return cls(
            name=dataset.name,
            split=split.name,
            split_hash=coverage.split_hash,
            scored_hash=split.hash,
            texts=dataset.protocol.texts,
            videos=len(split.videos),
            captions=len(split.captions),
            coverage=str(coverage),
            missing=dict(coverage.missing),
            doubled=len(np.unique(also_right(scored.relation, scored.sentences)[:, 0])),
            doubled_right=doubled_right,
            captions_cut=coverage.captions_cut,
        )


@dataclass(frozen=True)
class ModelFacts:
    """Who answered. words, frames: tokens of a caption and frames of a clip at most; weights: of
    the granularities.
    """

    name: str
    fingerprint: str
    head: str
    words: int
    frames: int
    weights: Mapping[str, float]
    card: Mapping[str, Any]


@dataclass(frozen=True)
class QueryRanks:
    """One direction, query by query: ids, the video each is about (what is resampled together),
    ranks by granularity.

    `fused` is one of the granularities.
    """

    ids: tuple[str, ...]
    videos: tuple[str, ...]
    ranks: Mapping[str, Ranks]

    def __post_init__(self) -> None:
        sizes = {len(self.ids), len(self.videos), *map(len, self.ranks.values())}
        if len(sizes) != 1 or FUSED not in self.ranks or not self.ids:
            raise DataError(
                f"expected a rank for every query and granularity, got sizes {sorted(sizes)}"
            )


@dataclass(frozen=True)
class GalleryScores:
    """What was ranked in one direction: fused scores of Q queries and G gallery items, and the
    right item of each. also_right: further right items, (query, item) in each row.

    With several captions per video, a gallery item of video_to_text is all captions of a video and
    has its id.
    """

    queries: tuple[str, ...]
    gallery: tuple[str, ...]
    right: Int64[np.ndarray, " Q"]
    matrix: Float32[np.ndarray, "Q G"]
    also_right: Int64[np.ndarray, "N 2"] = field(
        default_factory=lambda: np.zeros((0, 2), dtype=np.int64)
    )

    def __post_init__(self) -> None:
        if self.matrix.shape != (len(self.queries), len(self.gallery)) or self.right.shape != (
            len(self.queries),
        ):
            raise DataError(
                f"expected scores for {len(self.queries)} queries and {len(self.gallery)} items, "
                "got "
                f"{self.matrix.shape} with {len(self.right)} right answers"
            )
        if len(self.right) and not 0 <= self.right.min() <= self.right.max() < len(self.gallery):
            raise DataError(f"right answers are numbers from 0 to {len(self.gallery) - 1}")


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a record says of its run, whatever was measured.

    source: where the clips came from; seeds: by what they were used for; seconds: wall time;
    reload_verified: whether the scores are those of the model as read back from its files.
    """

    name: str
    model: ModelFacts
    source: Mapping[str, str]
    seeds: Mapping[str, int]
    environment: Environment
    seconds: float
    reload_verified: bool


@dataclass(frozen=True, kw_only=True)
class RunRecord(RunFacts):
    """A result and everything about it.

    normalization: name, protocols and choices of `FittedNormalization`; results: direction ->
    granularity (and `fused`) -> metrics, intervals and protocol, as `RetrievalResult.as_dict`;
    scores: by direction, None where they were not kept; scoring: `kind` and facts of
    `finereel.evaluation.scoring`.
    """

    dataset: DatasetFacts
    normalization: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Mapping[str, Any]]]
    queries: Mapping[str, QueryRanks] = field(repr=False)
    scores: Mapping[str, GalleryScores] | None = field(default=None, repr=False)
    scoring: Mapping[str, Any] = field(default_factory=lambda: {"kind": "exact"})

    def row(self, direction: str, granularity: str = FUSED) -> Mapping[str, Any]:
        """One line of a table: R@1, R@5, R@10, MdR, MnR, mean_recall, tie_share, intervals,
        protocol.
        """
        return self.results[direction][granularity]


def query_ranks(scored: ScoredSplit, result: RetrievalResult) -> dict[str, QueryRanks]:
    """The ranks of a result, by the ids of its queries."""
    captions, videos = scored.split.captions, scored.split.videos
    asked = [captions[number] for number in result.text_to_video[FUSED].queries]
    shown = tuple(videos[number] for number in result.video_to_text[FUSED].queries)
    return {
        "text_to_video": QueryRanks(
            tuple(caption.id for caption in asked),
            tuple(caption.video_id for caption in asked),
            {name: row.ranks for name, row in result.text_to_video.items()},
        ),
        "video_to_text": QueryRanks(
            shown, shown, {name: row.ranks for name, row in result.video_to_text.items()}
        ),
    }


def gallery_scores(
    scored: ScoredSplit, fused: Mapping[str, np.ndarray], doubled_right: bool = False
) -> dict[str, GalleryScores]:
    """The fused (T, V) matrix of each direction as queries against gallery; doubled_right: captions
    of the same words are right for each other's videos.
    """
    split, owners = scored.split, scored.relation
    sentences = scored.sentences if doubled_right else np.arange(len(owners))
    pooled = pooled_texts(fused["video_to_text"], owners, sentences)
    described = tuple(split.videos[number] for number in pooled.videos)
    one_each = len(described) == len(split.captions)
    first = {caption.video_id: caption.id for caption in reversed(split.captions)}
    return {
        "text_to_video": GalleryScores(
            tuple(caption.id for caption in split.captions),
            split.videos,
            owners,
            fused["text_to_video"].astype(np.float32),
            also_right(owners, sentences),
        ),
        "video_to_text": GalleryScores(
            described,
            tuple(first[video] for video in described) if one_each else described,
            np.arange(len(described), dtype=np.int64),
            pooled.scores[:, pooled.videos].T.astype(np.float32),
        ),
    }
