"""`finereel serve` as a process: one line with the address, answers, an end in order."""

import signal
from pathlib import Path

import httpx
import pytest

from support.serving import ServerProcess, server_process


def test_it_prints_its_address_searches_and_ends_in_order(library: Path) -> None:
    with server_process(library) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/?token={server.token}"
        with httpx.Client(follow_redirects=True) as browser:
            page = browser.get(server.url)
            assert page.status_code == 200
            assert str(page.url) == f"{server.base}/", "the token must leave the address"
            found = browser.get(f"{server.base}/api/search", params={"q": "a red ball"}).json()
        assert found["query"] == "a red ball"
        assert found["count"] == len(found["hits"]) == 3
        assert {hit["clip_id"].rpartition("-")[0] for hit in found["hits"]} == {
            hit["file_id"] for hit in found["hits"]
        }
        assert server.stop() == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "", "one line and no more"


def test_sigterm_ends_it_in_order_too(library: Path) -> None:
    with server_process(library, "--read-only") as server:
        assert httpx.get(f"{server.base}/healthz").json() == {"status": "ok"}
        assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("path", ["/", "/api/search?q=a", "/page/index.html", "/readyz"])
def test_nobody_gets_an_answer_without_the_token(server: ServerProcess, path: str) -> None:
    answer = httpx.get(server.base + path)
    assert answer.status_code == 401
    assert "finereel serve" in answer.json()["error"]["message"]
