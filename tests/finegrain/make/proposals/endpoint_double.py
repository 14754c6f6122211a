"""A chat endpoint on this machine that answers as a test tells it to, and remembers what it was
asked.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = str | bytes | tuple[int, dict[str, str], str]


@dataclass
class ChatServer:
    """answer: what a request gets: the model's words, a raw body, or (status, headers, body)."""

    answer: Callable[[dict[str, Any]], Answer]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def is_check(request: dict[str, Any]) -> bool:
    """Whether a request is the second question."""
    return "variants" in json.loads(request["messages"][1]["content"])


def asked(request: dict[str, Any]) -> dict[str, Any]:
    """The data of a question."""
    return json.loads(request["messages"][1]["content"])


def agreeing(*words: object) -> Callable[[dict[str, Any]], Answer]:
    """Proposes these words, and finds all of them exclusive and grammatical."""

    def answer(request: dict[str, Any]) -> Answer:
        if not is_check(request):
            return json.dumps({"alternatives": list(words)})
        numbers = asked(request)["variants"]
        return json.dumps(
            {
                "verdicts": [
                    {"n": int(n), "both_possible": False, "grammatical": True} for n in numbers
                ]
            }
        )

    return answer


@contextmanager
def chat_server(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[ChatServer]:
    """A server for the length of a test."""
    state = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            request = json.loads(raw)
            with state.lock:
                state.requests.append(request)
                state.headers.append({"path": self.path, **dict(self.headers.items())})
                state.raw.append(raw)
            status, headers, body = _response(state.answer(request))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client may have given up
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _response(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    if isinstance(answer, tuple):
        return answer[0], answer[1], answer[2].encode()
    if isinstance(answer, bytes):
        return 200, {}, answer
    return (
        200,
        {},
        json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).encode(),
    )
