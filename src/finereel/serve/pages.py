"""The static page: the files of `finereel/serve/page/`, each under its own name and nothing else."""

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from finereel.web.errors import RefusedError

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).resolve().parent / "page"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What this machine's own tables may know under another name, which browsers then refuse."""


def page_files(folder: Path = FOLDER) -> dict[str, Path]:
    """The files of the page by their names; no other name is ever looked up."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


FILES = page_files()


@router.api_route("/", methods=["GET", "HEAD"])
async def index() -> Response:
    """The page itself; what stands behind the question mark is for its scripts."""
    return _file("index.html")


@router.api_route("/page/{name:path}", methods=["GET", "HEAD"])
async def page_file(name: str) -> Response:
    """A script, a style or a picture of the page."""
    return _file(name)


def _file(name: str) -> Response:
    path = FILES.get(name)
    if path is None:
        raise RefusedError(404, "there is nothing under this address")
    kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    headers = {"Cache-Control": "no-cache"}
    return Response(
        path.read_bytes(), media_type=kind or "application/octet-stream", headers=headers
    )
