"""Small libraries of toy videos for attacks on stored files, and what they answer."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from finereel.index.events import AddSettings
from finereel.io.storage.places import Place
from finereel.library import Library
from finereel.types import Hit
from index.doubles import ToyModel, ToySource, write_video

CAPTIONS = ["dog1", "cat2", "cow3 dog0", "yak"]
VIDEOS = 9
TOLERANCE = 1e-4
"""Of a score of up to 100 in single precision, whose sums depend on how many clips are scored
together.
"""

Answer = list[tuple[str, float, float, float, bytes, float]]


def write_videos(folder: Path, count: int = VIDEOS) -> None:
    """Videos of two clips each, one that is cut short and one that does not decode."""
    for number in range(count):
        write_video(folder / f"v{number}.toy", f"dog{number}", f"cat{number}")
    (folder / "part.toy").write_text("2 yak\n2 gnu\n! cut off\n")
    (folder / "bad.toy").write_text("! nonsense\n")


def opened(library: Place) -> Library:
    """The library in a folder or an object store, with the toy model."""
    return Library.open(library, ToyModel(), ToySource())


def answers(library: Path, queries: Iterable[str], candidates: int | None = None) -> list[Answer]:
    """Every field of every hit that a person sees."""
    found = opened(library)
    return [
        [_seen(hit) for hit in found.search(text, 1000, candidates=candidates, per_video=None)]
        for text in queries
    ]


def same_answers(found: list[Answer], expected: list[Answer]) -> bool:
    """The same hits in the same order, with the same scores but for rounding."""
    return [[_fixed(hit) for hit in hits] for hits in found] == [
        [_fixed(hit) for hit in hits] for hits in expected
    ] and all(
        abs(hit[3] - other[3]) < TOLERANCE
        for hits, others in zip(found, expected, strict=True)
        for hit, other in zip(hits, others, strict=True)
    )


def settings(**values: int) -> AddSettings:
    """A commit for every two videos."""
    return AddSettings(**{"commit_clips": 4, **values})


def _seen(hit: Hit) -> tuple[str, float, float, float, bytes, float]:
    return (hit.video, hit.start, hit.end, hit.score, hit.thumbnail, hit.best_frame)


def _fixed(hit: tuple[str, float, float, float, bytes, float]) -> tuple[object, ...]:
    return (hit[0], hit[1], hit[2], hit[4], hit[5])
