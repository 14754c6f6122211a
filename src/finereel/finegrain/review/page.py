"""Build the review page, which is both served and exported; it loads nothing from elsewhere and
runs only its own script.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from finereel.errors import VideoError
from finereel.finegrain.review.verdicts import VERDICTS, Item, set_name
from finereel.finegrain.types import Negative
from finereel.io import ASSETS
from finereel.video import ClipPlan, read_clips

_ASSETS = ASSETS / "review"


@dataclass(frozen=True)
class PageSettings:
    """kind: "served" (videos and verdicts go over the connection) or "static" (all in the page,
    verdicts downloaded).

    name: what downloaded verdicts are called after. rater: who reads; "" lets the page ask.
    """

    kind: Literal["served", "static"]
    name: str
    rater: str = ""


@dataclass(frozen=True)
class Page:
    """A whole HTML document in ASCII, and the content security policy that stands in it."""

    html: bytes
    policy: str


def media_key(video_id: str) -> str:
    """The name of a video in URLs; it tells nothing of its id or its file."""
    return blake2b(video_id.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def make_page(
    items: Sequence[Item], media: Mapping[str, Sequence[str]], settings: PageSettings
) -> Page:
    """The page for `items`. media: by `media_key`, the stills of a video (none in a served page,
    which asks for them).

    Captions are data, never markup: they travel as JSON without <, > and &, and the script only
    ever sets text.
    """
    style, script = _asset("review.css"), _asset("review.js")
    policy = _policy(settings.kind, style, script)
    parts = {
        "POLICY": policy,
        "STYLE": style,
        "SCRIPT": script,
        "DATA": _data(items, media, settings),
    }
    html = _asset("review.html")
    for (
        name,
        text,
    ) in parts.items():  # DATA last, so that nothing in it is taken for a place to fill
        html = html.replace(f"@@{name}@@", text)
    return Page(html.encode("ascii", "xmlcharrefreplace"), policy)


def _data(items: Sequence[Item], media: Mapping[str, Sequence[str]], settings: PageSettings) -> str:
    value = {
        "kind": settings.kind,
        "name": settings.name,
        "rater": settings.rater,
        "set": set_name(items),
        "verdicts": VERDICTS,
        "media": {key: list(stills) for key, stills in media.items()},
        "items": [_described(item) for item in items],
    }
    return _harmless(json.dumps(value, separators=(",", ":")))


def _described(item: Item) -> dict[str, Any]:
    before, after = marked(item.row)
    told = {
        "key": item.key,
        "id": item.row.id,
        "pos": item.row.pos,
        "media": media_key(item.row.video_id),
    }
    return told | {"caption": before, "negative": after}


def _harmless(json_text: str) -> str:
    """JSON that cannot end a script element or open a comment in it."""
    return json_text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(kind: str, style: str, script: str) -> str:
    rules = [
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "img-src data:",
    ]
    if kind == "served":
        rules += ["media-src 'self'", "connect-src 'self'"]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="ascii")


# WHAT CHANGED: both captions cut into pieces, those that differ marked.
Part = tuple[str, bool]
"""A piece of a caption, and whether it is one that changed."""

_MOST_WORDS = 2000
"""Words on either side up to which the pieces that differ are compared among themselves, in
quadratic time.
"""


def marked(row: Negative) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """The pieces of the caption and of the negative; together they are the texts, to the character.

    The row's own span is taken where it fits; a text in which more changed (an article, several
    places) is compared word by word.

    >>> row = Negative("n", "v", "c", "a dog runs", "a cat runs", "noun", 2, 5, "dog", "cat", "sister")
    >>> marked(row)
    ((('a ', False), ('dog', True), (' runs', False)), (('a ', False), ('cat', True), (' runs', False)))
    """
    before, after = row.caption[: max(0, row.start)], row.caption[max(0, row.end) :]
    kept = len(before) + len(after)
    fits = 0 <= row.start < row.end <= len(row.caption) and len(row.negative) > kept
    if fits and row.negative.startswith(before) and row.negative.endswith(after):
        end = len(row.negative) - len(after)
        changed = row.caption[row.start : row.end], row.negative[row.start : end]
        return _pieces(before, changed[0], after), _pieces(before, changed[1], after)
    return _compared(row.caption, row.negative)


def _pieces(before: str, changed: str, after: str) -> tuple[Part, ...]:
    return tuple(part for part in ((before, False), (changed, True), (after, False)) if part[0])


def _compared(caption: str, negative: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    first, second = re.findall(r"\s+|\S+", caption), re.findall(r"\s+|\S+", negative)
    if first == second:
        return _joined([(caption, False)]), _joined([(negative, False)])
    if max(len(first), len(second)) > _MOST_WORDS:
        return ((caption, True),) if caption else (), ((negative, True),) if negative else ()
    left: list[Part] = []
    right: list[Part] = []
    for kind, i, j, k, m in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        left.append(("".join(first[i:j]), kind != "equal"))
        right.append(("".join(second[k:m]), kind != "equal"))
    return _joined(left), _joined(right)


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Without empty pieces, neighbours of a kind as one, and a space between two changed words as
    changed.
    """
    out: list[Part] = []
    for text, changed in parts:
        if changed and len(out) > 1 and out[-2][1] and out[-1][0].isspace():
            space = out.pop()[0]
            out[-1] = (out[-1][0] + space + text, True)
        elif text and out and out[-1][1] == changed:
            out[-1] = (out[-1][0] + text, changed)
        elif text:
            out.append((text, changed))
    return tuple(out)


# VIDEO -> STILLS: a few frames as JPEG in data URIs, for pages that stand alone and for videos no
# browser plays.
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
