"""A server that answers as `finereel serve` does, with whatever a test wants to be said.

Everything is drawn on the spot; `Said` holds what can be changed between two requests.
"""

import io
import json
import re
import socket
import threading
import zlib
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image, ImageDraw

from places import ROOT

PAGE = ROOT / "src" / "finereel" / "serve" / "page"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
NAMES = ("dog in the park", "birthday cake", "VID_20260314", "night train", "kite at the beach")
PARTS = {"video_sentence": 3.09, "frame_sentence": 3.25, "patch_word": -0.74}


def hits(count: int) -> list[dict[str, Any]]:
    """So many hits as version 2 of the JSON has them."""
    return [
        {
            "video": f"/home/ada/Videos/2026/{NAMES[n % len(NAMES)]} {n + 1}.mp4",
            "start": 1.0,
            "end": 4.0,
            "score": 8.08 - n / 100,
            "parts": PARTS,
            "best_frame": 2.5,
            "clip_id": f"{n + 1:016x}-00000",
            "file_id": f"{n + 1:016x}",
            "copies": [],
            "window": [0.0, 6.0],
            "moments": [[1.0, 4.0]],
            "source": "seen",
        }
        for n in range(count)
    ]


CONFIDENCES = {
    "strong": {
        "level": "strong",
        "p": 0.0025,
        "stronger_than": 100,
        "right": 0.93,
        "right_by": "300 videos",
    },
    "possible": {"level": "possible", "p": 0.097, "stronger_than": 90},
    "none": {"level": "none", "p": 0.88, "stronger_than": 12},
}
STATUS = {
    "path": "/home/ada/.finereel",
    "videos": 60,
    "clips": 69,
    "bytes": 3_014_467,
    "model": "everyday",
    "folders": ["/home/ada/Videos"],
    "commit": 5,
    "read_only": False,
    "may_index": True,
    "indexing": False,
    "exports": ["csv", "json", "edl", "clips"],
}
EVIDENCE = {
    "words": [
        {"word": "dog", "start": 2, "end": 5, "pos": "noun", "verdict": "supported"},
        {
            "word": "eats",
            "start": 6,
            "end": 10,
            "pos": "verb",
            "verdict": "contradicted",
            "rather": "sleeps",
        },
        {"word": "grass", "start": 11, "end": 16, "pos": "noun", "verdict": "undecided"},
    ],
    "places": [],
    "notes": [],
}
PLACE = {
    "word": "dog",
    "frame": 2,
    "seconds": 2.0,
    "box": {"left": 0.25, "top": 0.2, "right": 0.75, "bottom": 0.8},
    "cost": 0.44,
    "random_cost": 0.36,
}
FACTS = {
    "duration": 6.0,
    "width": 320,
    "height": 180,
    "fps": 25.0,
    "container": "mov,mp4,m4a,3gp,3g2,mj2",
    "video_codec": "h264",
    "audio_codec": "aac",
    "tags": ["holiday"],
    "bytes": 877_609,
    "here": True,
    "subtitles": False,
    "taken_at": "2026-03-14T10:12:00+00:00",
}


@dataclass
class Said:
    """What the server says.

    refused: status and message of `/api/search`. lacks: first path segments answered with 404.
    film: the file behind `/media`, None where it is gone. played: by rung, the files behind `/play`,
    which begin at the second `start` of the original.
    events: lines of `/api/events`, as (name, data). asked: every request, for the test to look at.
    """

    hits: list[dict[str, Any]] = field(default_factory=lambda: hits(50))
    confidence: dict[str, Any] | None = field(default_factory=lambda: CONFIDENCES["possible"])
    status: dict[str, Any] = field(default_factory=lambda: dict(STATUS))
    refused: tuple[int, str] | None = None
    lacks: tuple[str, ...] = ()
    film: Path | None = None
    played: dict[str, Path] = field(default_factory=dict)
    start: float | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    pictures: Path | None = None
    facts: dict[str, Any] = field(default_factory=lambda: dict(FACTS))
    asked: list[tuple[str, str, Any]] = field(default_factory=list)


def picture(key: str, frames: int) -> bytes:
    """A drawn scene, or `frames` of it side by side."""
    seed = zlib.crc32(key.encode())
    sky, ground = (seed % 90 + 90, seed // 90 % 60 + 150, 220), (60, seed // 7 % 80 + 100, 70)
    whole = Image.new("RGB", (160 * frames, 90), sky)
    draw = ImageDraw.Draw(whole)
    for n in range(frames):
        left = 160 * n
        draw.rectangle((left, 60, left + 159, 89), fill=ground)
        middle = left + 30 + 20 * n
        draw.ellipse((middle - 14, 40, middle + 14, 68), fill=(230, seed % 200, 60))
    stream = io.BytesIO()
    whole.save(stream, "WEBP" if frames > 1 else "JPEG", quality=70)
    return stream.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FakeServer"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = urlsplit(self.path).path
        self.server.said.asked.append(("POST", path, body))
        if self.headers["X-Finereel"] != "1":
            self._json({"error": {"message": "only the page may ask this"}}, 403)
        elif path == "/api/export":
            name = f'attachment; filename="hits.{body["format"]}"'
            self._send(b"a,b\r\n1,2\r\n", "text/csv", {"Content-Disposition": name})
        else:
            self._json({})

    def do_GET(self) -> None:
        said, url = self.server.said, urlsplit(self.path)
        given = parse_qs(url.query)
        said.asked.append(("GET", url.path, given))
        if any(re.search(pattern, url.path) for pattern in said.lacks):
            self._json({"error": {"message": "there is nothing under this address"}}, 404)
            return
        head, *rest = url.path.strip("/").split("/")
        {"": self._index, "page": self._file, "api": self._api}.get(head, self._bytes)(
            head, rest, given
        )

    def _index(self, head: str, rest: list[str], given: dict[str, list[str]]) -> None:
        self._send((PAGE / "index.html").read_bytes(), KINDS[".html"])

    def _file(self, head: str, rest: list[str], given: dict[str, list[str]]) -> None:
        path = PAGE.joinpath(*rest)
        self._send(path.read_bytes(), KINDS[path.suffix])

    def _api(self, head: str, rest: list[str], given: dict[str, list[str]]) -> None:
        said = self.server.said
        match rest:
            case ["search"]:
                self._search(given)
            case ["status"]:
                self._json(said.status)
            case ["problems"]:
                self._json({"problems": []})
            case ["tags"]:
                self._json(
                    {"tags": [{"tag": "holiday", "videos": 3}, {"tag": "work", "videos": 1}]}
                )
            case ["events"]:
                self._events()
            case ["clips", clip]:
                self._clip([hit for hit in said.hits if hit["clip_id"] == clip])
            case ["clips", _, "evidence"]:
                places = [PLACE] if "places" in given else []
                self._json({"query": given["q"][0], **EVIDENCE, "places": places})
            case ["clips", _, "similar"]:
                self._json({"hits": said.hits[3:7]})
            case ["files", _]:
                self._json(said.facts)
            case ["files", _, "timeline"]:
                seconds = [n / 4 for n in range(24)]
                scores = [1 / (1 + (second - 2.5) ** 2) for second in seconds]
                self._json({"seconds": seconds, "scores": scores, "moments": [[1.0, 4.0]]})
            case _:
                self._json({}, 404)

    def _clip(self, found: list[dict[str, Any]]) -> None:
        if not found:
            self._json({"error": {"message": "the library has no such clip; search again"}}, 404)
            return
        [hit] = found
        told = {name: hit[name] for name in ("clip_id", "file_id", "video")}
        times = [hit["window"][0] + 0.5 + second for second in range(6)]
        start, end = hit["window"]
        self._json({**told, "start": start, "end": end, "strip_seconds": times, "said": ""})

    def _search(self, given: dict[str, list[str]]) -> None:
        said = self.server.said
        if said.refused:
            self._json({"error": {"message": said.refused[1]}}, said.refused[0])
            return
        found = said.hits[: int(given["top"][0])]
        self._json(
            {
                "query": given["q"][0],
                "confidence": said.confidence,
                "said": 0,
                "hits": found,
                "count": len(found),
                "took_ms": 61.5,
                "commit": 5,
                "notes": [],
            }
        )

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        sent = 0
        while not self.server.ending.wait(0.05):
            events = self.server.said.events
            for name, data in events[sent:]:
                self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
                self.wfile.flush()
            sent = len(events)

    def _bytes(self, head: str, rest: list[str], given: dict[str, list[str]]) -> None:
        said = self.server.said
        if head in ("thumb", "strip"):
            real = (
                said.pictures
                and said.pictures / f"{rest[0]}.{'jpg' if head == 'thumb' else 'webp'}"
            )
            drawn = real.read_bytes() if real else picture(rest[0], 1 if head == "thumb" else 6)
            self._send(drawn, "image/jpeg" if head == "thumb" else "image/webp")
            return
        path = said.film if head == "media" else said.played.get(given.get("rung", [""])[0])
        if path is None:
            self._json({"error": {"message": "the file is not there"}}, 404)
            return
        self._range(path.read_bytes())

    def _range(self, whole: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self._send(whole, "video/mp4", {"Accept-Ranges": "bytes"})
            return
        first, last = int(asked[1]), min(int(asked[2] or len(whole) - 1), len(whole) - 1)
        told = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(whole)}"}
        if self.server.said.start is not None:
            told["X-Finereel-Start"] = str(self.server.said.start)
        self._send(whole[first : last + 1], "video/mp4", told, HTTPStatus.PARTIAL_CONTENT)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", None, status)

    def _send(
        self, body: bytes, kind: str, headers: dict[str, str] | None = None, status: int = 200
    ) -> None:
        self.send_response(status)
        told = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        for name, value in (told | {"Content-Security-Policy": POLICY}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class FakeServer(ThreadingHTTPServer):
    """Serves `said` at `url` until `close`; open connections end then too."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, said: Said | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.said = said or Said()
        self.ending = threading.Event()
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def get_request(self) -> Any:
        """Remember the connection, to end it."""
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers end connections as they like."""

    def close(self) -> None:
        """End as a killed server does."""
        self.ending.set()
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
