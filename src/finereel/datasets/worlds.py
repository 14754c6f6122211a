"""ReelWorld as a data set: a folder that `finereel reelworld` wrote, or scenes that need no files at all.

Without files a video is called "test/17", scene 17 of the split `test`, and `WorldSource` renders it when it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finereel.datasets.base import Caption, CaptionProtocol, ClipArrays, Dataset, Split, SplitSize
from finereel.datasets.captions import CaptionTable
from finereel.datasets.files import need_file, quoted, read_jsonl
from finereel.datasets.reelworld import render_small
from finereel.errors import DataError
from finereel.reelworld import SPLITS, VERSION, captions, frame_times, sample_scene

PUBLISHED: dict[str, SplitSize] = {}
SIZES: Mapping[str, int] = {"train": 400, "val": 100, "test_seen": 200, "test": 200}
"""Scenes per split where nobody says otherwise; to think up a thousand takes seconds."""
CAPTIONS = "captions.jsonl"
PROTOCOL = CaptionProtocol(max_words=32, max_frames=12, texts="single")


def load(annotations: Path) -> Dataset:
    """The clips of an exported folder with the first caption of each; their twins are not part of it."""
    tables: dict[str, CaptionTable] = {}
    taken = CaptionTable()
    for row in read_jsonl(need_file(annotations, CAPTIONS)):
        taken.add_only(row, row.name("video"), row.text("caption"))
        tables.setdefault(row.name("split"), CaptionTable()).add(row, row.name("video"), row.text("caption"))
    splits = {name: table.split(name) for name, table in tables.items()}
    return Dataset("reelworld", splits, PROTOCOL, "val" if "val" in splits else None)


def virtual(sizes: Mapping[str, int] = SIZES) -> Dataset:
    """The first scenes of every split named in `sizes`, with the first caption of each.

    >>> virtual({"val": 2}).split("val").videos
    ('val/0', 'val/1')
    """
    splits = {name: _scenes(name, size) for name, size in sizes.items()}
    return Dataset("reelworld", splits, PROTOCOL, "val" if "val" in splits else None)


def _scenes(split: str, size: int) -> Split:
    videos = tuple(f"{split}/{number}" for number in range(size))
    texts = (captions(sample_scene(number, split))[0] for number in range(size))
    return Split(split, videos, tuple(Caption(video, video, text) for video, text in zip(videos, texts, strict=True)))


@dataclass(frozen=True)
class WorldSource:
    """Renders the videos of `virtual` as the towers take them; a `ClipSource`.

    >>> WorldSource(image_size=32, num_frames=2).read(["val/0"]).frames.shape
    (1, 2, 32, 32, 3)
    """

    image_size: int = 80
    num_frames: int = 12

    @property
    def description(self) -> Mapping[str, str]:
        """What a result says about these clips."""
        return {
            "source": "reelworld",
            "version": str(VERSION),
            "image_size": str(self.image_size),
            "num_frames": str(self.num_frames),
        }

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        """Ids that name no scene."""
        return {video: f"{quoted(video)} is no scene" for video in videos if _scene_id(video) is None}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """Rendered clips UInt8 (V, F, H, H, 3), every frame real. Raises DataError for an id that names no scene."""
        size, times = self.image_size, frame_times(self.num_frames)
        frames = np.empty((len(videos), len(times), size, size, 3), np.uint8)
        for row, video in enumerate(videos):
            found = _scene_id(video)
            if found is None:
                raise DataError(f"{quoted(video)} is no scene: expected SPLIT/NUMBER with one of {', '.join(SPLITS)}")
            frames[row] = render_small(sample_scene(*found), times, size)
        return ClipArrays(frames, np.ones(frames.shape[:2], dtype=bool))


def _scene_id(video: str) -> tuple[int, str] | None:
    split, _, number = video.partition("/")
    plain = number.isascii() and number.isdigit() and len(number) <= 18
    return (int(number), split) if split in SPLITS and plain and str(int(number)) == number else None
