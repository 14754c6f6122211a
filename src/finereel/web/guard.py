"""Decide who may ask a local web server, before anything else happens: names it goes by, pages of
other origins, the token, and the size of what is sent.

Plain ASGI, so that what streams through it is never gathered.
"""

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from finereel.web.errors import RefusedError, error_as_json

LARGEST_BODY = 1 << 16
BODY_SECONDS = 10.0
SAFE = ("GET", "HEAD")
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class GuardSettings:
    """Who may ask.

    hosts: names that the server goes by besides those of this machine itself. token: what a client
    must know, "" where nobody needs one. cookie: the name of the cookie that keeps it. header: what
    the page sends along with what changes something; a page of another origin cannot, as browsers
    ask first and nothing here answers them. policy: the Content-Security-Policy. read_only: whether
    nothing may be changed. free: paths that need no token.
    """

    policy: str
    hosts: tuple[str, ...] = ()
    token: str = ""
    cookie: str = "finereel"
    header: str = "X-Finereel"
    read_only: bool = False
    free: tuple[str, ...] = ()


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: Any, settings: GuardSettings) -> None:
        self.app = app
        self.settings = settings
        self._fixed = {
            "Content-Security-Policy": settings.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "X-Frame-Options": "DENY",
            "Cache-Control": "no-store",
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _WithHeaders(send, self._fixed)
        try:
            headers = _one_of_each(scope["headers"])
            self._check_host(scope, headers)
            _check_origin(headers)
            where = self._without_token(scope)
            if where is not None:
                await _redirect(answer, where, self._cookie())
                return
            self._check_token(scope, headers)
            self._check_change(scope, headers)
            await self.app(scope, await _whole_body(scope, headers, receive), answer)
        except RefusedError as error:
            if answer.begun:
                raise
            await refuse(answer, error, _is_reader(scope))

    def _check_host(self, scope: Any, headers: Mapping[str, str]) -> None:
        name = _hostname(headers.get("host", ""))
        if name and (name in LOCAL or name in self.settings.hosts or _is_own_address(name, scope)):
            return
        raise RefusedError(
            403,
            f"this server does not go by the name {name[:100]!r}; open it under the address that "
            "was printed, or start it with --allow-host NAME",
        )

    def _without_token(self, scope: Any) -> str | None:
        """The address without the token, where the right one stands in it."""
        if not self.settings.token or scope["method"] not in SAFE:
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in pairs if name == "token"]
        if not given or not self._is_token(given[0]):
            return None
        rest = urlencode([(name, value) for name, value in pairs if name != "token"])
        path: str = "/" + scope["raw_path"].decode("ascii").lstrip("/")
        return path + (f"?{rest}" if rest else "")

    def _check_token(self, scope: Any, headers: Mapping[str, str]) -> None:
        if not self.settings.token or scope["path"] in self.settings.free:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return
        if self._is_token(_cookie_of(headers.get("cookie", ""), self.settings.cookie)):
            return
        raise RefusedError(
            401,
            "the token is missing, or of a server that has ended; open the address that "
            "`finereel serve` printed, which holds it",
        )

    def _check_change(self, scope: Any, headers: Mapping[str, str]) -> None:
        if scope["method"] in SAFE:
            return
        if self.settings.read_only:
            raise RefusedError(403, "this server was started with --read-only: nothing is changed")
        if headers.get(self.settings.header.lower()) != "1":
            raise RefusedError(
                403, f"only the page may ask this: send the header {self.settings.header}: 1"
            )

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.settings.token.encode())

    def _cookie(self) -> str:
        return f"{self.settings.cookie}={self.settings.token}; Path=/; HttpOnly; SameSite=Strict"


class _WithHeaders:
    """Sends an answer with headers that it does not have itself."""

    def __init__(self, send: Any, fixed: Mapping[str, str]) -> None:
        self._send = send
        self._fixed = [(name.lower().encode(), value.encode()) for name, value in fixed.items()]
        self.begun = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            given = [(name.lower(), value) for name, value in message.get("headers", ())]
            names = {name for name, _ in given}
            more = [pair for pair in self._fixed if pair[0] not in names]
            message = {**message, "headers": [*given, *more]}
        await self._send(message)


async def refuse(send: Any, error: RefusedError, in_words: bool = False) -> None:
    """Answer with an error, as JSON or in words; the connection of a client that still sends is
    closed.
    """
    if in_words:
        body, kind = f"{error}\n".encode(), "text/plain; charset=utf-8"
    else:
        body, kind = json.dumps(error_as_json(error)).encode(), "application/json"
    headers = {"content-type": kind, "content-length": str(len(body))}
    if error.status in (408, 413):
        headers["connection"] = "close"
    pairs = [(name.lower(), value) for name, value in (headers | error.headers).items()]
    await send(
        {
            "type": "http.response.start",
            "status": error.status,
            "headers": [(name.encode(), value.encode()) for name, value in pairs],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _redirect(send: Any, where: str, cookie: str) -> None:
    headers = {"location": where, "set-cookie": cookie, "content-length": "0"}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 303, "headers": pairs})
    await send({"type": "http.response.body"})


def _one_of_each(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their names; RefusedError for one that decides something and comes twice."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "content-length", "authorization"):
            raise RefusedError(400, f"the header {key} comes twice")
        found[key] = value.decode("latin-1")
    return found


def _check_origin(headers: Mapping[str, str]) -> None:
    """Refuses what a page of another origin sends: by its Origin, or by what browsers say of where
    a request comes from. To open a link in another page is no such thing.
    """
    origin = headers.get("origin")
    if origin is not None:
        parts = urlsplit(origin) if origin.isascii() else None
        if (
            parts is None
            or parts.scheme not in ("http", "https")
            or parts.netloc.lower() != headers.get("host", "").lower()
        ):
            raise RefusedError(403, "this was asked by a page of another origin")
    site = headers.get("sec-fetch-site", "none")
    opened = (
        headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    if site not in ("same-origin", "none") and not opened:
        raise RefusedError(403, "this was asked by a page of another origin")


def _is_reader(scope: Any) -> bool:
    """Whether a person who opened a link reads the answer."""
    accepted = [value for name, value in scope["headers"] if name == b"accept"]
    return bool(accepted) and accepted[0].startswith(b"text/html")


def _hostname(host: str) -> str:
    """The name in a Host header; "" for what is none.

    >>> _hostname("LocalHost:80"), _hostname("[::1]:8000"), _hostname("a@b"), _hostname("a:b")
    ('localhost', '::1', '', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return ""
    del port
    plain = not (parts.path or parts.query or parts.fragment or "@" in host)
    return (parts.hostname or "") if plain and host.isascii() else ""


def _is_own_address(name: str, scope: Any) -> bool:
    """Whether a name is the very address at which the request arrived: no name server is asked
    for that, so no name can be turned against it.
    """
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address((scope.get("server") or ("",))[0])
    except ValueError:
        return False


def _cookie_of(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


async def _whole_body(scope: Any, headers: Mapping[str, str], receive: Any) -> Any:
    """A `receive` that gives the whole body at once, which was read before: no more than
    LARGEST_BODY bytes, within BODY_SECONDS.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > LARGEST_BODY:
        raise RefusedError(413, f"expected at most {LARGEST_BODY:,} bytes")
    if scope["method"] in SAFE and length == "0" and "transfer-encoding" not in headers:
        return receive
    parts, size, more = [], 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(400, "the client went away")
                parts.append(message.get("body", b""))
                size, more = size + len(parts[-1]), message.get("more_body", False)
                if size > LARGEST_BODY:
                    raise RefusedError(413, f"expected at most {LARGEST_BODY:,} bytes")
    except TimeoutError:
        raise RefusedError(
            408, f"expected the whole request within {BODY_SECONDS:g} seconds"
        ) from None
    given = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def replay() -> Any:
        return given.pop() if given else await receive()

    return replay
