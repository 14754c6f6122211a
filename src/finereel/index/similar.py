"""Find clips that look like another clip or a picture, and near-duplicates among them.

Two clips are compared frame by frame: every frame with the frame of the other clip that is most
like it, in both directions. Blank frames (black, white) are left out, so a film that begins in
black is not like every other film that does. A copy that was re-encoded, made smaller or begins
later has nearly the same frames; whether a similarity means a copy depends on the model, so it is
compared with the value that was measured for the model (`threshold_of`).

Source: the measurements in docs/results/near-duplicates.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from finereel.data.pictures import decoded
from finereel.errors import ConfigError, NotAVideoError, QueryError
from finereel.index.protocols import DecodedClips, SearchModel
from finereel.index.search import BLOCK, Searcher
from finereel.index.snapshot import Clips
from finereel.models.features import VideoFeatures, concatenate
from finereel.types import Frames

DUPLICATE = 0.97
"""Clips at least that similar are near-duplicates, for a model whose card names no value of its own
under `near_duplicate`. Many models find different clips rather similar, so it is high.
"""
BLANK = 0.98
"""A frame is blank if its cosine with a black or white one is at least that."""
DISTINCT = 0.995
"""Frames of one clip whose cosine is below that count as distinct."""
FEWEST_DISTINCT = 3
"""Clips with fewer distinct frames say too little to be called duplicates."""
CANDIDATES = 200
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_SIDE = 8


@dataclass(frozen=True)
class SimilarHit:
    """A clip that looks like the query.

    Attributes:
        video: Path of the video file.
        start: Start of the clip in seconds.
        end: End of the clip in seconds.
        similarity: Between -1 and 1; 1 for clips with the same frames.
        duplicate: Whether it is a near-duplicate of the query: at least `threshold_of` the model, and both
            clips have enough distinct frames to tell.
        clip_id: Identifier of the clip in the library.
        thumbnail: A small picture of a frame of the clip, as of a `Hit`.
        copies: Paths of other files of the library with the same content.
    """

    video: str
    start: float
    end: float
    similarity: float
    duplicate: bool
    clip_id: str
    thumbnail: bytes = field(default=b"", repr=False)
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Looks:
    """What a comparison reads of V clips.

    Attributes:
        frames: (V, F, D), unit vectors.
        shown: (V, F), True on frames that count: real ones that are not blank, or all real ones of
            a clip that has only blank ones.
    """

    frames: Float[Tensor, "V F D"]
    shown: Bool[Tensor, "V F"]

    @classmethod
    def of(cls, video: VideoFeatures, blank: Float[Tensor, "B D"]) -> "Looks":
        """blank: (B, D), unit vectors of blank frames."""
        frames = normalize(video.frames.float(), dim=-1)
        dull = (frames @ blank.T >= BLANK).any(-1)
        lit = video.frame_mask & ~dull
        return cls(frames, torch.where(lit.any(1, keepdim=True), lit, video.frame_mask))

    def distinct(self) -> list[int]:
        """Per clip, how many of its frames that count differ from every one before."""
        counts = []
        for frames, shown in zip(self.frames, self.shown, strict=True):
            kept: list[Tensor] = []
            for frame in frames[shown]:
                if all(float(frame @ other) < DISTINCT for other in kept):
                    kept.append(frame)
            counts.append(len(kept))
        return counts


@dataclass(frozen=True)
class Look:
    """What a question shows. contents: the video ids that it is itself."""

    features: VideoFeatures
    contents: tuple[str, ...] = ()


def look_at_stored(clips: Clips, at: float | None) -> Look:
    """All clips of a file of the library, or the one at a time in seconds; QueryError if it has
    none there.
    """
    rows = clips.rows.select(["start", "end", "video_id"]).to_pylist()
    places = [
        place for place, row in enumerate(rows) if at is None or row["start"] <= at < row["end"]
    ]
    if not places:
        raise _no_clip(clips.paths[0], at, rows[-1]["end"])
    return Look(clips.features.rows(torch.tensor(places)), (rows[0]["video_id"],))


def look_at_picture(path: Path, model: SearchModel) -> Look:
    """A picture as a clip of one frame. Raises DataError if it cannot be read."""
    return Look(model.encode_video([Frames(decoded(path)[None].copy(), np.zeros(1))]))


def look_at_clips(
    clips: DecodedClips, path: Path, model: SearchModel, at: float | None = None
) -> Look:
    """The clips of a video that is not in the library, or the one at a time in seconds.

    Raises QueryError if it has none there, NotAVideoError if it has none at all.
    """
    features, end = [], 0.0
    for clip in clips:
        end = clip.window.end
        if at is None or clip.window.start <= at < end:
            features.append(model.encode_video([clip.frames]))
        if at is not None and at < end:
            clips.close()
            break
    if not end:
        raise NotAVideoError(f"{path}: no picture could be decoded")
    if not features:
        raise _no_clip(str(path), at, end)
    return Look(concatenate(features))


def _no_clip(path: str, at: float | None, end: float) -> QueryError:
    return QueryError(f"{path} has no clip at {at:g} s: expected a time from 0 to {end:g} s")


def threshold_of(model: SearchModel) -> float:
    """The similarity from which clips are near-duplicates to this model."""
    measured = getattr(model, "card", {}).get("near_duplicate")
    return float(measured) if isinstance(measured, int | float) else DUPLICATE


def blank_frames(model: SearchModel) -> Float[Tensor, "2 D"]:
    """Unit vectors of a black and a white frame, as the model sees them."""
    vectors = [
        model.encode_video([Frames(np.full((1, _SIDE, _SIDE, 3), value, np.uint8), np.zeros(1))])
        for value in (0, 255)
    ]
    return torch.stack([normalize(video.frames[0, 0].float(), dim=-1) for video in vectors])


def similarities(query: Looks, clips: Looks) -> Float[Tensor, "Q V"]:
    """How similar Q clips are to V clips.

    The mean over a clip's frames of the best cosine with a frame of the other clip, averaged over
    both directions. A query of one frame asks where that picture appears: only its direction
    counts.

    Example:
        >>> same = Looks(torch.eye(2)[None], torch.ones(1, 2, dtype=torch.bool))
        >>> similarities(same, same).tolist()
        [[1.0]]
    """
    cosines = torch.einsum("qfd,vgd->qvfg", query.frames, clips.frames)
    both = query.shown[:, None, :, None] & clips.shown[None, :, None, :]
    cosines = cosines.masked_fill(~both, -2.0)
    forward = _mean(cosines.amax(3), query.shown[:, None])
    backward = _mean(cosines.amax(2), clips.shown[None])
    one = (query.shown.sum(1) == 1)[:, None]
    return torch.where(one, forward, (forward + backward) / 2).clamp(-1, 1)


def _mean(values: Float[Tensor, "Q V N"], mask: Bool[Tensor, "A B N"]) -> Float[Tensor, "Q V"]:
    kept = torch.where(mask, values, torch.zeros(()))
    return kept.sum(-1) / mask.sum(-1)


@dataclass(frozen=True)
class Likeness:
    """A clip of the library and how similar the query is to it."""

    clip_id: str
    video_id: str
    path: str
    start: float
    end: float
    similarity: float
    duplicate: bool

    def rank(self) -> tuple[float, str, float]:
        """The most similar first; equal ones by path and time."""
        return (-self.similarity, self.path, self.start)


def find_similar(
    searcher: Searcher,
    model: SearchModel,
    query: VideoFeatures,
    top: int = 10,
    per_video: int | None = 1,
    without: Sequence[str] = (),
) -> list[SimilarHit]:
    """The clips of a library that look most like the query, the most similar first.

    Args:
        searcher: The library's state.
        model: The model it was indexed with.
        query: One or more clips; a clip of the library is as similar as the nearest of them.
        top: Maximum number of hits.
        per_video: Maximum number of hits per video; None means no limit.
        without: Contents (video ids) that are not shown, such as the query's own.

    Returns:
        Hits; files with the same content count once.

    Raises:
        ConfigError: If a number is below 1.
    """
    if top < 1 or (per_video is not None and per_video < 1):
        raise ConfigError(f"top and per_video must be at least 1, got {top} and {per_video}")
    count = searcher.snapshot.count
    wanted = min(count, max(CANDIDATES, top))
    blank = blank_frames(model)
    looks = Looks.of(query, blank)
    while True:
        row_ids = searcher.nearest(query.video, wanted)
        found: list[Likeness] = []
        for start in range(0, len(row_ids), BLOCK):
            clips = searcher.snapshot.take(row_ids[start : start + BLOCK])
            found += _compared(looks, clips, blank, threshold_of(model))
        chosen = _chosen(sorted(found, key=Likeness.rank), top, per_video, without)
        if len(chosen) >= top or wanted >= count:
            return _hits(searcher, chosen)
        wanted = min(count, wanted * 4)


def _compared(
    query: Looks, clips: Clips, blank: Float[Tensor, "B D"], threshold: float
) -> list[Likeness]:
    looks = Looks.of(clips.features, blank)
    best, nearest = similarities(query, looks).max(0)
    ours, theirs = query.distinct(), looks.distinct()
    rows = clips.rows.select(["clip_id", "video_id", "start", "end"]).to_pylist()
    return [
        Likeness(
            row["clip_id"],
            row["video_id"],
            clips.paths[index],
            row["start"],
            row["end"],
            float(best[index]),
            float(best[index]) >= threshold
            and min(ours[int(nearest[index])], theirs[index]) >= FEWEST_DISTINCT,
        )
        for index, row in enumerate(rows)
    ]


def _chosen(
    ranked: Sequence[Likeness], top: int, per_video: int | None, without: Sequence[str]
) -> list[Likeness]:
    """The first `top`, at most `per_video` of each content, whatever the number of its files."""
    shown: dict[str, set[float]] = {}
    chosen = []
    for one in ranked:
        seen = shown.setdefault(one.video_id, set())
        full = per_video is not None and len(seen) >= per_video
        if one.video_id in without or one.start in seen or full:
            continue
        seen.add(one.start)
        chosen.append(one)
    return chosen[:top]


def _hits(searcher: Searcher, chosen: Sequence[Likeness]) -> list[SimilarHit]:
    thumbnails = searcher.snapshot.thumbnails([one.clip_id for one in chosen])
    paths = searcher.snapshot.paths_of([one.video_id for one in chosen])
    return [
        SimilarHit(
            one.path,
            one.start,
            one.end,
            one.similarity,
            one.duplicate,
            one.clip_id,
            thumbnails.get(one.clip_id, b""),
            tuple(path for path in paths.get(one.video_id, []) if path != one.path),
        )
        for one in chosen
    ]
