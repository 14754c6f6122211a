"""An S3 server for tests: moto's, in a process of its own; and one that ignores conditions."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
}
BUCKET = "videos"


def environment(url: str) -> dict[str, str]:
    """What a process needs to know of the server."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": url}


@contextmanager
def known(url: str) -> Iterator[None]:
    """Within the block, this process and those that it starts use the server at `url`."""
    before = {name: os.environ.get(name) for name in environment(url)}
    os.environ.update(environment(url))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def moto() -> Iterator[str]:
    """The address of a new S3 server with one bucket."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _answers(f"{url}/moto-api/data.json")
            make_bucket(url)
            yield url
        finally:
            server.kill()


@contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """The address of a new SeaweedFS server with one bucket, which keeps its objects in `folder`."""
    folder.mkdir()
    ports = {name: str(_free_port()) for name in ("master", "volume", "filer", "s3")}
    options = [f"-{name}.port={port}" for name, port in ports.items()]
    options += [f"-{name}.port.grpc={_free_port()}" for name in ports]
    # These have one port for all servers of a machine, unless told.
    options += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    program = Path(sys.executable).with_name("weed")
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3", *options]
    # It would take these for its own and let nobody in without them.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, env=plain) as server:
        try:
            url = f"http://127.0.0.1:{ports['s3']}"
            _answers(f"{url}/healthz")
            make_bucket(url)
            yield url
        finally:
            server.kill()


def make_bucket(url: str) -> None:
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        return


def _answers(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


class _Careless(BaseHTTPRequestHandler):
    """Puts objects, has none when asked, and never looks at a condition."""

    objects: dict[str, bytes]
    status: int

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.objects[self.path] = content
        self._answer(200, md5(content).hexdigest())

    def do_GET(self) -> None:
        self._answer(self.status, "")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(400, "")

    def _answer(self, status: int, etag: str) -> None:
        self.send_response(status)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def careless(status: int = 404) -> Iterator[str]:
    """The address of a server that ignores If-None-Match and If-Match, and answers `status` to
    whoever reads.
    """
    handler = type("_Handler", (_Careless,), {"objects": {}, "status": status})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
