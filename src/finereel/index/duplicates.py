"""Find the videos of a library that show the same shots: copies, also re-encoded or cut ones.

Every clip is compared, as `finereel.index.similar` does, with the clips of other videos whose
vectors are nearest to its own. Videos with a pair of near-duplicate clips belong together, and so
do files with the same content.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from finereel.index.kept import RowIds
from finereel.index.protocols import SearchModel
from finereel.index.search import Searcher
from finereel.index.similar import (
    FEWEST_DISTINCT,
    Looks,
    blank_frames,
    similarities,
    threshold_of,
)
from finereel.index.snapshot import Clips, Snapshot
from finereel.types import OnProgress, no_progress

NEAREST = 10
"""Clips of other videos that a clip is compared with."""
AT_ONCE = 128
"""Clips that are compared at a time."""
COMPARING = "comparing clips"


@dataclass(frozen=True)
class DuplicateVideo:
    """A video that shares shots with another one.

    Attributes:
        video: Path of the file; of several with the same content, the first.
        start: Start in seconds of the clip that is most like one of another video of the group.
        end: Its end in seconds. Both are 0 where only files with the same content belong together.
        similarity: Of these two clips, up to 1; 1 for files with the same content.
        copies: Paths of other files with the same content.
    """

    video: str
    start: float
    end: float
    similarity: float
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class _SharedShot:
    """The clip of a video that is most like one of another video."""

    similarity: float
    start: float
    end: float


def find_duplicates(
    searcher: Searcher, model: SearchModel, on_progress: OnProgress = no_progress
) -> list[tuple[DuplicateVideo, ...]]:
    """The groups of videos that belong together.

    Args:
        searcher: The library's state.
        model: The model it was indexed with.
        on_progress: Told how many clips are compared.

    Returns:
        Groups of two files or more, those with the most similar clips first; in a group, the videos
        by similarity, then by path.
    """
    snapshot = searcher.snapshot
    groups, matches = _Groups(), dict[str, _SharedShot]()
    for one, other, match in _pairs(snapshot, model, on_progress):
        groups.join(one, other)
        if one not in matches or match.similarity > matches[one].similarity:
            matches[one] = match
    contents = {record.video_id for record in snapshot.files().values() if not record.missing}
    paths = snapshot.paths_of(sorted(contents))
    found = []
    for members in groups.of(sorted(paths)):
        videos = [_video(paths[content], matches.get(content)) for content in members]
        if len(videos) > 1 or videos[0].copies:
            found.append(tuple(sorted(videos, key=lambda one: (-one.similarity, one.video))))
    return sorted(found, key=lambda group: (-group[0].similarity, group[0].video))


def _video(paths: list[str], match: _SharedShot | None) -> DuplicateVideo:
    match = match or _SharedShot(1.0, 0.0, 0.0)
    similarity = 1.0 if len(paths) > 1 else match.similarity
    return DuplicateVideo(paths[0], match.start, match.end, similarity, tuple(paths[1:]))


class _Groups:
    """Things that belong together because others join them."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        self._parents[self._first(one)] = self._first(other)

    def of(self, names: list[str]) -> list[list[str]]:
        """The names, group by group."""
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(self._first(name), []).append(name)
        return list(groups.values())

    def _first(self, name: str) -> str:
        while (parent := self._parents.get(name, name)) != name:
            self._parents[name] = self._parents.get(parent, parent)
            name = parent
        return name


def _pairs(
    snapshot: Snapshot, model: SearchModel, on_progress: OnProgress
) -> Iterator[tuple[str, str, _SharedShot]]:
    """Pairs of contents with near-duplicate clips, and the clip of the first one."""
    blank, threshold = blank_frames(model), threshold_of(model)
    nearest = _Nearest.of(snapshot)
    count = len(nearest.row_ids)
    for start in range(0, count, AT_ONCE):
        on_progress(COMPARING, start, count)
        part = slice(start, start + AT_ONCE)
        clips, others = snapshot.take(nearest.row_ids[part]), snapshot.take(nearest.to(part))
        if len(others):
            yield from _duplicates(clips, others, blank, threshold)
    on_progress(COMPARING, count, count)


def _duplicates(
    clips: Clips, others: Clips, blank: Float[Tensor, "B D"], threshold: float
) -> Iterator[tuple[str, str, _SharedShot]]:
    ours, theirs = Looks.of(clips.features, blank), Looks.of(others.features, blank)
    alike = similarities(ours, theirs)
    tell = [torch.tensor(looks.distinct()) >= FEWEST_DISTINCT for looks in (ours, theirs)]
    names = ["video_id", "start", "end"]
    rows, other_rows = (some.rows.select(names).to_pylist() for some in (clips, others))
    sure = (alike >= threshold) & tell[0][:, None] & tell[1]
    for place, other in sure.nonzero().tolist():
        row, content = rows[place], other_rows[other]["video_id"]
        if row["video_id"] != content:
            match = _SharedShot(float(alike[place, other]), row["start"], row["end"])
            yield row["video_id"], content, match


@dataclass(frozen=True)
class _Nearest:
    """The vectors of all clips, and the number of the content that each belongs to."""

    row_ids: RowIds
    vectors: Float[Tensor, "V D"]
    contents: Int64[np.ndarray, " V"]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "_Nearest":
        table = snapshot.vectors()
        assert table.rows is not None
        owners = snapshot.rows(["clip_id", "video_id"])
        known = dict(
            zip(owners["clip_id"].to_pylist(), owners["video_id"].to_pylist(), strict=True)
        )
        named = [known[clip_id] for clip_id in table.rows["clip_id"].to_pylist()]
        return cls(table.row_ids, table.vectors.float(), np.unique(named, return_inverse=True)[1])

    def to(self, part: slice) -> RowIds:
        """Row ids of the clips that are nearest to some clips, of other contents."""
        scores = self.vectors[part] @ self.vectors.T
        own = self.contents[part][:, None] == self.contents[None]
        scores = scores.masked_fill(torch.from_numpy(own), -torch.inf)
        best, places = scores.topk(min(NEAREST, scores.shape[1]))
        found: RowIds = np.unique(self.row_ids[places[best.isfinite()].numpy()])
        return found
