"""A library double: what the commands need of `finereel.library.Library`, without a model or a
disk.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from finereel.cli import app
from finereel.errors import LibraryNotFoundError
from finereel.index.duplicates import DuplicateVideo
from finereel.index.events import (
    AddEvent,
    AddReport,
    AddSettings,
    FileFailed,
    FileIndexed,
    FileStarted,
    Planned,
)
from finereel.index.facts import FileFacts
from finereel.index.feedback import Calibration
from finereel.index.folders import Away
from finereel.index.migration import MigrationReport
from finereel.index.query import Answer, Query
from finereel.index.repair import RepairReport
from finereel.index.similar import SimilarHit
from finereel.types import CaptionHit, Hit, MatchConfidence, OnProgress, Problem


@pytest.fixture(autouse=True)
def _piped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as wide as in a pipe, whatever terminal or test runner is around; a test may set its
    own width.
    """
    monkeypatch.delenv("COLUMNS", raising=False)


@dataclass(frozen=True)
class ToyStatus:
    videos: int
    clips: int
    failed: int
    bytes: int
    model: str
    clip_seconds: float
    away: tuple[Away, ...]
    excluded: tuple[str, ...]


class ToyLibrary:
    """Keeps what it was asked; answers from `hits`, `problems` and `report`."""

    calls: ClassVar[list[tuple[str, Any]]] = []
    exists: ClassVar[bool] = True
    interrupted: ClassVar[bool] = False
    hits: ClassVar[list[Hit]] = []
    calibration: ClassVar[Calibration] = Calibration(None, 1)
    confidence: ClassVar[MatchConfidence | None] = MatchConfidence(3 / 401, 400)
    problems: ClassVar[list[Problem]] = []
    more: ClassVar[dict[str, Any]] = {}
    model_name: ClassVar[str] = "toy"

    @classmethod
    def open(cls, path: Path, model: str | None = None) -> "ToyLibrary":
        cls.calls.append(("open", (path, model)))
        if not cls.exists and model is None:
            raise LibraryNotFoundError(
                f"no library at {path}: make one with finereel index PATH --library {path}"
            )
        return cls()

    def add(
        self, paths: Iterable[Path], *, on_event: Callable[[AddEvent], None], settings: AddSettings
    ) -> AddReport:
        self.calls.append(("add", (list(paths), settings)))
        on_event(Planned(to_encode=2, unchanged=1, known_bad=0, moved=0, copied=0, missing=0))
        on_event(FileStarted("/v/a.mp4", 1, 2))
        on_event(FileIndexed("/v/a.mp4", 3, 0.5, 0.5))
        on_event(FileFailed("/v/bad\x1b[31m.mp4", "not a video: expected a media file"))
        report = AddReport(1, 3, 1, failed=1, decode_seconds=1.0, encode_seconds=3.0, seconds=2.0)
        return replace(report, interrupted=self.interrupted, **self.more)

    def rebuild(self, model: str, *, on_event: Callable[[AddEvent], None]) -> AddReport:
        self.calls.append(("rebuild", model))
        return AddReport(interrupted=self.interrupted)

    def fit_normalization(self, captions: Sequence[str]) -> str:
        return f"bank:{len(captions)}"

    def remove_normalization(self) -> None:
        self.calls.append(("remove_normalization", None))

    def tune(self) -> None:
        """Nothing to measure."""

    def close(self) -> None:
        self.calls.append(("close", None))

    def search(self, query: Query) -> list[Hit]:
        self.calls.append(("search", query))
        seen = Counter[str]()
        found = []
        for hit in self.hits:
            seen[hit.video] += 1
            found += [hit] if query.per_video is None or seen[hit.video] <= query.per_video else []
        return found[: query.top]

    def answer(self, query: Query, *, on_progress: OnProgress) -> Answer:
        on_progress("comparing unrelated texts", 1, 1)
        return Answer(query, self.confidence, self.search(query))

    def feedback(self, text: str, clip: str, right: bool) -> Calibration:
        self.calls.append(("feedback", (text, clip, right)))
        return self.calibration

    def describe(self, video: Path, captions: Sequence[str]) -> list[CaptionHit]:
        self.calls.append(("describe", (video, list(captions))))
        parts = {"video_sentence": 0.5}
        return [
            CaptionHit(caption, number, 0.5, parts)
            for number, caption in reversed(list(enumerate(captions)))
        ]

    def similar(
        self, file: Path, top: int, *, at: float | None = None, per_video: int | None = 1
    ) -> list[SimilarHit]:
        self.calls.append(("similar", (file, top, at, per_video)))
        return [
            SimilarHit("/v/copy.mp4", 0.0, 10.0, 0.98, True, "c0", b"jpeg", ("/w/copy.mp4",)),
            SimilarHit("/v/like.mp4", 60.0, 70.0, 0.41, False, "c1", b"jpeg"),
        ][:top]

    def duplicates(self, *, on_progress: OnProgress) -> list[tuple[DuplicateVideo, ...]]:
        on_progress("comparing clips", 2, 2)
        first = DuplicateVideo("/v/copy.mp4", 0.0, 0.0, 1.0, ("/w/copy.mp4",))
        later = DuplicateVideo("/v/late.mp4", 10.0, 20.0, 0.8)
        return [(first, later)] if self.hits else []

    def clips(self, clip_ids: Sequence[str]) -> list[Hit]:
        self.calls.append(("clips", list(clip_ids)))
        return [hit for hit in self.hits if hit.clip_id in clip_ids]

    def facts(self, paths: Sequence[str]) -> dict[str, FileFacts]:
        known = FileFacts(None, 60.0, 640, 360, 25.0, "mov,mp4", "h264", "aac")
        return dict.fromkeys(paths, known)

    def status(self) -> ToyStatus:
        return ToyStatus(2, 5, 1, 2_500_000, "toy", 4.0, (Away("/media/x", 14, "it is empty"),), ())

    def doctor(self, verify: bool = False) -> list[Problem]:
        return (
            [*self.problems, Problem("/lib/data", "not what was written")]
            if verify
            else self.problems
        )

    def repair(self) -> RepairReport:
        return RepairReport(
            clips=5, dropped=2, videos=["/v/a.mp4"], set_aside=["/q/data"], mended=["it was mended"]
        )

    def tag(self, paths: Iterable[Path], names: Iterable[str], *, remove: bool = False) -> int:
        self.calls.append(("tag", (list(names), remove)))
        return len([path for path in paths if path.name != "nowhere"])

    def migrate(self, *, tokens: str | None, on_progress: OnProgress) -> MigrationReport:
        on_progress("reading videos", 3, 4)
        return MigrationReport(3, 1, 0.5, self.interrupted)

    def remove(self, paths: Iterable[Path], *, exclude: bool = True) -> int:
        self.calls.append(("remove", exclude))
        return len(list(paths))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[ToyLibrary]:
    """The double in the library's place, fresh for every test."""
    parts = {"video_sentence": 0.5, "frame_sentence": 0.25, "patch_word": -0.05}
    hits = [
        Hit(f"/v/clip [{n}].mp4", 10.0 * n, 10.0 * n + 10, 0.7 - n / 10, parts, 12.5, f"id{n}")
        for n in range(3)
    ]
    fresh = type("FreshToyLibrary", (ToyLibrary,), {"calls": [], "hits": hits, "problems": []})
    module = ModuleType("finereel.library")
    module.Library = fresh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "finereel.library", module)
    return fresh


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run the command line in this process: `run("search", "a cat").stdout`."""
    return lambda *arguments, **options: CliRunner().invoke(
        app, [str(argument) for argument in arguments], **options
    )
