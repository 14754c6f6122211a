"""The progress events of a run and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finereel.evaluation.record import RunRecord
from finereel.evaluation.reelworld import WorldResult
from finereel.models.retrieval import RetrievalModel
from finereel.training.trainer import Progress


@dataclass(frozen=True)
class Working:
    """Something other than a training step: `decoding`, `clips`, `captions`, `scores`; done of
    total.
    """

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Note:
    """A message for the user."""

    text: str


@dataclass(frozen=True)
class StageProgress:
    """Progress of one step, and which stage it belongs to (1-based); result: of a validation on a
    world.
    """

    stage: int
    stages: int
    progress: Progress
    result: WorldResult | None = None


Event = Working | Note | StageProgress
OnEvent = Callable[[Event], None]


def silent(event: Event) -> None:
    """Default progress callback: does nothing."""


@dataclass(frozen=True)
class RunOptions:
    """Where things are on this machine.

    Attributes:
        annotations: Folder of annotation files, see `finereel.data.sources.SourceOptions`.
        videos: Folder of videos.
        features: Folder of precomputed tokens, instead of videos.
        cache: Folder for decoded frames.
        start: The CLIP model to start from: a directory, hub id or bundled name.
        negatives: A file of fine-grained negatives of the training captions, in any format of
            `finereel.finegrain.files`.
        allow_missing: Whether to train even if many videos cannot be read.
        device: A device; `auto` takes CUDA if there is one.
        workers: Processes that prepare batches ahead; None chooses by the data and the device. A
            script that asks for some needs `if __name__ == "__main__":`.
    """

    annotations: Path | None = None
    videos: Path | None = None
    features: Path | None = None
    cache: Path | None = None
    start: str | None = None
    negatives: Path | None = None
    allow_missing: bool = False
    device: str = "auto"
    workers: int | None = 0


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        model: The selected model.
        folder: The model directory.
        record: Its one evaluation on the test split.
    """

    model: RetrievalModel
    folder: Path
    record: RunRecord
