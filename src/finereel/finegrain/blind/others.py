"""Choose the captions a text-only scorer may learn from: never those of the video it scores.

Parts of a caption collection are drawn by video, by a hash of its name, so they are the same on
every machine and in every command. A balanced file was refined with a language model of one part;
it is measured with one of another.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from finereel.data.base import Caption
from finereel.finegrain.types import Negative

FOLDS = 5
PARTS = 3
REFINED = "refine_gap"  # the score a balanced row carries
_ENOUGH = 0.5


@dataclass(frozen=True)
class CaptionBlock:
    """Rows (their indices) to be scored by what was learned from `train`, and one word for how that
    was chosen.
    """

    rows: Int64[np.ndarray, " N"]
    train: list[str]
    protocol: str


def part_of(video_id: str, parts: int) -> int:
    """Which part a video belongs to, from 0.

    >>> [part_of(f"video{n}", 3) for n in range(6)]
    [0, 1, 0, 2, 2, 1]
    """
    digest = hashlib.blake2b(video_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % parts


def evaluating_part(part: int) -> int:
    """The part whose captions judge a balanced row of `part`: neither its own nor the one it was
    refined with.
    """
    return (part + 2) % PARTS


def refining_part(part: int) -> int:
    """The part whose captions refine the rows of `part`."""
    return (part + 1) % PARTS


def captions_of_rows(rows: Sequence[Negative]) -> list[Caption]:
    """The captions the rows were made from, each once."""
    found = {(row.video_id, row.caption_id, row.caption): None for row in rows}
    return [Caption(caption_id, video, text) for video, caption_id, text in found]


def blocks(rows: Sequence[Negative], captions: Sequence[Caption]) -> Iterator[CaptionBlock]:
    """Every row in exactly one block, whose training captions are of other videos than its rows.

    "others": all videos without negatives train one model, where they have at least half of all
    captions. "folds": otherwise; five folds by video, each scored by what the other four and the
    videos without rows say. "unrefined": rows that were balanced are scored by the part that had no
    say in choosing them.
    """
    refined = np.fromiter((REFINED in row.scores for row in rows), np.bool_, len(rows))
    if refined.any():
        yield from _by_part(rows, captions, np.flatnonzero(refined))
    plain = np.flatnonzero(~refined)
    if len(plain):
        yield from _plain(rows, captions, plain)


def _by_part(
    rows: Sequence[Negative], captions: Sequence[Caption], chosen: Int64[np.ndarray, " N"]
) -> Iterator[CaptionBlock]:
    parts = parts_of([rows[index].video_id for index in chosen], PARTS)
    of_caption = parts_of([caption.video_id for caption in captions], PARTS)
    for part in range(PARTS):
        if (parts == part).any():
            unused = of_caption == evaluating_part(part)
            texts = [
                caption.text for caption, wanted in zip(captions, unused, strict=True) if wanted
            ]
            yield CaptionBlock(chosen[parts == part], texts, "unrefined")


def _plain(
    rows: Sequence[Negative], captions: Sequence[Caption], chosen: Int64[np.ndarray, " N"]
) -> Iterator[CaptionBlock]:
    videos = {rows[index].video_id for index in chosen}
    outside = [caption.text for caption in captions if caption.video_id not in videos]
    if outside and len(outside) >= _ENOUGH * len(captions):
        yield CaptionBlock(chosen, outside, "others")
        return
    folds = parts_of([rows[index].video_id for index in chosen], FOLDS)
    of_caption = parts_of([caption.video_id for caption in captions], FOLDS)
    for fold in range(FOLDS):
        if (folds == fold).any():
            inside = (
                caption.text
                for caption, part in zip(captions, of_caption, strict=True)
                if part != fold
            )
            yield CaptionBlock(chosen[folds == fold], list(inside), "folds")


def parts_of(videos: Sequence[str], parts: int) -> Int64[np.ndarray, " N"]:
    """`part_of` for many videos."""
    known: dict[str, int] = {}
    return np.fromiter(
        (
            known[video] if video in known else known.setdefault(video, part_of(video, parts))
            for video in videos
        ),
        np.int64,
        len(videos),
    )
