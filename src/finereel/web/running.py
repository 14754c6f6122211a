"""Run an application on an address until Ctrl-C, with limits that no client can get around."""

import asyncio
import ipaddress
import logging
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from finereel.errors import ConfigError

HEAD_SECONDS = 10.0
"""A client that takes longer to say what it wants is left."""
KEEP_ALIVE_SECONDS = 5
LARGEST_HEAD = 1 << 14
GRACE_SECONDS = 5
MOST_CONNECTIONS = 2_000


@dataclass(frozen=True)
class Address:
    """Where a server listens. port: 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0

    @property
    def in_url(self) -> str:
        """As a URL names it: what listens everywhere is reached here.

        >>> Address("0.0.0.0", 80).in_url, Address("::1", 80).in_url
        ('127.0.0.1:80', '[::1]:80')
        """
        name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"


def listen(address: Address) -> socket.socket:
    """A socket that listens there. Raises ConfigError when the address cannot be had."""
    if not 0 <= address.port <= 65535:
        raise ConfigError(f"a port is 0 to 65535, got {address.port}")
    try:
        found = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        # With its protocol named, asyncio sends small answers at once instead of 40 ms later.
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"{address.host!r} is no address of this machine ({error})") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"port {address.port} of {address.host} is not available ({error.strerror}): take "
            "another, or 0 for a free one"
        ) from None
    return listening


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens there.

    >>> is_local("localhost"), is_local("::1"), is_local("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _PromptProtocol(H11Protocol):
    """Leaves clients that take too long to say what they want: uvicorn would wait for ever."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._leave)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _leave(self) -> None:
        self._waiting = None
        self.transport.abort()


class Running(Server):
    """A server that tells when it begins and ends.

    on_start: called once it answers. on_stop: called before it waits for the answers under way.
    """

    def __init__(self, app: Any, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        config = Config(
            app,
            http=_PromptProtocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        super().__init__(config)
        self._on_start = on_start
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell, and end."""
        self._on_stop()
        await super().shutdown(sockets)


def run_until_interrupt(running: Running, listening: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM, then finish what is under way for up to GRACE_SECONDS."""
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    _allow_connections(2 * MOST_CONNECTIONS)
    with suppress(KeyboardInterrupt), _sigterm_as_interrupt():
        running.run([listening])


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Within the block SIGTERM is Ctrl-C, in the main thread; in others no signal arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _allow_connections(wanted: int) -> None:
    """Raise the number of files that this process may open, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
