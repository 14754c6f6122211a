"""The page in a real browser, by keyboard: Debian's Chromium, headless."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from finereel.finegrain.review.agreement import ALL, agreements
from finereel.finegrain.review.page import PageSettings, make_page, media_key, stills
from finereel.finegrain.review.session import ReviewSession
from finereel.finegrain.review.verdicts import (
    VERDICTS,
    Item,
    read_events,
    read_verdicts,
    review_items,
)
from finereel.finegrain.types import PARTS_OF_SPEECH, Negative
from support.media import RED, Recipe, make_video
from support.reviewing import running_review

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install 'finereel[dev]'"
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None and not os.environ.get(
    "CI"
):  # the continuous integration installs it, and must not skip in silence
    pytest.skip("needs Chromium: apt-get install chromium", allow_module_level=True)

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open an address in a window of its own; at the end nothing may have failed, been blocked or
    left the machine.
    """
    contexts, problems, asked = [], [], []

    def opened(url: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
        page.on(
            "console",
            lambda line: "Content Security Policy" in line.text and problems.append(line.text),
        )
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(20_000)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []
    assert [
        url for url in asked if not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))
    ] == []


@pytest.fixture
def items(negative: Callable[..., Negative]) -> tuple[Item, ...]:
    """Two items per part of speech."""
    return review_items(
        negative("a dog runs", "dog", word, pos, f"{pos} {word}")
        for pos in PARTS_OF_SPEECH
        for word in ("cat", "cow")
    )


@pytest.fixture
def static(tmp_path: Path, items: tuple[Item, ...]) -> str:
    page = make_page(items, {}, PageSettings("static", "neg"))
    (tmp_path / "page.html").write_bytes(page.html)
    return (tmp_path / "page.html").as_uri()


@contextmanager
def served(session: ReviewSession, port: int = 0) -> Iterator[str]:
    with closing(session), running_review(session, port) as server:
        yield server.url


def sign_in(page: Any, name: str) -> None:
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#review:not([hidden])")


def count(page: Any) -> str:
    return str(page.inner_text("#count"))


def downloaded(page: Any, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.click("#download")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_judging_undoing_and_moving_by_keyboard(
    open_page: Open, static: str, tmp_path: Path, items: tuple[Item, ...]
) -> None:
    page = open_page(static)
    sign_in(page, "anna")
    for key in "1234":
        page.keyboard.press(key)
    assert count(page) == "4 of 10 judged, this is item 5"
    page.keyboard.press("u")
    assert count(page) == "3 of 10 judged, this is item 4"
    page.keyboard.press("2")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert count(page) == "4 of 10 judged, this is item 3"
    assert page.locator("[aria-pressed=true]").inner_text().startswith("3")
    page.keyboard.press("1")  # another opinion
    assert count(page) == "4 of 10 judged, this is item 5"
    page.keyboard.press("u")  # the earlier one is back
    page.keyboard.press("n")
    assert count(page) == "4 of 10 judged, this is item 5"
    found = read_verdicts(downloaded(page, tmp_path))
    names = ["valid", "also_true", "ungrammatical", "also_true"]
    assert {item: one.verdict for item, one in found.items()} == {
        item.key: name for item, name in zip(items, names, strict=False)
    }


def test_a_static_review_goes_on_after_it_was_closed(
    open_page: Open, static: str, tmp_path: Path
) -> None:
    page = open_page(static)
    sign_in(page, "anna")
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.reload()
    sign_in(page, "bob")
    assert count(page) == "0 of 10 judged, this is item 1"
    page.reload()
    sign_in(page, "anna")
    assert count(page) == "2 of 10 judged, this is item 3"
    page.keyboard.press("u")
    assert count(page) == "1 of 10 judged, this is item 2"
    assert downloaded(page, tmp_path).name == "neg.verdicts-anna.jsonl"


def test_a_browser_that_keeps_nothing_says_so(open_page: Open, static: str, tmp_path: Path) -> None:
    page = open_page(static)
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full'); }; }")
    sign_in(page, "anna")
    page.keyboard.press("1")
    assert "download them before" in page.inner_text("#trouble")
    assert len(read_verdicts(downloaded(page, tmp_path))) == 1


def test_served_verdicts_are_on_the_disk_and_survive_the_server(
    open_page: Open, items: tuple[Item, ...], tmp_path: Path
) -> None:
    file = tmp_path / "neg.verdicts-anna.jsonl"
    with served(ReviewSession(items, {}, tmp_path / "neg.jsonl", "anna")) as url:
        page = open_page(url)
        page.wait_for_selector("#review:not([hidden])")
        with page.expect_response("**/verdicts"):
            page.keyboard.press("1")
        assert [event.verdict for event in read_events(file)] == ["valid"]
        with page.expect_response("**/verdicts"):
            page.keyboard.press("u")
        assert read_verdicts(file) == {}
        with page.expect_response("**/verdicts"):
            page.keyboard.press("3")
        port = int(url.rstrip("/").rsplit(":", 1)[1])
    page.keyboard.press("4")
    sync_api.expect(page.locator("#trouble")).to_contain_text("1 not saved yet")
    with served(ReviewSession(items, {}, tmp_path / "neg.jsonl", "anna"), port) as url:
        sync_api.expect(page.locator("#kept")).to_have_text(
            "All verdicts are saved.", timeout=20_000
        )
        assert page.inner_text("#trouble") == ""
        assert [one.verdict for one in read_verdicts(file).values()] == ["ungrammatical", "unsure"]
        again = open_page(url)
        again.wait_for_selector("#review:not([hidden])")
        assert count(again) == "2 of 10 judged, this is item 3"


def test_two_raters_apart_give_the_right_kappa(
    open_page: Open, items: tuple[Item, ...], tmp_path: Path
) -> None:
    # Of 10: anna 1111112234, bob 1111142232. Agreed .8; by chance .6*.5 + .2*.3 + .1*.1 + .1*.1 =
    # .38.
    with served(ReviewSession(items, {}, tmp_path / "neg.jsonl")) as url:
        for rater, keys in (("anna", "1111112234"), ("bob", "1111142232")):
            page = open_page(url)
            sign_in(page, rater)
            assert count(page).startswith("0 of 10")
            assert page.locator("[aria-pressed=true]").count() == 0
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_selector("#finished:not([hidden])")
            sync_api.expect(page.locator("#kept")).to_have_text("All verdicts are saved.")
    first, second = (
        read_verdicts(tmp_path / f"neg.verdicts-{rater}.jsonl") for rater in ("anna", "bob")
    )
    found = agreements(first, second)
    assert found[ALL].kappa == pytest.approx((0.8 - 0.38) / (1 - 0.38))
    assert sum(found[pos].agreed.total for pos in PARTS_OF_SPEECH) == 10


def test_hostile_captions_are_shown_to_the_character(
    open_page: Open, hostile: list[Negative], tmp_path: Path
) -> None:
    items = review_items(hostile)
    (tmp_path / "page.html").write_bytes(
        make_page(items, {}, PageSettings("static", "neg", "anna")).html
    )
    page = open_page((tmp_path / "page.html").as_uri())
    page.wait_for_selector("#review:not([hidden])")
    for item in items:
        assert page.text_content("#caption") == item.row.caption
        assert page.text_content("#negative") == item.row.negative
        assert page.locator("mark").all_text_contents() == [item.row.source, item.row.replacement]
        box, mark = (
            page.locator("#negative").bounding_box(),
            page.locator("#negative mark").bounding_box(),
        )
        assert (
            box["y"] <= mark["y"] < box["y"] + box["height"]
        )  # a long caption is scrolled to what changed
        page.keyboard.press("ArrowRight")
    assert page.locator("#review img, #review script, #review b").count() == 0


SEEK = """async () => {
  const video = document.getElementById("video");
  const once = (name) => new Promise((resolve) => video.addEventListener(name, resolve, { once: true }));
  if (video.readyState < 2) await once("loadeddata");
  video.currentTime = 2;
  if (video.seeking) await once("seeked");
}"""


def test_videos_play_in_parts_and_others_come_as_stills(
    open_page: Open, negative: Callable[..., Negative], tmp_path: Path
) -> None:
    film = make_video(tmp_path / "film.webm", Recipe(frames=75, codec="libvpx", container="webm"))
    odd = make_video(
        tmp_path / "odd.avi", Recipe(frames=20, codec="mpeg4", container="avi", colour=RED)
    )
    rows = [
        negative("a dog runs", "dog", word, name=word, video=word)
        for word in ("film", "odd", "none")
    ]
    items = review_items(rows)
    with served(
        ReviewSession(items, {"film": film, "odd": odd}, tmp_path / "neg.jsonl", "anna")
    ) as url:
        page = open_page(url)
        for item in items:
            if item.row.video_id == "film":
                page.evaluate(SEEK)
                assert "film" not in page.get_attribute("#video", "src")
            elif item.row.video_id == "odd":
                page.wait_for_selector("#stills img")
                assert page.locator("#stills img").first.evaluate(
                    "(image) => image.decode().then(() => image.naturalWidth)"
                )
                assert page.locator("#video").is_hidden()
            else:
                page.wait_for_selector("#no-media:not([hidden])")
            page.keyboard.press("ArrowRight")


def test_an_exported_page_has_stills_inside(
    open_page: Open, items: tuple[Item, ...], tmp_path: Path
) -> None:
    film = make_video(tmp_path / "film.mp4", Recipe(frames=50))
    taken = stills(film, 4)
    assert len(taken) == 4
    page_file = tmp_path / "page.html"
    page_file.write_bytes(
        make_page(items, {media_key("v"): taken}, PageSettings("static", "neg", "anna")).html
    )
    film.unlink()
    page = open_page(page_file.as_uri())
    page.wait_for_selector("#stills img")
    widths = page.locator("#stills img").evaluate_all(
        "(all) => Promise.all(all.map((one) => one.decode().then(() => one.naturalWidth)))"
    )
    assert widths == [64] * 4
    assert page.get_attribute("#stills img", "alt") == "Frame 1 of 4"


def test_a_key_held_down_judges_once_and_typing_judges_nothing(
    open_page: Open, static: str
) -> None:
    page = open_page(static)
    page.keyboard.type("../1")
    page.keyboard.press("Enter")
    assert "A name is" in page.inner_text("#bad-name")
    page.fill("#name", "")
    sign_in(page, "rater1")
    assert count(page).startswith("0 of 10")
    for _ in range(4):
        page.keyboard.down("1")
    page.keyboard.up("1")
    page.keyboard.press("Control+2")
    assert count(page) == "1 of 10 judged, this is item 2"


def test_everything_works_without_a_mouse_and_is_said(open_page: Open, static: str) -> None:
    page = open_page(static)
    sign_in(page, "anna")
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.dataset.verdict || document.activeElement.id")
        )
    assert reached == [*VERDICTS, "forward", "open", "download"]
    page.focus("[data-verdict=also_true]")
    page.keyboard.press("Enter")
    assert count(page) == "1 of 10 judged, this is item 2"
    assert page.get_attribute("#said", "aria-live") == "polite"
    assert page.text_content("#said").startswith("Also true. Item 2 of 10, ")
    assert "dog, changed to: c" in page.text_content("#said")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


CONTRAST = """() => {
  const shine = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return /, 0\\)$/.test(colour) && node.parentElement ? behind(node.parentElement) : colour;
  };
  const found = {};
  const texts = "h1, h2, mark, .caption, strong, small, button:not(:disabled), #count, .hint";
  for (const node of document.querySelectorAll(texts)) {
    if (!node.offsetParent) continue;
    const [a, b] = [shine(getComputedStyle(node).color), shine(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found[`${node.tagName} ${node.id} ${node.textContent.slice(0, 20)}`] = ratio;
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 1280])
def test_it_can_be_read_at_any_width_and_by_night(
    open_page: Open, static: str, scheme: str, width: int
) -> None:
    page = open_page(static, color_scheme=scheme, viewport={"width": width, "height": 700})
    sign_in(page, "anna")
    page.keyboard.press("1")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    clipped = (
        "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => "
        "one.textContent)"
    )
    assert page.locator("button").evaluate_all(clipped) == []
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 10
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}
