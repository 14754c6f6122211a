"""Serve the review page, video ranges and verdicts on this machine only."""

import json
import mimetypes
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from finereel.errors import ConfigError, FinereelError, StorageError, VideoError
from finereel.finegrain.review.page import Page, PageSettings, make_page, media_key, stills
from finereel.finegrain.review.verdicts import (
    Item,
    VerdictLog,
    current,
    judgement,
    open_log,
    rater_name,
)
from finereel.video.files import open_regular
from finereel.web.ranges import UnsatisfiableError, byte_range

HOST = "127.0.0.1"
_HEADER = "X-Finereel-Review"
"""What the page sends along; a page of another origin cannot, as browsers ask first and nothing
here answers them.
"""
_LARGEST_BODY = 1 << 16
_CHUNK = 1 << 18


class ReviewSession:
    """What a review needs while it is served: the page, the videos under opaque names, a verdict
    file per rater.

    negatives: the file that is read; verdicts lie beside it. rater: the only one who may judge, ""
    for whoever gives a name. A rater is sent their own verdicts and no others. A rater's file is
    held from first use until `close`; raises ConfigError where another process holds that of
    `rater`.
    """

    def __init__(
        self, items: Sequence[Item], videos: Mapping[str, Path], negatives: Path, rater: str = ""
    ) -> None:
        self.rater = rater_name(rater) if rater else ""
        self.videos = {media_key(video): path for video, path in videos.items()}
        settings = PageSettings("served", negatives.stem, self.rater)
        self.page: Page = make_page(items, dict.fromkeys(self.videos, ()), settings)
        self._items = {item.key: item for item in items}
        self._negatives = negatives
        self._logs: dict[str, VerdictLog] = {}
        self._held = ExitStack()
        self._stills: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        if self.rater:
            self.log(self.rater)

    def log(self, name: str) -> VerdictLog:
        """The verdict file of a rater. Raises ConfigError for a name that is none or not the
        expected one, and for a file that another process holds or that cannot be.
        """
        rater = rater_name(name)
        if self.rater and rater != self.rater:
            raise ConfigError(f"this review is for {self.rater}, got {rater}")
        with self._lock:
            if rater not in self._logs:
                try:
                    self._logs[rater] = self._held.enter_context(open_log(self._negatives, rater))
                except StorageError as error:
                    raise ConfigError(
                        f"no verdicts can be kept beside {self._negatives}: {error}"
                    ) from error
            return self._logs[rater]

    def close(self) -> None:
        """Let go of the verdict files."""
        self._held.close()

    def judge(self, body: bytes) -> None:
        """Keep one step. Raises FinereelError for what is no verdict on an item of this review."""
        try:
            event = judgement(json.loads(body))
        except ValueError as error:
            raise ConfigError(str(error)) from None
        item = self._items.get(event.item)
        if item is None:
            raise ConfigError("there is no such item in this review: load the page again")
        self.log(event.rater).add(replace(event, id=item.row.id, pos=item.row.pos))

    def stills(self, key: str) -> tuple[str, ...]:
        """Frames of a video that the browser cannot play, decoded once."""
        with self._lock:
            if key not in self._stills:
                self._stills[key] = stills(self.videos[key])
            return self._stills[key]

    def judged(self) -> dict[str, int]:
        """How many verdicts stand, by rater who was here."""
        return {rater: len(current(log.events)) for rater, log in self._logs.items()}


def make_server(session: ReviewSession, port: int = 0) -> ThreadingHTTPServer:
    """A server on this machine's own address, not yet running; port 0 takes a free one.

    Raises ConfigError when the port is taken.
    """
    try:
        return _Server((HOST, port), partial(_Handler, session))
    except OverflowError:
        raise ConfigError(f"a port is 0 to 65535, got {port}") from None
    except OSError as error:
        raise ConfigError(
            f"port {port} is not available ({error.strerror}): take another, or 0 for a free one"
        ) from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle of a video is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "finereel"
    sys_version = ""
    timeout = 60

    def __init__(self, session: ReviewSession, *arguments: object) -> None:
        self._session = session
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: stderr belongs to the command."""

    def do_GET(self) -> None:
        """The page, a video, its stills, or one's own verdicts."""
        url = urlsplit(self.path)
        kind, _, key = url.path.strip("/").partition("/")
        if not self._is_local():
            return
        if not kind:
            self._send(self._session.page.html, "text/html; charset=utf-8")
        elif kind == "media" and key in self._session.videos:
            self._send_video(self._session.videos[key])
        elif kind not in ("stills", "verdicts") or (
            kind == "stills" and key not in self._session.videos
        ):
            self._refuse(HTTPStatus.NOT_FOUND, "there is nothing under this address")
        elif not self._is_page():
            return
        elif kind == "stills":
            self._send_json(self._session.stills(key))
        else:
            self._send_verdicts(parse_qs(url.query).get("rater", [""])[0])

    do_HEAD = do_GET  # noqa: N815 (the name the standard library calls)

    def do_POST(self) -> None:
        """A verdict."""
        self.close_connection = True
        if not self._is_local() or not self._is_page():
            return
        length = self.headers.get("Content-Length", "")
        if (
            urlsplit(self.path).path != "/verdicts"
            or not length.isdecimal()
            or int(length) > _LARGEST_BODY
        ):
            self._refuse(HTTPStatus.BAD_REQUEST, "expected one verdict for /verdicts")
            return
        try:
            self._session.judge(self.rfile.read(int(length)))
        except FinereelError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._refuse(
                HTTPStatus.INSUFFICIENT_STORAGE,
                f"the verdict file cannot be written ({error.strerror})",
            )
        else:
            self._send_json("kept")

    def _is_local(self) -> bool:
        """Refuses pages elsewhere that had their name resolved to this machine."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") in (f"{HOST}:{port}", f"localhost:{port}"):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, f"open http://{HOST}:{port}/ instead")
        return False

    def _is_page(self) -> bool:
        if self.headers.get(_HEADER) == "1":
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "only the page of the review may ask this")
        return False

    def _send_verdicts(self, rater: str) -> None:
        try:
            events = self._session.log(rater).events
        except FinereelError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        fields = ("item", "id", "pos", "rater", "verdict", "at", "event", "undo")
        self._send_json([{name: getattr(event, name) for name in fields} for event in events])

    def _send_video(self, path: Path) -> None:
        try:
            file = open_regular(path)
        except VideoError:
            self._refuse(HTTPStatus.NOT_FOUND, "the video cannot be opened")
            return
        with file:
            size = file.seek(0, 2)
            try:
                wanted = byte_range(self.headers.get("Range"), size)
            except UnsatisfiableError:
                self._head(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    0,
                    {"Content-Range": f"bytes */{size}"},
                )
                return
            first, last = wanted or (0, size - 1)
            more = {
                "Content-Type": mimetypes.guess_type(path.name)[0] or "video/mp4",
                "Accept-Ranges": "bytes",
            }
            if wanted:
                more["Content-Range"] = f"bytes {first}-{last}/{size}"
            self._head(
                HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK, last - first + 1, more
            )
            file.seek(first)
            left = last - first + 1 if self.command == "GET" else 0
            while left and (chunk := file.read(min(left, _CHUNK))):
                self.wfile.write(chunk)
                left -= len(chunk)

    def _send_json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(why.encode(errors="replace"), "text/plain; charset=utf-8", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._head(status, len(body), {"Content-Type": kind})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, length: int, more: Mapping[str, str]) -> None:
        self.send_response(status)
        fixed = {
            "Content-Length": str(length),
            "Content-Security-Policy": f"{self._session.page.policy}; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        for name, value in (fixed | dict(more)).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
