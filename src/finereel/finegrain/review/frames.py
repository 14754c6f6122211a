"""Extract still images of a video as JPEG data URIs, for stand-alone pages and for videos that
browsers cannot play.
"""

import base64
import io
from pathlib import Path

from PIL import Image

from finereel.errors import VideoError
from finereel.video import ClipPlan, read_clips

SIDE = 320
QUALITY = 80


def stills(path: Path, count: int = 6, side: int = SIDE) -> tuple[str, ...]:
    """Frames spread evenly over a whole video as `data:image/jpeg` URIs, the shorter side at most
    `side` pixels.

    Fewer where the video has fewer; none where it cannot be read.
    """
    plan = ClipPlan(length=None, num_frames=count, size=side)
    try:
        return tuple(
            _uri(Image.fromarray(pixels))
            for clip in read_clips(path, plan)
            for pixels in clip.frames.pixels
        )
    except VideoError:
        return ()


def _uri(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
