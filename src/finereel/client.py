"""A client of `finereel serve`: searches, looks up clips and videos, and reads videos, by HTTP.

from finereel.client import Client

with Client("http://127.0.0.1:8764/?token=...") as client:  # the line that `finereel serve` printed
    for hit in client.search("a dog jumps into the water", top=3).hits:
        print(hit.video, hit.start, hit.score)

Needs `pip install 'finereel[serve]'`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from finereel import errors
from finereel.errors import ConfigError, FinereelError
from finereel.types import Hit

SECONDS = 60.0
Values = dict[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """What a server answered. confidence: level, p, and right where that is known; commit: the state
    of the library that answered; notes: how the texts were read.
    """

    query: str
    hits: list[Hit]
    confidence: Values | None
    commit: int
    took_ms: float
    notes: list[str]


@dataclass(frozen=True)
class ServerEvent:
    """An event of a server; id: what continues after it."""

    id: str
    kind: str
    data: Values


class Client:
    """A connection to a server. url: with the token, as `finereel serve` printed it; a context
    manager. Every method raises the error that the library raised there.
    """

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        parts = urlsplit(url)
        token = parse_qs(parts.query).get("token", [""])[0]
        if parts.scheme not in ("http", "https") or not parts.netloc or not token:
            raise ConfigError("expected the address that `finereel serve` printed, with its token")
        headers = {"Authorization": f"Bearer {token}", "X-Finereel": "1"}
        base = f"{parts.scheme}://{parts.netloc}"
        self._http = httpx.Client(base_url=base, headers=headers, timeout=seconds)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def search(self, text: str, **choices: Any) -> SearchResult:
        """Find clips. choices: the parameters of `/api/search`; names that are words of Python get an
        underscore, as in `not_=["a cat"]`.
        """
        named = {name.rstrip("_"): value for name, value in choices.items() if value is not None}
        found = self.get("/api/search", q=text, **named)
        hits = [_hit(hit) for hit in found["hits"]]
        told = (found[name] for name in ("confidence", "commit", "took_ms", "notes"))
        return SearchResult(found["query"], hits, *told)

    def get(self, path: str, **parameters: Any) -> Values:
        """Any route that answers with JSON, such as `/api/status` or `/api/clips/CLIP_ID`."""
        return self._values(self._http.get(path, params=parameters or None))

    def post(self, path: str, **body: Any) -> Values:
        """Any route that changes something."""
        return self._values(self._http.post(path, json=body))

    def feedback(self, text: str, clip_id: str, right: bool) -> Values:
        """Tell whether a clip is what a query asked for."""
        return self.post("/api/feedback", q=text, clip_id=clip_id, right=right)

    def tag(self, file_ids: Sequence[str], tags: Sequence[str], remove: bool = False) -> int:
        """Tag videos; returns their number."""
        answer = self.post("/api/tags", file_ids=list(file_ids), tags=list(tags), remove=remove)
        return int(answer["videos"])

    def export(self, items: Sequence[tuple[str, float, float]], form: str, text: str = "") -> bytes:
        """Take clips along, each by its id and the seconds wanted, as `csv`, `json`, `edl`, `otio`,
        `fcpxml` or `clips` (a ZIP). text: the query, for names.
        """
        told = [{"clip_id": clip, "start": start, "end": end} for clip, start, end in items]
        body = {"format": form, "items": told, "query": text}
        answer = self._http.post("/api/export", json=body)
        _check(answer)
        return answer.content

    def read(self, path: str, first: int = 0, last: int | None = None) -> bytes:
        """The bytes of a picture or a video, such as `/thumb/CLIP_ID` or `/media/FILE_ID`; of a video
        also those from `first` to `last` only.
        """
        part = "" if last is None else str(last)
        headers = {"Range": f"bytes={first}-{part}"} if first or part else {}
        answer = self._http.get(path, headers=headers)
        _check(answer)
        return answer.content

    def events(self, after: str = "") -> Iterator[ServerEvent]:
        """What happens at the server, from now on or after an event; ends when the server does."""
        with self._http.stream("GET", "/api/events", headers={"Last-Event-ID": after}) as answer:
            _check(answer)
            told: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name:
                    told[name] = value
                elif "data" in told:
                    yield ServerEvent(told["id"], told["event"], json.loads(told["data"]))
                    told = {}

    def _values(self, answer: httpx.Response) -> Values:
        _check(answer)
        values: Values = answer.json()
        return values


def _hit(told: Values) -> Hit:
    known = {name: told[name] for name in _HIT_FIELDS if name in told}
    spans = tuple((float(start), float(end)) for start, end in told["moments"])
    start, end = told["window"]
    return Hit(
        **known | {"copies": tuple(told["copies"]), "window": (start, end), "moments": spans}
    )


_HIT_FIELDS = [field.name for field in fields(Hit)]


def _check(answer: httpx.Response) -> None:
    """Raises what the server says went wrong, as the kind of error that it was there."""
    if answer.is_success:
        return
    try:
        answer.read()
        told = answer.json()["error"]
        kind = getattr(errors, told["type"], FinereelError)
        message = str(told["message"])
    except (ValueError, KeyError, TypeError):
        kind, message = FinereelError, f"the server answered with status {answer.status_code}"
    raise kind(message)
