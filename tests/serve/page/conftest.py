"""A browser, a server that says what it is told, and a page that may not fail or leave."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.media import Recipe, make_video
from support.page_server import FakeServer, Said

Open = Callable[..., Any]
"""Opens an address of the fake server in a window of its own."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install 'finereel[dev]'"
    )
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    chromium = next(found, None)
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, each brighter than the one before."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_video(path, Recipe(frames=60, fps=10, width=160, height=90, options={"g": "10"}))


@pytest.fixture
def said(film: Path) -> Said:
    return Said(film=film)


@pytest.fixture
def fake(said: Said) -> Iterator[FakeServer]:
    running = FakeServer(said)
    yield running
    running.close()


@pytest.fixture
def open_page(browser: Any, fake: FakeServer) -> Iterator[Open]:
    """At the end nothing may have failed, been blocked by the policy or left the machine."""
    contexts, problems, asked = [], [], []

    def opened(path: str = "/", **options: Any) -> Any:
        context = browser.new_context(**({"reduced_motion": "reduce"} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda line: "Content Security Policy" in line.text and problems.append(line.text),
        )
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(15_000)
        page.goto(fake.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
    assert [url for url in asked if not url.startswith((fake.url, "data:", "blob:"))] == []


def until(page: Any, expression: str, seconds: float = 10.0) -> None:
    """Wait until an expression is true; Playwright's own way needs `eval`, which the policy denies."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(20)
