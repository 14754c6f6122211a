"""The routes about one clip or one file: what is known of it, why it fits a query, what looks like
it.
"""

import base64
import functools
import io
from dataclasses import asdict
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Query
from PIL import Image

from finereel.index.as_json import evidence_as_json, without_picture
from finereel.index.explain import Evidence
from finereel.index.lookup import StoredClip, StoredFile, file_timeline, stored_clip
from finereel.serve.state import Served, Serving, noted
from finereel.text.query import checked_query
from finereel.web.errors import RefusedError

router = APIRouter()

MOST_SIMILAR = 100


@router.get("/api/clips/{clip_id}")
async def clip(served: Served, clip_id: str) -> dict[str, Any]:
    """A clip, and the times of its frames and of those of its strip."""

    def work() -> StoredClip | None:
        return served.library.read(lambda searcher, _: stored_clip(searcher.snapshot, clip_id))

    found = await served.pictures.run(work)
    if found is None:
        raise no_clip()
    return clip_as_json(found)


@router.get("/api/clips/{clip_id}/evidence")
async def evidence(served: Served, clip_id: str, q: str, places: bool = False) -> dict[str, Any]:
    """Why a clip fits a query: the parts of its score and a verdict on each word; with `places`
    also where the clip shows them (boxes in shares of width and height) in a frame of it, `picture`.
    """
    query = checked_query(q)
    await known_clip(served, clip_id)
    if not places:
        return await served.searches.run(lambda: _explained(served, query, clip_id, False))
    await same_file(served, clip_id.rpartition("-")[0])
    return await served.decoding.run(lambda: _explained(served, query, clip_id, True))


@router.get("/api/clips/{clip_id}/similar")
async def similar(
    served: Served,
    clip_id: str,
    top: Annotated[int, Query(ge=1, le=MOST_SIMILAR)] = 10,
    per_video: Annotated[int, Query(ge=1, le=MOST_SIMILAR)] = 1,
) -> dict[str, Any]:
    """The clips that look most like a clip, the most similar first."""
    await known_clip(served, clip_id)

    def work() -> list[dict[str, Any]]:
        hits = served.library.similar_to_clip(clip_id, top, per_video=per_video)
        for hit in hits:
            served.thumbnails.put(hit.clip_id, hit.thumbnail)
        return [without_picture(hit) for hit in hits]

    hits = await served.searches.run(work)
    return {
        "hits": [{**hit, "file_id": hit["clip_id"].rpartition("-")[0]} for hit in hits],
        "count": len(hits),
    }


@router.get("/api/files/{file_id}")
async def file(served: Served, file_id: str) -> dict[str, Any]:
    """A video file: what is known of it, and its clips in time order."""
    found = await known_file(served, file_id)
    here = await served.pictures.run(functools.partial(_is_here, served, found))
    record = found.record
    return {
        "file_id": record.file_id,
        "video": record.path,
        "name": PurePath(record.path).name,
        "bytes": record.state.size,
        "here": here,
        "finished": record.finished,
        "warning": record.warning,
        "subtitles": found.speaks,
        **asdict(found.facts),
        "clips": [clip_as_json(one) for one in found.clips],
    }


@router.get("/api/files/{file_id}/timeline")
async def timeline(served: Served, file_id: str, q: str) -> dict[str, Any]:
    """How well each frame of a file fits a query: `seconds` and `scores` (cosines), and the
    `moments` that fit best.
    """
    query = checked_query(q)
    found = await served.searches.run(
        lambda: served.library.read(
            lambda searcher, model: file_timeline(searcher.snapshot, model, query, file_id)
        )
    )
    if found is None:
        raise no_file()
    return {
        "query": query,
        "seconds": found.seconds.tolist(),
        "scores": found.scores.tolist(),
        "moments": found.moments,
    }


async def known_clip(served: Serving, clip_id: str) -> StoredClip:
    """A clip. Raises RefusedError (404) where there is none."""
    found = await served.pictures.run(
        lambda: served.library.read(lambda searcher, _: stored_clip(searcher.snapshot, clip_id))
    )
    if found is None:
        raise no_clip()
    return found


async def known_file(served: Serving, file_id: str) -> StoredFile:
    """A file. Raises RefusedError (404) where there is none."""
    found = await served.pictures.run(lambda: served.file(file_id))
    if found is None:
        raise no_file()
    return found


async def same_file(served: Serving, file_id: str) -> StoredFile:
    """A file that is still the one that was indexed, for the child that decodes to open it itself.

    Raises RefusedError (404 where there is none, 410 where it is gone or another one).
    """
    file = await known_file(served, file_id)
    handle = await served.pictures.run(lambda: served.open(file))
    handle.close()
    return file


def no_clip() -> RefusedError:
    """The one answer to any id that is of no clip."""
    return RefusedError(404, "the library has no such clip; search again")


def no_file() -> RefusedError:
    """The one answer to any id that is of no file."""
    return RefusedError(404, "the library has no such video; search again")


def clip_as_json(found: StoredClip) -> dict[str, Any]:
    """A clip for the page."""
    told = asdict(found)
    told["video"] = told.pop("path")
    return told


def _is_here(served: Serving, found: StoredFile) -> bool:
    try:
        served.open(found).close()
    except RefusedError:
        return False
    return True


def _explained(served: Serving, query: str, clip_id: str, places: bool) -> dict[str, Any]:
    with noted() as notes:
        found = served.library.explain_clip(query, clip_id, places=places)
    told = evidence_as_json(found)
    told["notes"] = [*notes, *told["notes"]]
    if places:
        told["picture"] = _picture(found)
    return told


def _picture(found: Evidence) -> dict[str, Any] | None:
    if found.picture is None:
        return None
    stream = io.BytesIO()
    Image.fromarray(found.picture).save(stream, "JPEG", quality=85)
    jpeg = base64.b64encode(stream.getvalue()).decode()
    return {"seconds": found.picture_seconds, "jpeg": jpeg}
