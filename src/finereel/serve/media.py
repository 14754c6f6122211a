"""The routes that send pictures and videos: `/thumb`, `/strip`, `/media`, `/subtitles`."""

import mimetypes
from pathlib import PurePath
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from finereel.index.lookup import stored_picture
from finereel.serve.clips import known_file, no_clip, same_file
from finereel.serve.state import Served, Serving
from finereel.video.subtitles import Cue
from finereel.web.errors import RefusedError
from finereel.web.files import FileAnswer

router = APIRouter()

FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
KINDS = {
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".m4v": "video/mp4",
    ".mp4": "video/mp4",
    ".ogv": "video/ogg",
    ".webm": "video/webm",
}
"""The media types of videos, whatever the tables of this machine say."""


@router.api_route("/thumb/{clip_id}", methods=["GET", "HEAD"], response_class=Response)
async def thumb(served: Served, clip_id: str) -> Response:
    """A frame of a clip, as WebP, or as JPEG in a library of a former version. A clip never
    changes, so it is kept for ever.
    """
    kept = served.thumbnails.get(clip_id)
    picture = kept or await _stored(served, clip_id, "thumbnail")
    kind = "image/webp" if picture[:4] == b"RIFF" else "image/jpeg"
    return Response(picture, media_type=kind, headers=FOR_EVER)


@router.api_route("/strip/{clip_id}", methods=["GET", "HEAD"], response_class=Response)
async def strip(served: Served, clip_id: str) -> Response:
    """Some frames of a clip side by side, all equally wide, as WebP; their times are the
    `strip_seconds` of `/api/clips/{clip_id}`.
    """
    picture = await _stored(served, clip_id, "strip")
    return Response(picture, media_type="image/webp", headers=FOR_EVER)


@router.api_route("/media/{file_id}", methods=["GET", "HEAD"], response_class=Response)
async def media(served: Served, file_id: str) -> FileAnswer:
    """The bytes of a video, or a range of them, from the handle that was checked."""
    file = await known_file(served, file_id)
    handle = await served.pictures.run(lambda: served.open(file))
    suffix = PurePath(file.record.path).suffix.lower()
    kind = KINDS.get(suffix) or mimetypes.types_map.get(suffix, "")
    if not kind.startswith(("video/", "audio/")):
        kind = "application/octet-stream"
    return FileAnswer(handle, kind, {"ETag": f'"{file.record.video_id}"'})


@router.api_route("/subtitles/{name}", methods=["GET", "HEAD"], response_class=Response)
async def subtitles(served: Served, name: str) -> Response:
    """The subtitles of a file, `FILE_ID.vtt`, in the first language that it has."""
    file_id, dot, ending = name.rpartition(".")
    if not dot or ending != "vtt":
        raise RefusedError(404, "subtitles have the address /subtitles/FILE_ID.vtt")
    file = await same_file(served, file_id)
    found = await served.decoding.run(lambda: served.library.subtitles(file.record.path))
    if not found.cues:
        raise RefusedError(404, "this video has no subtitles that can be read")
    first = found.cues[0].language
    text = webvtt([cue for cue in found.cues if cue.language == first])
    return Response(text, media_type="text/vtt; charset=utf-8")


def webvtt(cues: list[Cue]) -> str:
    """Cues as WebVTT, in which nothing of their text is markup.

    >>> print(webvtt([Cue(1.0, 2.5, "<i>one & two</i>")]))
    WEBVTT
    <BLANKLINE>
    00:00:01.000 --> 00:00:02.500
    &lt;i&gt;one &amp; two&lt;/i&gt;
    <BLANKLINE>
    """
    blocks = []
    for cue in sorted(cues, key=lambda cue: cue.start):
        lines = [line for line in cue.text.splitlines() if line.strip()]
        text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_time(cue.start)} --> {_time(max(cue.end, cue.start))}\n{text}\n")
    return "\n".join(["WEBVTT\n", *blocks])


def _time(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


async def _stored(served: Serving, clip_id: str, column: Literal["thumbnail", "strip"]) -> bytes:
    found = await served.pictures.run(
        lambda: served.library.read(
            lambda searcher, _: stored_picture(searcher.snapshot, clip_id, column)
        )
    )
    if not found:
        raise no_clip()
    return found
