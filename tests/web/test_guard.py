"""Who may ask: names, origins, tokens, headers and sizes, without a network."""

import asyncio
from typing import Any

import httpx
import pytest

from finereel.web.guard import Guard, GuardSettings

TOKEN = "a-token-that-nobody-guesses"
SETTINGS = GuardSettings(
    "default-src 'none'", ("videos.lan",), TOKEN, "finereel_80", free=("/healthz",)
)
KNOWN = {"authorization": f"Bearer {TOKEN}"}


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of what was sent."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"private")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(length).encode()})


def ask(
    method: str = "GET",
    path: str = "/",
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    settings: GuardSettings = SETTINGS,
    **more: Any,
) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(_app, settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:80") as client:
            return await client.request(method, path, headers=headers, **more)

    return asyncio.run(asked())


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:80", True),
        ("localhost", True),
        ("LOCALHOST:9000", True),
        ("[::1]:80", True),
        ("videos.lan", True),
        ("Videos.LAN:8764", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example:80", False),
        ("user@localhost", False),
        ("localhost/x", False),
        ("localhost:port", False),
        ("localhost?x", False),
        ("localhost#x", False),
        ("", False),
        ("[::1", False),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("2130706433", False),
    ],
)
def test_names(host: str, allowed: bool) -> None:
    assert (ask(headers=KNOWN | {"host": host}).status_code == 200) is allowed


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:80"}, False),  # the Host has no port there
        ({"host": "127.0.0.1:8764", "origin": "http://127.0.0.1:8764"}, True),
        ({"host": "127.0.0.1:8764", "origin": "https://127.0.0.1:8764"}, True),
        ({"host": "127.0.0.1:8764", "origin": "http://127.0.0.1:3000"}, False),
        ({"host": "127.0.0.1:8764", "origin": "http://localhost:8764"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "file://"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        (
            {
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "document",
            },
            True,
        ),
        (
            {
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
                "sec-fetch-dest": "iframe",
            },
            False,
        ),
    ],
)
def test_pages_of_other_origins(headers: dict[str, str], allowed: bool) -> None:
    assert (ask(headers=KNOWN | headers).status_code == 200) is allowed


def test_a_header_that_decides_comes_once() -> None:
    twice = [("host", "localhost"), ("host", "evil.example"), *KNOWN.items()]
    assert ask(headers=twice).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer \u00e9".encode("latin-1").decode("latin-1")}, 401),
        ({"cookie": f"finereel_81={TOKEN}"}, 401),
        ({"cookie": "finereel_80="}, 401),
        ({"cookie": f"other=1; finereel_80={TOKEN}"}, 200),
        ({"authorization": f"bearer {TOKEN}"}, 200),
    ],
)
def test_the_token(headers: dict[str, str], status: int) -> None:
    coded = [(name, value.encode("latin-1")) for name, value in headers.items()]
    assert ask(headers=coded).status_code == status  # type: ignore[arg-type]


def test_the_token_becomes_a_cookie_and_leaves_the_address() -> None:
    answer = ask(path=f"/?q=a%20dog&token={TOKEN}&clip=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=a+dog&clip=1")
    cookie = answer.headers["set-cookie"]
    assert cookie == f"finereel_80={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    elsewhere = ask(path=f"http://127.0.0.1:80//evil.example/?token={TOKEN}")
    assert elsewhere.headers["location"] == "/evil.example/", "no other server"
    wrong = ask(path="/?token=wrong")
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers


def test_a_person_is_told_in_words_what_is_missing() -> None:
    answer = ask(headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("the token is missing")


def test_only_the_page_changes_something() -> None:
    assert ask("POST", headers=KNOWN).status_code == 403
    assert ask("POST", headers=KNOWN | {"x-finereel": "0"}).status_code == 403
    assert ask("POST", headers={"x-finereel": "1"}).status_code == 401
    allowed = KNOWN | {"x-finereel": "1"}
    assert ask("POST", headers=allowed, content=b"abc").text == "3"
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        shared = GuardSettings("", token=TOKEN, read_only=True)
        answer = ask(method, headers=allowed, settings=shared)
        assert answer.status_code == 403
        assert "--read-only" in answer.json()["error"]["message"]


def test_large_bodies_are_refused_before_they_are_read() -> None:
    allowed = KNOWN | {"x-finereel": "1"}
    assert ask("POST", headers=allowed, content=b"x" * 65_536).text == "65536"
    assert ask("POST", headers=allowed, content=b"x" * 65_537).status_code == 413
    given = []

    async def endless() -> Any:
        for _ in range(1_000):
            given.append(1)
            yield b"x" * 10_000

    assert ask("POST", headers=allowed, content=endless()).status_code == 413
    assert len(given) < 20, "no more than the limit is taken in"
    assert ask("GET", headers=KNOWN | {"content-length": "1e3"}).status_code == 413


def test_every_answer_is_shut_in() -> None:
    for answer in (ask(headers=KNOWN), ask(), ask(headers={"host": "evil.example"})):
        assert answer.headers["content-security-policy"] == "default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert ask(headers=KNOWN).headers["cache-control"] == "private", "an answer's own header stays"
    assert ask(path="/healthz").status_code == 200
