r"""Take pictures of the page on a library, in both schemes: hits in the light, the player in the dark.

    python -m research.scripts.page_pictures --library demo/real-library \
        --query "a man with a camera" --out docs/page.png

Starts `finereel serve` on the library and opens the page in Chromium. `--all FOLDER` also writes
every picture by itself, at 320, 1280 and 2560 pixels.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

SIZE = (1280, 800)
SHOWN = (840, 525)
"""Size of each half of the picture."""
COLOURS = 256
WIDTHS = (320, 1280, 2560)
SCHEMES = ("light", "dark")


@contextmanager
def served(library: Path, read_only: bool = True) -> Iterator[str]:
    """The address of a server for the library."""
    command = [sys.executable, "-m", "finereel", "serve", "--library", str(library)]
    with subprocess.Popen(
        [*command, "--port", "0", "--no-open", *["--read-only"] * read_only],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def opened(browser: Browser, address: str, **options: Any) -> Page:
    """A page that has swapped its token."""
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(address)
    return page


def pictures(page: Page, query: str) -> Iterator[tuple[str, bytes]]:
    """The start, the hits, and the player with the first place of a word, if one is found."""
    page.wait_for_selector("#q")
    page.wait_for_timeout(300)
    yield "start", page.screenshot()
    page.goto(page.url.partition("?")[0] + f"?q={quote_plus(query)}")
    page.wait_for_selector(".card, .notice")
    if page.locator(".card").count() == 0:
        page.get_by_role("button", name="Show the closest").click()
    page.wait_for_timeout(800)
    yield "hits", page.screenshot()
    page.locator(".card").first.click()
    find = page.get_by_role("button", name="Find the words in the picture")
    find.wait_for()
    page.wait_for_timeout(500)
    page.keyboard.press("k")
    find.click()
    shows = page.get_by_role("button", name="Show at").first
    page.wait_for_timeout(5_000)
    if shows.count():
        shows.click()
    page.wait_for_timeout(3_500)  # the controls of the film fade
    yield "player", page.screenshot()


def beside(pair: tuple[bytes, bytes]) -> Image.Image:
    """Two pictures in one, in so few colours that the file stays small."""
    whole = Image.new("RGB", (2 * SHOWN[0], SHOWN[1]))
    for number, drawn in enumerate(pair):
        half = Image.open(BytesIO(drawn)).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
        whole.paste(half, (number * SHOWN[0], 0))
    return whole.quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--query", default="a dog")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--all", type=Path, help="a folder for every picture by itself")
    given = parser.parse_args()
    found: dict[tuple[str, str], bytes] = {}
    with served(given.library) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in SCHEMES:
            for width in WIDTHS if given.all else (SIZE[0],):
                size = {"width": width, "height": {320: 640, 2560: 1440}.get(width, SIZE[1])}
                page = opened(browser, address, viewport=size, color_scheme=scheme)
                for name, drawn in pictures(page, given.query):
                    if width == SIZE[0]:
                        found[name, scheme] = drawn
                    if given.all:
                        given.all.mkdir(parents=True, exist_ok=True)
                        (given.all / f"{name}-{scheme}-{width}.png").write_bytes(drawn)
                page.context.close()
        browser.close()
    beside((found["hits", "light"], found["player", "dark"])).save(given.out, optimize=True)
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
