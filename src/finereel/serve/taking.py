"""The route that takes clips along: `/api/export`."""

import os
import tempfile
import time
import zipfile
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from finereel.errors import ConfigError, VideoLimitError
from finereel.export import FORMATS, exported
from finereel.export.clip_files import ClipSettings, MissingClip, safe_name, write_clips
from finereel.export.moments import ExportList
from finereel.index.as_json import without_picture
from finereel.index.audit import note
from finereel.serve.state import Served, Serving
from finereel.web.files import FileAnswer

router = APIRouter()

CLIPS = "clips"
KINDS = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "edl": "text/plain; charset=utf-8",
    "otio": "application/json",
    "fcpxml": "application/xml",
}
"""The media types of the lists; clip files come as a ZIP."""

MOST_ITEMS = 500
MOST_SECONDS = 3_600.0
"""Of all clip files of a request together."""

DEADLINE_SECONDS = 300.0


class ItemBody(BaseModel):
    """A clip, and the part of its video that is wanted, in seconds. best_frame, score: of the hit, for
    lists that tell them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip_id: str
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    end: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    best_frame: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    score: Annotated[float, Field(allow_inf_nan=False)] = 0.0


class ExportBody(BaseModel):
    """What to take along, and as what. query: for the name of the file and of the timeline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["csv", "json", "edl", "otio", "fcpxml", "clips"]
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=MOST_ITEMS)]
    query: Annotated[str, Field(max_length=10_000)] = ""
    exact: bool = False


def formats() -> list[str]:
    """The formats that this installation can write."""
    has_otio = find_spec("opentimelineio") is not None
    return [name for name in (*FORMATS, CLIPS) if name != "otio" or has_otio]


@router.post("/api/export", response_class=Response)
async def export(served: Served, request: Request, body: ExportBody) -> Response:
    """A list, a timeline for an editor, or clip files as a ZIP, in the order of the items.

    Clip files are copied from the keyframe before their start, with `exact` encoded again; those
    that cannot be made are named in `missing.txt`.
    """
    chosen = await served.pictures.run(lambda: _chosen(served, body))
    host = request.client.host if request.client else ""
    note(served.library.path, "export", client=host, format=body.format, count=len(body.items))
    name = safe_name(f"finereel {chosen.title}" if body.query else "finereel clips")
    if body.format == CLIPS:
        handle = await served.decoding.run(lambda: _clip_files(chosen, body.exact))
        return FileAnswer(handle, "application/zip", _as_file(f"{name}.zip"))
    made = await served.pictures.run(lambda: exported(chosen, body.format))
    content = made.text.encode("utf-8", "backslashreplace")
    return Response(
        content, headers=_as_file(f"{name}.{body.format}"), media_type=KINDS[body.format]
    )


def _chosen(served: Serving, body: ExportBody) -> ExportList:
    """The moments that were asked for, of the clips of this library and of nothing else."""
    hits = served.library.clips([item.clip_id for item in body.items])
    known = {hit.clip_id: hit for hit in hits}
    told: list[dict[str, Any]] = []
    for item in body.items:
        if item.start >= item.end:
            raise ConfigError(f"items: expected start < end, got {item.start:g} and {item.end:g}")
        times = {"start": item.start, "end": item.end, "best_frame": item.best_frame}
        hit = without_picture(known[item.clip_id]) | {"score": item.score}
        told.append(hit | {name: round(at, 3) for name, at in times.items() if at is not None})
    if body.format == CLIPS and sum(item.end - item.start for item in body.items) > MOST_SECONDS:
        raise ConfigError(
            f"clip files hold at most {MOST_SECONDS:g} seconds at a time; take fewer at once, or use "
            "`finereel export`"
        )
    document = {"query": body.query, "confidence": None, "said": 0, "hits": told}
    return ExportList.of(document, served.library.facts([hit.video for hit in hits]))


def _clip_files(chosen: ExportList, exact: bool) -> BufferedReader:
    """The clip files of some moments as a ZIP without a name, which goes when it is closed."""
    began = time.monotonic()

    def late() -> bool:
        return time.monotonic() - began > DEADLINE_SECONDS

    with tempfile.TemporaryDirectory(prefix="finereel") as scratch:
        missing = []
        archive = Path(scratch, "clips.zip")
        with zipfile.ZipFile(archive, "w") as target:
            for made in write_clips(chosen, Path(scratch, "clips"), ClipSettings(exact), stop=late):
                if isinstance(made, MissingClip):
                    missing.append(f"{made.rank} {made.video}: {made.reason}\n")
                else:
                    target.write(made.path, made.path.name)
                    made.path.unlink()
            if missing:
                target.writestr("missing.txt", "".join(missing).encode("utf-8", "backslashreplace"))
        if late():
            raise VideoLimitError(
                f"making these clip files takes more than {DEADLINE_SECONDS:g} s; take fewer at once"
            )
        return os.fdopen(os.open(archive, os.O_RDONLY | os.O_CLOEXEC), "rb")


def _as_file(name: str) -> dict[str, str]:
    """That the answer is to be saved, under a name of which any header takes the letters."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return {"Content-Disposition": f'attachment; filename="{plain}"', "Cache-Control": "no-store"}
