"""The stored frames of a whole video in time order, across its clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import normalize

from finereel.index.kept import RowIds
from finereel.index.snapshot import Snapshot
from finereel.models.features import TextFeatures


@dataclass(frozen=True)
class TimedClip:
    """What is known of a clip of a timeline besides its frames."""

    clip_id: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """The N frames of one file, or of some of its clips.

    file_id, video_id, path: of the file; clips: in time order; seconds: of the frames, ascending,
    every time once; frames: unit vectors; clip_of: the number of each frame's clip.
    """

    file_id: str
    video_id: str
    path: str
    clips: tuple[TimedClip, ...]
    seconds: Float64[np.ndarray, " N"]
    frames: Float[Tensor, "N D"]
    clip_of: Int64[np.ndarray, " N"]

    @property
    def span(self) -> tuple[float, float]:
        """First and last second."""
        start = min(float(self.seconds[0]), min(clip.start for clip in self.clips))
        return start, max(float(self.seconds[-1]), max(clip.end for clip in self.clips))

    def scores(self, texts: TextFeatures) -> Float64[np.ndarray, "T N"]:
        """The cosine of every frame with every sentence."""
        sentences = normalize(texts.sentence.float(), dim=-1).double()
        found: Float64[np.ndarray, "T N"] = (sentences @ self.frames.double().T).cpu().numpy()
        return found


def timelines(snapshot: Snapshot, row_ids: RowIds) -> list[Timeline]:
    """The timelines of the files that these clips belong to, by path; of these clips alone."""
    table = snapshot.frames_of(row_ids)
    if not len(table.paths):
        return []
    vectors = table.frames
    rows = table.rows.to_pylist()
    files = [row["file_id"] for row in rows]
    edges = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(files)) if a != b), len(files)]
    found = []
    for first, last in pairwise(edges):
        mask = table.mask[first:last].numpy()
        clip_of, frame = np.nonzero(mask)
        times = np.array([row["seconds"] for row in rows[first:last]], dtype=np.float64)[mask]
        seconds, kept = np.unique(times, return_index=True)
        clips = [TimedClip(row["clip_id"], row["start"], row["end"]) for row in rows[first:last]]
        found.append(
            Timeline(
                rows[first]["file_id"],
                rows[first]["video_id"],
                table.paths[first],
                tuple(clips),
                seconds,
                vectors[first:last][clip_of[kept], frame[kept]],
                clip_of[kept],
            )
        )
    return found


def whole_files(snapshot: Snapshot, file_ids: Sequence[str]) -> list[Timeline]:
    """The timelines of whole files."""
    return timelines(snapshot, snapshot.windows_of(file_ids)["_rowid"].to_numpy().astype(np.int64))


def near(
    snapshot: Snapshot, row_ids: RowIds, file_ids: Sequence[str], within: float
) -> Int64[np.ndarray, " M"]:
    """Row ids of these clips of some files, and of the clips that begin or end within so many
    seconds of one of them in the same file.
    """
    rows = snapshot.windows_of(file_ids)
    ids = rows["_rowid"].to_numpy().astype(np.int64)
    starts, ends = rows["start"].to_numpy(), rows["end"].to_numpy()
    _, file = np.unique(rows["file_id"].to_numpy(zero_copy_only=False), return_inverse=True)
    chosen = np.isin(ids, row_ids)
    kept = chosen.copy()
    for number in np.unique(file[chosen]):
        own = file == number
        first, last = starts[own & chosen], ends[own & chosen]
        close = (starts[own, None] <= last + within) & (ends[own, None] >= first - within)
        kept[np.flatnonzero(own)] |= close.any(1)
    found: Int64[np.ndarray, " M"] = ids[kept]
    return found
