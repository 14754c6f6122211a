"""The routes that make a clip playable where a browser does not play its file: `/play`."""

from fastapi import APIRouter
from starlette.responses import Response

from finereel.index.lookup import StoredClip, StoredFile
from finereel.serve.clips import known_clip, same_file
from finereel.serve.playback import Playable, Rung
from finereel.serve.state import Served, Serving
from finereel.video.files import open_regular
from finereel.web.files import FileAnswer

router = APIRouter()


@router.api_route("/play/{clip_id}", methods=["GET", "HEAD"], response_class=Response)
async def play(served: Served, clip_id: str, rung: Rung = "remux") -> FileAnswer:
    """The clip and two seconds before and after it as MP4, or a range of its bytes. It is made when it
    is first asked for, which takes up to half a minute.

    Headers tell what it holds: `X-Finereel-Start` and `X-Finereel-End` in seconds of the video, and
    `X-Finereel-Rung`, which is `preview` where repacking would not help.
    """
    made = await _made(served, clip_id, rung)
    handle = await served.pictures.run(lambda: open_regular(made.path))
    told = {"Rung": made.rung, "Start": f"{made.start:.3f}", "End": f"{made.end:.3f}"}
    headers = {f"X-Finereel-{name}": value for name, value in told.items()}
    return FileAnswer(handle, "video/mp4", {"ETag": f'"{made.path.stem}"', **headers})


async def _made(served: Serving, clip_id: str, rung: Rung) -> Playable:
    clip = await known_clip(served, clip_id)
    file = await same_file(served, clip.file_id)
    known = await served.pictures.run(lambda: served.playback.find(file, clip, rung))
    if known is not None:
        return known
    return await served.decoding.run(lambda: _made_once(served, file, clip, rung))


def _made_once(served: Serving, file: StoredFile, clip: StoredClip, rung: Rung) -> Playable:
    """Make it, unless somebody who asked at the same time had it made meanwhile."""
    made = served.playback.find(file, clip, rung)
    return served.playback.make(file, clip, rung) if made is None else made
