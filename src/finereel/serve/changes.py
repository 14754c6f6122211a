"""The routes that change something: feedback, tags and indexing."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from finereel.errors import ConfigError
from finereel.index.audit import note
from finereel.serve.clips import known_clip, known_file
from finereel.serve.state import Served
from finereel.text.query import checked_query
from finereel.web.errors import RefusedError

router = APIRouter()

MOST_FILES = 1_000
_FILE_ID = re.compile(r"[0-9a-f]{16}")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FeedbackBody(_Body):
    """What a person said of a hit."""

    q: str
    clip_id: str
    right: bool


class TagsBody(_Body):
    """Which files get which tags, or lose them."""

    file_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_FILES)]
    tags: Annotated[list[str], Field(min_length=1, max_length=100)]
    remove: bool = False


class IndexBody(_Body):
    """Which of the folders of `/api/index` to index, by their ids; none means all of them."""

    roots: list[str] = []


@router.post("/api/feedback")
async def feedback(served: Served, request: Request, body: FeedbackBody) -> dict[str, Any]:
    """Keep whether a clip is what a query asked for."""
    query, clip = checked_query(body.q), await known_clip(served, body.clip_id)

    def work() -> dict[str, Any]:
        learnt = served.library.feedback(query, clip.clip_id, body.right)
        note(
            served.library.path,
            "feedback",
            client=_client(request),
            clip_id=clip.clip_id,
            right=body.right,
        )
        return {"judged": learnt.judged, "used": learnt.scaling is not None}

    return await served.searches.run(work)


@router.get("/api/tags")
async def tags(served: Served) -> dict[str, Any]:
    """The tags of the library, and how many videos have each."""

    def work() -> dict[str, int]:
        counts: dict[str, int] = {}
        for names in served.library.read(lambda searcher, _: searcher.snapshot.tags()).values():
            for name in names:
                counts[name] = counts.get(name, 0) + 1
        return counts

    counts = await served.pictures.run(work)
    return {"tags": [{"tag": name, "videos": counts[name]} for name in sorted(counts)]}


@router.post("/api/tags")
async def change_tags(served: Served, request: Request, body: TagsBody) -> dict[str, Any]:
    """Tag some files, or take tags away."""
    files = [await known_file(served, file_id) for file_id in body.file_ids]

    def work() -> int:
        paths = [file.record.path for file in files]
        count = served.library.tag(paths, body.tags, remove=body.remove)
        served.library.catch_up()
        note(
            served.library.path,
            "tags",
            client=_client(request),
            file_ids=body.file_ids,
            tags=body.tags,
            remove=body.remove,
        )
        return count

    return {"videos": await served.searches.run(work)}


@router.get("/api/index")
async def index_state(served: Served) -> dict[str, Any]:
    """The folders that may be indexed from here, by ids, and whether one is being indexed."""
    return {
        "roots": [
            {"id": str(number), "path": str(root)}
            for number, root in enumerate(served.settings.roots)
        ],
        "running": served.indexing.running,
        "read_only": served.settings.read_only,
    }


@router.post("/api/index", status_code=202)
async def index(served: Served, request: Request, body: IndexBody) -> dict[str, Any]:
    """Index folders that were named when the server started; `/api/events` tells the progress."""
    roots = served.settings.roots
    if not roots:
        raise RefusedError(
            403, "this server indexes nothing: start it with --root DIR to let the page do so"
        )
    known = {str(number): root for number, root in enumerate(roots)}
    unknown = [name for name in body.roots if name not in known]
    if unknown:
        raise ConfigError(f"expected ids of /api/index, got {', '.join(unknown)[:100]}")
    chosen = [known[name] for name in body.roots] or list(roots)
    paths = [str(root) for root in chosen]
    served.indexing.start(
        chosen,
        lambda: note(served.library.path, "index", client=_client(request), folders=paths),
    )
    return {"started": paths}


@router.post("/api/index/stop")
async def stop_index(served: Served) -> dict[str, bool]:
    """Finish the commit under way and stop, as Ctrl-C does."""
    return {"stopping": served.indexing.stop()}


def _client(request: Request) -> str:
    return request.client.host if request.client else ""
