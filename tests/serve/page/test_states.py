"""Every state of the page: what it says, that axe finds nothing in either scheme, and that it fits
narrow and magnified windows.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest

from support.page_server import CONFIDENCES, STATUS, FakeServer, Said, hits

from .conftest import Open, until

pytestmark = pytest.mark.browser

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
NARROW, ZOOMED, WIDE = (320, 640), (640, 400), (1280, 800)
"""Windows in CSS pixels; 1280 x 800 at 200 % is the second."""


def empty(said: Said) -> str:
    said.hits, said.status = [], {**STATUS, "videos": 0, "clips": 0}
    return "/"


def indexing(said: Said) -> str:
    told = {"path": "/v/night train.mp4", "done": 12, "total": 60, "seconds_left": 130.0}
    said.events.append(("progress", told))
    return "/?q=a+dog"


def results(said: Said) -> str:
    said.hits[1] |= {"source": "both", "said": "good <b>dog</b>"}
    return "/?q=a+dog"


def unsure(said: Said) -> str:
    said.confidence = CONFIDENCES["none"]
    return "/?q=a+dog"


def filtered(said: Said) -> str:
    told = "no video passes the filters; of 60 videos, 0 since 2030-01-01 00:00; 12 at least 20 s"
    said.refused = (400, told)
    return "/?q=a+dog&since=2030-01-01&min_s=20"


def file_gone(said: Said) -> str:
    said.film, said.facts["here"] = None, False
    return f"/?q=a+dog&clip={said.hits[0]['clip_id']}"


def not_played(said: Said) -> str:
    said.facts["video_codec"] = "prores"
    assert said.film is not None
    said.film = said.film.with_name("broken.mp4")
    said.film.write_bytes(b"no film at all" * 100)
    return f"/?q=a+dog&clip={said.hits[0]['clip_id']}"


def server_gone(said: Said) -> str:
    return "/?q=a+dog"


STATES: dict[Callable[[Said], str], str] = {
    empty: "finereel index",
    indexing: "12 of 60 videos, about 2 min left",
    results: "50 hits in 62 ms",
    unsure: "Nothing clearly fits “a dog”.",
    filtered: "Drop “recorded since 2030-01-01”",
    file_gone: "The file is not where it was",
    not_played: "It holds prores and aac.",
    server_gone: "The server does not answer",
}


def reach(page: Any, fake: FakeServer, state: Callable[[Said], str]) -> None:
    """Wait for the state; that of a server that is gone begins with its end."""
    if state is server_gone:
        page.wait_for_selector(".card")
        fake.close()
        page.keyboard.press("/")
        page.keyboard.press("Enter")
    page.get_by_text(STATES[state]).first.wait_for()


def violations(page: Any) -> list[str]:
    """What axe says against the page, one line each."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def overflow(page: Any) -> int:
    """Pixels by which the page is wider than its window."""
    return page.evaluate(
        "Math.max(...[document.documentElement, ...document.querySelectorAll('dialog[open]')]"
        ".map((one) => one.scrollWidth - one.clientWidth))"
    )


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_state(open_page: Open, said: Said, fake: FakeServer, state: Callable[..., str]) -> None:
    page = open_page(state(said), viewport=dict(zip(("width", "height"), WIDE, strict=True)))
    reach(page, fake, state)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
    for width, height in (NARROW, ZOOMED):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")
        assert overflow(page) == 0, width
        assert page.get_by_text(STATES[state]).first.is_visible()
    assert violations(page) == [], "magnified"


def test_results_are_told_to_a_screen_reader(open_page: Open) -> None:
    page = open_page("/?q=a+dog")
    page.wait_for_selector(".card")
    assert page.locator("[role=status]").inner_text() == "50 hits in 62 ms"
    card = page.locator("[role=option]").first
    assert card.get_attribute("aria-label") == (
        "dog in the park 1.mp4, from 1 second to 4 seconds, a possible match"
    )
    assert card.get_attribute("aria-setsize") == "50"


def test_the_closest_three_are_folded_away(open_page: Open, said: Said) -> None:
    page = open_page(unsure(said))
    page.get_by_text("Nothing clearly fits").wait_for()
    assert page.locator(".card").count() == 0
    page.get_by_role("button", name="Show the closest three").click()
    page.wait_for_selector(".card")
    assert page.locator(".card").count() == 3
    page.get_by_role("button", name="Show all 50").click()
    until(page, "document.querySelectorAll('.card').length > 3")


def test_a_filter_is_dropped_by_name(open_page: Open, said: Said) -> None:
    page = open_page(filtered(said))
    drop = page.get_by_role("button", name="Drop “recorded since 2030-01-01”")
    drop.wait_for()
    said.refused = None
    drop.click()
    page.wait_for_selector(".card")
    assert page.url.endswith("/?q=a+dog&min_s=20")


def test_it_goes_on_when_the_server_is_back(open_page: Open, said: Said, fake: FakeServer) -> None:
    page = open_page("/?q=a+dog")
    reach(page, fake, server_gone)
    again = FakeServer(said, fake.port)
    try:
        page.wait_for_timeout(100)
        if page.get_by_role("button", name="Try again").is_visible():
            page.get_by_role("button", name="Try again").click()
        page.wait_for_selector(".card")
    finally:
        again.close()


def test_what_the_server_lacks_is_not_shown(open_page: Open, said: Said) -> None:
    said.lacks = ("/similar$", "/evidence$", "/timeline$", "/api/tags", "/api/problems", "^/strip")
    page = open_page(f"/?q=a+dog&clip={said.hits[0]['clip_id']}")
    page.get_by_role("tab", name="Similar").click()
    page.get_by_role("tab", name="Similar").wait_for(state="detached")
    page.keyboard.press("Escape")
    page.locator(".card").first.hover()
    assert page.locator(".strip:visible").count() == 0


def test_names_and_captions_are_text(open_page: Open, said: Said) -> None:
    attack = "<img src=x onerror=alert(1)>"
    said.hits = hits(2)
    said.hits[0] |= {"video": f"/v/{attack}.mp4", "said": attack, "fits": attack}
    said.facts["tags"] = [attack]
    page = open_page(f"/?q={attack}&clip={said.hits[0]['clip_id']}")
    page.get_by_role("tab", name="File").click()
    page.get_by_text(attack).first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_forced_colours_and_wide_windows(open_page: Open) -> None:
    page = open_page("/?q=a+dog", forced_colors="active", viewport={"width": 2560, "height": 1440})
    page.wait_for_selector(".card")
    assert overflow(page) == 0
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert violations(page) == []
    boxes = json.loads(
        page.evaluate(
            "JSON.stringify([...document.querySelectorAll('.card')].map((card) =>"
            " card.getBoundingClientRect()).map(({x, width}) => [x, x + width]))"
        )
    )
    assert min(left for left, _ in boxes) >= 0
    assert max(right for _, right in boxes) <= 2560
