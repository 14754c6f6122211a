"""ReelWorld as a data set: a folder that `finereel reelworld` wrote, or scenes that need no files
at all.

Without files a video is called "test/17", scene 17 of the split `test`, its counterfactual twins
"test/17~0" and on; `WorldSource` renders them when they are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from finereel.data.base import (
    Caption,
    CaptionProtocol,
    CaptionTable,
    ClipArrays,
    Dataset,
    Split,
    SplitSize,
)
from finereel.errors import DataError
from finereel.io.tables import need_file, quoted, read_jsonl
from finereel.reelworld import (
    SPLITS,
    VERSION,
    Scene,
    Twin,
    captions,
    frame_times,
    sample_scene,
    twins,
)
from finereel.reelworld.batches import render_small

PUBLISHED: dict[str, SplitSize] = {}
SIZES: Mapping[str, int] = {"train": 400, "val": 100, "test_seen": 200, "test": 200}
"""Scenes per split where nobody says otherwise; to think up a thousand takes seconds."""
CAPTIONS = "captions.jsonl"
PROTOCOL = CaptionProtocol(max_words=32, max_frames=12, texts="single")


def load(annotations: Path) -> Dataset:
    """The clips of an exported folder with the first caption of each; their twins are not part of
    it.
    """
    tables: dict[str, CaptionTable] = {}
    taken = CaptionTable()
    for row in read_jsonl(need_file(annotations, CAPTIONS)):
        taken.add_only(row, row.name("video"), row.text("caption"))
        tables.setdefault(row.name("split"), CaptionTable()).add(
            row, row.name("video"), row.text("caption")
        )
    splits = {name: table.split(name) for name, table in tables.items()}
    return Dataset("reelworld", splits, PROTOCOL, "val" if "val" in splits else None)


def virtual(sizes: Mapping[str, int] = SIZES, with_twins: bool = False) -> Dataset:
    """The first scenes of every split named in `sizes`, with the first caption of each.

    with_twins: every scene is followed by its twins, about five, whose caption differs in one word;
    so the gallery holds the hardest distractors there can be.

    >>> virtual({"val": 2}).split("val").videos
    ('val/0', 'val/1')
    """
    splits = {name: _scenes(name, size, with_twins) for name, size in sizes.items()}
    return Dataset("reelworld", splits, PROTOCOL, "val" if "val" in splits else None)


def _scenes(split: str, size: int, with_twins: bool) -> Split:
    pairs: list[tuple[str, str]] = []
    for number in range(size):
        pairs.append((f"{split}/{number}", captions(sample_scene(number, split))[0]))
        if with_twins:
            pairs += [
                (f"{split}/{number}~{place}", twin.caption)
                for place, twin in enumerate(_twins(number, split))
            ]
    return Split(
        split,
        tuple(video for video, _ in pairs),
        tuple(Caption(video, video, text) for video, text in pairs),
    )


@lru_cache(maxsize=1024)
def _twins(number: int, split: str) -> tuple[Twin, ...]:
    return tuple(twins(sample_scene(number, split), split=split))


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
        return {
            video: f"{quoted(video)} is no scene" for video in videos if scene_of(video) is None
        }

    def read(self, videos: Sequence[str]) -> ClipArrays:
        """Rendered clips UInt8 (V, F, H, H, 3), every frame real. Raises DataError for an id that
        names no scene.
        """
        size, times = self.image_size, frame_times(self.num_frames)
        frames = np.empty((len(videos), len(times), size, size, 3), np.uint8)
        for row, video in enumerate(videos):
            scene = scene_of(video)
            if scene is None:
                raise DataError(
                    f"{quoted(video)} is not a scene: expected SPLIT/NUMBER or SPLIT/NUMBER~TWIN, "
                    "SPLIT one of "
                    f"{', '.join(SPLITS)}"
                )
            frames[row] = render_small(scene, times, size)
        return ClipArrays(frames, np.ones(frames.shape[:2], dtype=bool))


def scene_of(video: str) -> Scene | None:
    """The scene or twin that an id names, None where it names nothing."""
    split, _, rest = video.partition("/")
    number, tilde, place = rest.partition("~")
    if split not in SPLITS or not _is_number(number) or (tilde and not _is_number(place)):
        return None
    if not tilde:
        return sample_scene(int(number), split)
    found = _twins(int(number), split)
    return found[int(place)].scene if int(place) < len(found) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18 and str(int(text)) == text
