"""The page on `finereel serve` itself, with a small library."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.serving import ServerProcess, server_process

from .conftest import until

pytestmark = pytest.mark.browser


@pytest.fixture
def server(library: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """Over a copy: what is judged and tagged here is not for others."""
    with server_process(shutil.copytree(library, tmp_path / "library")) as running:
        yield running


def test_find_play_judge_and_tag(browser: Any, server: ServerProcess) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: line.type == "error" and problems.append(line.text))
    page.set_default_timeout(30_000)
    page.goto(server.url)
    assert "token" not in page.url
    page.fill("#q", "a red ball moves")
    page.keyboard.press("Enter")
    page.wait_for_selector("main[aria-busy=false] :is(.card, .unsure)")
    if page.locator(".card").count() == 0:
        page.get_by_role("button", name="Show the closest").click()
    assert page.locator(".card").count() == 3
    until(page, "[...document.querySelectorAll('.thumb')].every((one) => one.naturalWidth > 0)")
    page.locator(".picture").first.hover()
    page.wait_for_selector(".strip:visible")
    page.locator(".card").first.click()
    until(page, "document.querySelector('#player video')?.videoWidth > 0")
    page.wait_for_selector(".words li")
    page.wait_for_selector(".parts tfoot")
    page.wait_for_selector(".track polyline", state="attached")  # one colour: a flat line
    page.get_by_role("button", name="Yes, this is what I searched for").click()
    page.wait_for_selector("[aria-label^='Yes'][aria-pressed=true]")
    page.get_by_role("tab", name="File").click()
    page.get_by_label("New tag").fill("mine")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove the tag mine").click()
    page.get_by_role("button", name="Remove the tag mine").wait_for(state="detached")
    page.get_by_role("tab", name="Similar").click()
    page.wait_for_selector(".similar li")
    page.reload()
    page.wait_for_selector("#player video")
    assert problems == []
    context.close()
