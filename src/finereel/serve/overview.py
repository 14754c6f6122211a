"""The routes about the library as a whole: `/api/status`, `/api/problems`."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from finereel.serve.state import Served
from finereel.serve.taking import formats

router = APIRouter()


@router.get("/api/status")
async def status(served: Served) -> dict[str, Any]:
    """Counts, size, model and folders of the library, as `finereel status --json` prints them, and
    what this server allows.
    """
    found = await served.pictures.run(served.library.status)
    return {
        **asdict(found),
        "commit": found.version,
        "read_only": served.settings.read_only,
        "may_index": bool(served.settings.roots) and not served.settings.read_only,
        "indexing": served.indexing.running,
        "exports": [] if served.settings.read_only else formats(),
    }


@router.get("/api/problems")
async def problems(served: Served) -> dict[str, Any]:
    """Files that could not be indexed, missing folders, and damage to the library, each with what to
    do.
    """
    found = await served.pictures.run(served.library.doctor)
    return {"problems": [asdict(problem) for problem in found]}
