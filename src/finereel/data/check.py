"""Check a data set: hashes of its splits, missing or broken videos, and differences from the
papers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from finereel.data import PICTURES, PUBLISHED, load
from finereel.data.base import Dataset, SplitSize
from finereel.data.leaks import role, same_but_case, same_file
from finereel.data.videos import check_videos, find_videos
from finereel.types import OnProgress, no_progress

_EVERY_FRAME, _SIDE = 1_000_000, 16


@dataclass(frozen=True)
class SplitFacts:
    """What two people compare before they compare results."""

    videos: int
    captions: int
    hash: str


@dataclass(frozen=True)
class CheckReport:
    """What `check` found. missing: video ids without a file; unreadable: why, by id, for files
    without a first frame.

    Both are None where no folder of videos was given. warnings: what a paper's protocol would not
    have, as sentences.
    """

    splits: Mapping[str, SplitFacts]
    missing: tuple[str, ...] | None
    unreadable: Mapping[str, str] | None
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON values: splits, missing and unreadable (ids), reasons (by unreadable id),
        videos_checked, warnings.
        """
        return {
            "splits": {name: vars(facts) for name, facts in self.splits.items()},
            "missing": list(self.missing or ()),
            "unreadable": list(self.unreadable or ()),
            "reasons": dict(self.unreadable or {}),
            "videos_checked": self.missing is not None,
            "warnings": list(self.warnings),
        }


def check(
    name: str,
    annotations: Path | None,
    videos: Path | None = None,
    on_progress: OnProgress = no_progress,
) -> CheckReport:
    """Load a data set, look for the files of its videos, and read the first frame of each.

    on_progress: counts videos read. Raises ConfigError for an unknown name, DataError for
    annotations that do not parse and for a folder of videos that is none; a missing or broken video
    is no error but part of the report.
    """
    dataset = load(name, annotations)
    facts = {
        name: SplitFacts(len(split.videos), len(split.captions), split.hash)
        for name, split in dataset.splits.items()
    }
    warnings = [
        *_differences(facts, PUBLISHED[name]),
        *_overlaps(dataset),
        *map(str, same_but_case(dataset)),
    ]
    if videos is None:
        return CheckReport(facts, None, None, tuple(warnings))
    ids = list(dict.fromkeys(video for split in dataset.splits.values() for video in split.videos))
    if name in PICTURES:
        missing, unreadable = _check_pictures(videos, ids, on_progress)
        return CheckReport(facts, missing, unreadable, tuple(warnings))
    found = find_videos(videos, ids)
    warnings += map(str, sorted(same_file(dataset, found), key=lambda twice: not twice.leak))
    missing = tuple(video for video in ids if video not in found)
    return CheckReport(
        facts, missing, check_videos(found, on_progress=on_progress), tuple(warnings)
    )


def _check_pictures(
    folder: Path, ids: Sequence[str], on_progress: OnProgress
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The clips without pictures, and why those of others cannot be read; every key frame is read."""
    from finereel.data.pictures import PictureStore  # torch, which captions do not need

    store = PictureStore(folder, _EVERY_FRAME, _SIDE, on_progress=on_progress)
    missing = tuple(clip for clip in ids if clip not in store.clips)
    return missing, dict(store.problems([clip for clip in ids if clip in store.clips]))


def _differences(
    facts: Mapping[str, SplitFacts], published: Mapping[str, SplitSize]
) -> Iterator[str]:
    for name, size in published.items():
        if name not in facts:
            yield f"{name}: not in these annotations"
            continue
        here_of = facts[name]
        wanted = {"videos": size.videos, "captions": size.captions}
        counts = {"videos": here_of.videos, "captions": here_of.captions}
        differing = [
            what for what, count in wanted.items() if count is not None and count != counts[what]
        ]
        if differing:
            said = " and ".join(f"{wanted[what]:,} {what}" for what in differing)
            found = " and ".join(f"{counts[what]:,}" for what in differing)
            yield f"{name}: published {said}, here {found}"


def _overlaps(dataset: Dataset) -> Iterator[str]:
    """A video in training and in evaluation makes results worthless; two training lists, or two
    tests, may overlap.
    """
    for one, other in combinations(dataset.splits, 2):
        both = set(dataset.splits[one].videos) & set(dataset.splits[other].videos)
        if both and role(one) != role(other):
            yield f"{one} and {other} share {len(both):,} videos, such as {min(both)}"
