"""The running server: addresses that cannot be had, clients that never say what they want, an end
that waits for nobody for ever.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from finereel.errors import ConfigError
from finereel.web import running
from finereel.web.running import Address, Running, listen


async def _app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(running, "HEAD_SECONDS", 0.3)
    started, stopped = threading.Event(), threading.Event()
    server = Running(_app, started.set, stopped.set)
    with closing(listen(Address())) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        assert started.wait(20)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
        assert stopped.is_set()


def _left_alone(connection: socket.socket) -> bool:
    """Whether the server has hung up."""
    connection.settimeout(10)
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_who_never_says_what_they_want_is_left(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(said)
        began = time.monotonic()
        assert _left_alone(connection)
        assert time.monotonic() - began < 5


def test_who_drips_letters_is_left_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        began = time.monotonic()
        left = False
        while not left and time.monotonic() - began < 10:
            try:
                connection.sendall(b"G")
                time.sleep(0.02)
            except OSError:  # reset, or a broken pipe
                left = True
        assert left


def test_a_second_request_begins_anew(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                answer += connection.recv(1000)
            time.sleep(0.2)
        connection.sendall(b"GET")
        assert _left_alone(connection)


def test_a_head_without_end_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET /?q=" + b"x" * 100_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_addresses_that_cannot_be_had() -> None:
    with closing(listen(Address())) as first:
        taken = first.getsockname()[1]
        with pytest.raises(ConfigError, match=r"is not available .*take another"):
            listen(Address("127.0.0.1", taken))
    with pytest.raises(ConfigError, match="0 to 65535"):
        listen(Address(port=70_000))
    with pytest.raises(ConfigError, match="no address of this machine"):
        listen(Address("no such name.invalid"))
