"""The object stores that attacks run on: servers of this machine, and a proxy before one that counts
requests, and kills a process at one of them.
"""

import http.client
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.object_store import moto, seaweedfs

Server = Callable[[Path], AbstractContextManager[str]]
SERVERS: dict[str, Server] = {
    "SeaweedFS": lambda scratch: seaweedfs(scratch / "volumes"),
    "moto": lambda scratch: moto(),
}
"""By name, what starts a server that may write into a folder, and gives its address."""
CHANGING = ("PUT", "POST", "DELETE")


def installed(name: str) -> bool:
    """Whether this machine has a server."""
    return name == "moto" or shutil.which("weed", path=str(Path(sys.executable).parent)) is not None


@dataclass(frozen=True)
class Request:
    """What a proxy passed on. sent, received: bytes of the bodies."""

    method: str
    path: str
    sent: int
    received: int
    seconds: float


class StoreProxy:
    """Passes requests on to a server. Each that changes an object is two numbered points: before the
    server has it, and before the client has the answer.

    delay: seconds by which every answer comes later, as from a store that is far away.
    """

    def __init__(self, server: str, delay: float = 0.0) -> None:
        self.requests: list[Request] = []
        self.delay = delay
        self._server = urlsplit(server).netloc
        self._lock = threading.Lock()
        self._points = 0
        self._fatal = -1
        self._victim = 0
        self._local = threading.local()

    def arm(self, fatal: int, victim: int) -> None:
        """Count from 0 again, and kill process `victim` at point `fatal`."""
        with self._lock:
            self._points, self._fatal, self._victim = 0, fatal, victim

    @property
    def points(self) -> int:
        """How many points were passed since `arm`."""
        return self._points

    def _pass_point(self) -> None:
        with self._lock:
            if self._points == self._fatal and self._victim:
                os.kill(self._victim, signal.SIGKILL)
                self._victim = 0
            self._points += 1

    def _asked(self, handler: BaseHTTPRequestHandler) -> None:
        body = _body(handler)
        changes = handler.command in CHANGING
        if changes:
            self._pass_point()
        began = time.perf_counter()
        answer, content = self._passed_on(handler, body)
        if changes:
            self._pass_point()
        time.sleep(self.delay)
        seconds = time.perf_counter() - began
        self.requests.append(
            Request(handler.command, handler.path, len(body), len(content), seconds)
        )
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                handler.send_header(name, value)
        # What a HEAD tells is the size of the object.
        length = answer.getheader("Content-Length") if handler.command == "HEAD" else None
        handler.send_header("Content-Length", length or str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _passed_on(
        self, handler: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {
            name: value
            for name, value in handler.headers.items()
            if name.lower() not in ("connection", "transfer-encoding", "expect")
        }
        if body:
            headers["Content-Length"] = str(len(body))
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self._server)
        connection.request(handler.command, handler.path, body or None, headers)
        answer = connection.getresponse()
        return answer, answer.read()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)


@contextmanager
def proxied(server: str, delay: float = 0.0) -> Iterator[tuple[str, StoreProxy]]:
    """A proxy before a server: its address, and the proxy."""
    proxy = StoreProxy(server, delay)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, ValueError):  # the client is gone
                self.close_connection = True

        def do_GET(self) -> None:
            proxy._asked(self)

        def do_PUT(self) -> None:
            proxy._asked(self)

        def do_POST(self) -> None:
            proxy._asked(self)

        def do_DELETE(self) -> None:
            proxy._asked(self)

        def do_HEAD(self) -> None:
            proxy._asked(self)

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_address[1]}", proxy
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
