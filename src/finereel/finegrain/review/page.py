"""Build the review page, which is both served and exported; it loads nothing from elsewhere and
runs only its own script.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from finereel.finegrain.review.items import Item, set_name
from finereel.finegrain.review.marks import marked
from finereel.finegrain.review.verdicts import VERDICTS
from finereel.io.assets import ASSETS

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
