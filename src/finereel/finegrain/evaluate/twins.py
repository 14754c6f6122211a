"""Score ReelWorld's twins, two clips that differ in one word: text, video and group accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finereel.data.base import Split
from finereel.errors import DataError
from finereel.finegrain.evaluate.groups import Candidates, Group
from finereel.finegrain.evaluate.scorer import Scorer
from finereel.reelworld import captions, sample_scene, twins
from finereel.statistics.twins import TwinScores, twin_accuracy
from finereel.types import OnProgress, no_progress

_WAYS = ("text", "video", "group")


@dataclass(frozen=True, slots=True)
class TwinPair:
    """A clip and its twin, with a caption each that is certainly false of the other one."""

    video_id: str
    twin_id: str
    pos: str
    caption: str
    twin_caption: str


def twin_pairs(split: Split) -> tuple[TwinPair, ...]:
    """The twins of the drawn scenes of a split (`test/17` has the twins `test/17~0` and on; see
    `datasets.worlds`).

    Raises DataError for a split without drawn scenes.

    >>> pair = twin_pairs(Split("test", ("test/3",), ()))[0]
    >>> pair.video_id, pair.twin_id, pair.pos
    ('test/3', 'test/3~0', 'noun')
    """
    found = []
    for video in split.videos:
        name, _, number = video.partition("/")
        if number.isdecimal():
            scene = sample_scene(int(number), name)
            found += [
                TwinPair(video, f"{video}~{place}", twin.pos, captions(scene)[0], twin.caption)
                for place, twin in enumerate(twins(scene, split=name))
            ]
    if not found:
        raise DataError(
            f"split {split.name} has no drawn scenes: twins are those of --data reelworld without "
            "files"
        )
    return tuple(found)


def twin_groups(pairs: Sequence[TwinPair]) -> tuple[Group, ...]:
    """Every twin's caption as the one negative of its scene's caption."""
    return tuple(
        Group(pair.video_id, pair.video_id, pair.pos, pair.caption, (pair.twin_caption,))
        for pair in pairs
    )


def twin_rows(
    scorer: Scorer, pairs: Sequence[TwinPair], on_progress: OnProgress = no_progress
) -> dict[str, Any]:
    """Accuracies of every granularity and of the fused score (see `finereel.statistics.twins`), as
    JSON values.

    {"pairs": scored, "missing": pairs that cannot be read, "rows": {pos: {granularity: {"text":
    {"percent", "interval", "tie_share"}, "video", "group"}}}}; intervals are by scene. Raises
    DataError when none can be read.
    """
    videos = list(dict.fromkeys(video for pair in pairs for video in (pair.video_id, pair.twin_id)))
    missing = scorer.problems(videos)
    kept = [pair for pair in pairs if pair.video_id not in missing and pair.twin_id not in missing]
    if not kept:
        raise DataError(
            f"none of the {len(pairs)} twins can be read ({next(iter(missing.items()))})"
        )
    asked = [
        Candidates(video, (pair.caption, pair.twin_caption))
        for pair in kept
        for video in (pair.video_id, pair.twin_id)
    ]
    scored = scorer.score(asked, on_progress)
    _, scene = np.unique([pair.video_id for pair in kept], return_inverse=True)
    rows: dict[str, dict[str, Any]] = {}
    for name, column in {**scored.parts, "fused": scored.fused}.items():
        own, twin_caption, twin_video, twin_own = column.reshape(-1, 4).T
        scores = TwinScores(own, twin_caption, twin_video, twin_own)
        for pos, found in twin_accuracy(scores, [pair.pos for pair in kept], scene).items():
            accuracies = {way: getattr(found, way) for way in _WAYS}
            rows.setdefault(pos, {})[name] = {
                way: {
                    "percent": accuracy.percent,
                    "interval": [accuracy.interval.low, accuracy.interval.high],
                    "tie_share": accuracy.tie_share,
                }
                for way, accuracy in accuracies.items()
            }
    counts = {
        pos: sum(pair.pos == pos for pair in kept) for pos in sorted({pair.pos for pair in kept})
    }
    return {"pairs": counts, "missing": len(pairs) - len(kept), "rows": rows}
