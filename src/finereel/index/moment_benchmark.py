"""Measure how well moments are found on a data set that names them, from its videos."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize

from finereel.data.moment_files import FoundMoments, MomentQuery
from finereel.data.videos import find_videos
from finereel.errors import DataError, VideoError
from finereel.index.moments import MomentSettings, find_moments
from finereel.index.protocols import SearchModel, VideoSource
from finereel.statistics.intervals import mean_interval
from finereel.statistics.spans import first_overlap, mean_average_precision
from finereel.types import OnProgress, no_progress
from finereel.video.plan import Clip, ClipPlan

BATCH = 4
"""Clips encoded at a time."""
PREDICTED = 10
"""Moments of a query, as QVHighlights counts at most."""


@dataclass(frozen=True)
class MomentResult:
    """What was found, and how well.

    Attributes:
        found: The moments of every query whose video could be read.
        missing: Why a video could not be read, by its id; its queries are left out.
        metrics: R1@0.5, R1@0.7 and mAP in percent.
        intervals: Their 95 % intervals, over videos.
    """

    found: tuple[FoundMoments, ...]
    missing: dict[str, str]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class _Seen:
    """The frames of a video as unit vectors, their times, and how long it is."""

    frames: Float[Tensor, "N D"]
    seconds: Float64[np.ndarray, " N"]
    end: float


def measure_moments(
    model: SearchModel,
    queries: Sequence[MomentQuery],
    folder: Path,
    source: VideoSource,
    on_progress: OnProgress = no_progress,
) -> MomentResult:
    """Find the moments of every query in its video, as a library would, and measure them.

    Args:
        model: The model.
        queries: The queries of a split.
        folder: The videos, named by their ids.
        source: Reads videos.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The moments and the metrics.

    Raises:
        DataError: If no video can be read.
    """
    by_video: dict[str, list[MomentQuery]] = defaultdict(list)
    for query in queries:
        by_video[query.video_id].append(query)
    paths = find_videos(folder, by_video)
    found, missing = [], {name: "no file" for name in by_video if name not in paths}
    for number, (name, path) in enumerate(paths.items()):
        on_progress("finding moments", number, len(paths))
        try:
            seen = _see(model, source, path)
        except (VideoError, OSError) as error:
            missing[name] = str(error)
            continue
        found += _in_video(model, seen, by_video[name])
    on_progress("finding moments", len(paths), len(paths))
    if not found:
        raise DataError(f"none of the {len(by_video)} videos could be read in {folder}")
    return _result(found, missing)


def _see(model: SearchModel, source: VideoSource, path: Path) -> _Seen:
    frames, seconds, end = [], [], 0.0
    waiting: list[Clip] = []
    plan = ClipPlan(num_frames=model.num_frames, size=model.picture_size)

    def encode() -> None:
        features = model.encode_video([clip.frames for clip in waiting])
        for row, clip in enumerate(waiting):
            own = features.frames[row][features.frame_mask[row]].float().cpu()
            frames.append(normalize(own, dim=-1))
            seconds.append(clip.frames.seconds[: len(own)])
        waiting.clear()

    for clip in source.clips(path, plan):
        waiting.append(clip)
        end = max(end, clip.window.end)
        if len(waiting) == BATCH:
            encode()
    if waiting:
        encode()
    if not frames:
        raise VideoError(f"{path}: no picture could be decoded")
    times, kept = np.unique(np.concatenate(seconds), return_index=True)
    return _Seen(torch.cat(frames)[torch.from_numpy(kept)], times, max(end, float(times[-1])))


def _in_video(
    model: SearchModel, seen: _Seen, queries: Sequence[MomentQuery]
) -> list[FoundMoments]:
    sentences = model.encode_text([query.text for query in queries]).sentence
    scores = normalize(sentences.float().cpu(), dim=-1).double() @ seen.frames.double().T
    span = (min(0.0, float(seen.seconds[0])), seen.end)
    found = []
    for query, row in zip(queries, scores.numpy(), strict=True):
        moments = find_moments(row, seen.seconds, span, MomentSettings(most=PREDICTED))
        spans = tuple((moment.start, moment.end) for moment in moments)
        found.append(FoundMoments(query, spans, tuple(moment.strength for moment in moments)))
    return found


def _result(found: Sequence[FoundMoments], missing: dict[str, str]) -> MomentResult:
    first = np.array([first_overlap(each.spans, each.query.spans) for each in found])
    columns = {
        "R1@0.5": 100.0 * (first >= 0.5),
        "R1@0.7": 100.0 * (first >= 0.7),
        "mAP": np.array(
            [100 * mean_average_precision(each.spans, each.query.spans) for each in found]
        ),
    }
    names = [each.query.video_id for each in found]
    _, clusters = np.unique(names, return_inverse=True)
    intervals = {name: mean_interval(column, clusters) for name, column in columns.items()}
    return MomentResult(
        tuple(found),
        missing,
        {name: float(column.mean()) for name, column in columns.items()},
        {name: (interval.low, interval.high) for name, interval in intervals.items()},
    )
