"""Explain one hit: the parts of its score, its words, and where the clip shows them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt8

from finereel.errors import QueryError, VideoError
from finereel.index.bank import Bank
from finereel.index.evidence import WordEvidence, words_of
from finereel.index.places import WordPlace, find_places
from finereel.index.protocols import SearchModel, VideoSource
from finereel.index.search import ScoredClip, score_clips
from finereel.index.snapshot import Snapshot
from finereel.types import Frames, Hit, Window
from finereel.video.plan import ClipPlan

NO_WORDS = "the query has no content word, so no word can be checked"


@dataclass(frozen=True)
class HitAddress:
    """Which clip is meant.

    Attributes:
        video: Absolute path of a file of the library.
        seconds: A time in the clip; None means the clip that fits best.
        clip_id: The clip, where it is known better than by a time.
    """

    video: str
    seconds: float | None = None
    clip_id: str = ""


@dataclass(frozen=True)
class Evidence:
    """Why a clip fits a query, or does not.

    Attributes:
        query: The query.
        hit: The clip; its `parts` sum to its score.
        words: The content words with their verdicts.
        places: Where the clip shows them, only where that was tested.
        notes: What could not be found out, and why.
        picture: (H, W, 3), the frame of the first place, or the best frame; None without pictures.
        picture_seconds: Its time.
    """

    query: str
    hit: Hit
    words: tuple[WordEvidence, ...]
    places: tuple[WordPlace, ...] = ()
    notes: tuple[str, ...] = ()
    picture: UInt8[np.ndarray, "H W 3"] | None = field(default=None, repr=False)
    picture_seconds: float = 0.0


def explain_hit(
    snapshot: Snapshot, bank: Bank | None, model: SearchModel, query: str, address: HitAddress
) -> Evidence:
    """Explain a clip by what the library stores of it.

    Args:
        snapshot: A state of the library.
        bank: Its normalisation, if it has one.
        model: The model.
        query: The query.
        address: The clip.

    Returns:
        Parts and words; the places are still to be found with `with_places`.

    Raises:
        QueryError: The library has no such clip.
        ConfigError: The taggers are not installed.
    """
    record = snapshot.files().get(address.video)
    if record is None:
        raise QueryError(
            f"expected a video of the library, got {address.video!r}: `finereel search` lists "
            "paths that are in it; if the file was moved, index its folder again"
        )
    clips = snapshot.of_file(record.file_id)
    scored = score_clips(model, model.encode_text([query]), clips, bank)
    number = _chosen(scored, address)
    clip = scored[number]
    hit = clip.hit(snapshot.thumbnails([clip.clip_id]).get(clip.clip_id, b""), [])
    words = words_of(model, query, clips.features.rows(slice(number, number + 1)))[0]
    return Evidence(query, hit, words, notes=() if words else (NO_WORDS,))


def words_of_hits(
    snapshot: Snapshot, model: SearchModel, query: str, hits: Sequence[Hit]
) -> list[tuple[WordEvidence, ...]]:
    """Judge the words of a query for every hit.

    Args:
        snapshot: A state of the library.
        model: The model.
        query: The query.
        hits: The hits.

    Returns:
        The words of every hit; none for a clip that the library no longer holds.
    """
    if not hits:
        return []
    wanted = pa.array([hit.clip_id for hit in hits])
    rows = snapshot.rows(["clip_id"])
    ids = rows.filter(pc.is_in(rows["clip_id"], wanted))["_rowid"].to_numpy().astype(np.int64)
    clips = snapshot.take(ids)
    if not len(clips):
        return [() for _ in hits]
    judged = words_of(model, query, clips.features)
    found = dict(zip(clips.rows["clip_id"].to_pylist(), judged, strict=True))
    return [found.get(hit.clip_id, ()) for hit in hits]


def _chosen(scored: list[ScoredClip], address: HitAddress) -> int:
    """The number of the clip that is meant."""
    for number, clip in enumerate(scored):
        if clip.clip_id == address.clip_id:
            return number
    at = address.seconds
    fitting = [
        number
        for number, clip in enumerate(scored)
        if at is None or clip.start <= at < clip.end or at == clip.end == scored[-1].end
    ]
    if not fitting:
        last = max((clip.end for clip in scored), default=0.0)
        raise QueryError(
            f"expected a time from 0 to {last:g} seconds in {address.video}, got {at:g}"
        )
    return min(fitting, key=lambda number: scored[number].rank())


def with_places(evidence: Evidence, model: SearchModel, source: VideoSource) -> Evidence:
    """Decode the clip again and find where it shows the words.

    Args:
        evidence: What `explain_hit` found.
        model: The model.
        source: Reads the video.

    Returns:
        The same with places and a picture, or with a note that says why there are none.
    """
    try:
        clip = decoded(evidence.hit, model, source)
    except (VideoError, OSError) as error:
        moved = not os.path.lexists(evidence.hit.video)
        why = "the file is not there now" if moved else str(error)
        note = f"no picture: {why} ({evidence.hit.video}); words and score come from the library"
        return replace(evidence, notes=(*evidence.notes, note))
    places, why = find_places(model, evidence.query, clip, evidence.words)
    shown = clip.thinned(model.num_frames)
    best = int(np.abs(shown.seconds - evidence.hit.best_frame).argmin())
    frame = places[0].frame if places else best
    return replace(
        evidence,
        places=places,
        notes=(*evidence.notes, *((f"where: {why}",) if why else ())),
        picture=shown.pixels[frame],
        picture_seconds=float(shown.seconds[frame]),
    )


def decoded(hit: Hit, model: SearchModel, source: VideoSource) -> Frames:
    """The frames of a hit, as they were when it was indexed.

    Args:
        hit: The hit.
        model: The model, which decides their number and size.
        source: Reads the video.

    Returns:
        The frames.

    Raises:
        VideoError: If the clip cannot be decoded.
        OSError: If the file cannot be read.
    """
    window = Window(hit.start, hit.end)
    plan = ClipPlan(num_frames=model.num_frames, size=model.picture_size, windows=(window,))
    stream = source.clips(Path(hit.video), plan)
    try:
        for clip in stream:
            if clip.window.start <= hit.best_frame <= clip.window.end:
                return clip.frames
    finally:
        stream.close()
    raise VideoError(f"{hit.video}: no picture at {hit.start:g} seconds; index the file again")
