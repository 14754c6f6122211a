"""Files that the browser does not play show a picture all the same, from `finereel serve` itself."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from finereel.library import Library
from support.media import Recipe, make_video
from support.serving import ServerProcess, server_process

from .conftest import until

pytestmark = pytest.mark.browser

FILES = {
    "hevc.mp4": (Recipe(frames=100, codec="libx265", sound=True, sound_seconds=4), "preview"),
    "flash.flv": (Recipe(frames=100, sound=True, sound_seconds=4), "remux"),
    "mpeg4.avi": (Recipe(frames=100, codec="mpeg4"), "preview"),
}


@pytest.fixture(scope="module")
def unplayable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("ladder")
    (folder / "videos").mkdir()
    for name, (recipe, _) in FILES.items():
        make_video(folder / "videos" / name, recipe)
    with closing(Library.open(folder / "library", model="reelworld-tiny")) as library:
        library.add([folder / "videos"])
    with server_process(folder / "library") as running:
        yield running


@pytest.mark.parametrize("name", FILES)
def test_a_picture_comes_within_seconds(browser: Any, unplayable: ServerProcess, name: str) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    answers: list[str] = []
    page.on("response", lambda answer: answers.append(answer.headers.get("x-finereel-rung", "")))
    page.set_default_timeout(30_000)
    page.goto(unplayable.url)
    page.fill("#q", "grey")
    page.keyboard.press("Enter")
    page.wait_for_selector("main[aria-busy=false] :is(.card, .unsure)")
    if page.locator(".card").count() == 0:
        page.get_by_role("button", name="Show the closest").click()
    began = time.monotonic()
    page.locator(".card", has_text=name).click()
    until(page, "document.querySelector('#player video')?.videoWidth > 0", 30)
    assert time.monotonic() - began < 5 + 10  # 5 s, and what a busy machine takes
    assert FILES[name][1] in answers
    context.close()
