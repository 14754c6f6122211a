"""A model hub on this machine: one repository, served as the hub's client asks for it."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = ".safetensors"
Files = Mapping[str, bytes]


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class FakeHub:
    """files: by revision (`main`, `refs/pr/1`) and name. damaged: names whose bytes are served with
    one bit changed.
    """

    def __init__(self, name: str, files: Mapping[str, Files]) -> None:
        self.name = name
        self.files = {self.commit(revision): dict(those) for revision, those in files.items()}
        self.damaged: set[str] = set()
        self.asked: list[str] = []

    @staticmethod
    def commit(revision: str) -> str:
        is_commit = len(revision) == 40
        return revision if is_commit else hashlib.sha1(revision.encode()).hexdigest()

    def answer(self, path: str) -> tuple[int, Any, dict[str, str]]:
        """Status, content (bytes, or a value for JSON) and headers of a request."""
        self.asked.append(path)
        api = f"/api/models/{self.name}"
        if path == f"{api}/discussions":
            found = [
                {
                    "num": 1,
                    "title": "Adding `safetensors` variant of this model",
                    "author": {"name": "SFconvertbot"},
                    "isPullRequest": True,
                    "status": "open",
                    "createdAt": "2023-01-01T00:00:00.000Z",
                    "repo": {"name": self.name, "type": "model"},
                }
            ]
            return 200, {"discussions": found, "count": 1, "start": 0}, {}
        if path == api:
            path = f"{api}/revision/main"
        if path.startswith(f"{api}/revision/"):
            sha = self.commit(path.removeprefix(f"{api}/revision/"))
            described = {"id": self.name, "sha": sha, "siblings": self._siblings(sha)}
            return 200, described | {"private": False, "tags": [], "downloads": 0, "likes": 0}, {}
        if path.startswith(f"{api}/tree/"):
            return 200, self._tree(self.commit(path.removeprefix(f"{api}/tree/"))), {}
        if path.startswith(f"/{self.name}/resolve/"):
            return self._file(*path.removeprefix(f"/{self.name}/resolve/").split("/", 1))
        return 404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"}

    def _siblings(self, sha: str) -> list[dict[str, Any]]:
        return [
            {"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"]}
            | ({"lfs": entry["lfs"] | {"sha256": entry["lfs"]["oid"]}} if "lfs" in entry else {})
            for entry in self._tree(sha)
        ]

    def _tree(self, sha: str) -> list[dict[str, Any]]:
        entries = []
        for name, content in self.files[sha].items():
            entry = {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
            if name.endswith(LARGE):
                oid = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 100}
            entries.append(entry)
        return entries

    def _file(self, revision: str, name: str) -> tuple[int, Any, dict[str, str]]:
        sha = self.commit(revision)
        content = self.files[sha].get(name)
        if content is None:
            return 404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound"}
        large = name.endswith(LARGE)
        tag = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        if name in self.damaged:
            content = bytes([content[0] ^ 1]) + content[1:]
        return 200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": sha}


@contextmanager
def serving(hub: FakeHub) -> Iterator[str]:
    """The hub's address while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond(with_body=True)

        def do_HEAD(self) -> None:
            self._respond(with_body=False)

        def _respond(self, with_body: bool) -> None:
            status, content, headers = hub.answer(unquote(urlsplit(self.path).path))
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
