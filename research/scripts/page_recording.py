r"""Record how the page is used, as an animated WebP: find, go through a strip, play, see why, take along.

    python -m research.scripts.page_recording --library demo/real-library --out docs/page.webp

Starts `finereel serve` on the library of the real pictures of `finereel demo` and uses the page in
Chromium by keyboard, as a person would.
"""

import argparse
import base64
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from research.scripts.page_pictures import served

SIZE: ViewportSize = {"width": 1000, "height": 640}
MOST = {"maxWidth": 1000, "maxHeight": 640}
WIDTH = 800
"""Pixels of the recording, which is scaled down."""
RATE = 8
"""Pictures a second."""
QUALITY = 60
SAME = 0.15
"""Mean difference of grey levels up to which two pictures count as one that stays."""


def use(page: Page) -> None:
    """Use the page by keyboard and pointer, slowly enough to follow."""
    page.wait_for_selector("#q")
    page.wait_for_timeout(700)
    page.keyboard.type("a man with a camera", delay=60)
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    page.wait_for_timeout(1500)
    page.locator(".card").first.focus()
    for key in ("Shift+ArrowRight",) * 5:
        page.keyboard.press(key)
        page.wait_for_timeout(350)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Find the words in the picture").wait_for()
    page.wait_for_timeout(1500)
    page.get_by_role("tab", name="Similar").click()
    page.wait_for_timeout(1500)
    page.get_by_role("tab", name="File").click()
    page.wait_for_timeout(1200)
    page.keyboard.press("x")
    page.wait_for_timeout(800)
    page.keyboard.press("Escape")
    page.wait_for_timeout(700)
    page.get_by_text("Export").first.click()
    page.wait_for_timeout(2000)


class Recording:
    """The pictures that Chromium sends of a page while it changes, each with its second."""

    def __init__(self, page: Page) -> None:
        self.pictures: list[tuple[float, bytes]] = []
        self._session = page.context.new_cdp_session(page)
        self._session.on("Page.screencastFrame", self._take)
        self._session.send("Page.startScreencast", {"format": "png", **MOST})

    def _take(self, told: dict[str, Any]) -> None:
        self._session.send("Page.screencastFrameAck", {"sessionId": told["sessionId"]})
        self.pictures.append((told["metadata"]["timestamp"], base64.b64decode(told["data"])))

    def frames(self) -> Iterator[tuple[float, Image.Image]]:
        """Those that differ from the one before, RATE a second at most."""
        last, following = None, 0.0
        for seconds, drawn in self.pictures:
            if seconds < following:
                continue
            whole = Image.open(BytesIO(drawn)).convert("RGB")
            picture = whole.resize((WIDTH, round(whole.height * WIDTH / whole.width)))
            pixels = np.asarray(picture, dtype=np.int16)
            if last is None or np.abs(pixels - last).mean() > SAME:
                last, following = pixels, seconds + 1 / RATE
                yield seconds, picture


def animation(shown: list[tuple[float, Image.Image]], out: Path) -> None:
    """Pictures and their seconds as an animated WebP; the last one stays for a while."""
    ends = [seconds for seconds, _ in shown[1:]] + [shown[-1][0] + 2]
    lengths = [round(1000 * (end - begin)) for (begin, _), end in zip(shown, ends, strict=True)]
    first, *others = (picture for _, picture in shown)
    first.save(
        out,
        save_all=True,
        append_images=others,
        duration=lengths,
        loop=0,
        quality=QUALITY,
        method=6,
    )


def main() -> None:
    """Record and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with served(given.library, read_only=False) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(address)
        recording = Recording(page)
        use(page)
        browser.close()
    animation(list(recording.frames()), given.out)
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
