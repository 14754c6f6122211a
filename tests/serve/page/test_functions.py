"""The pure functions of the page, in the browser that runs them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.page_server import FakeServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    server = FakeServer()
    opened = browser.new_page()
    opened.goto(server.url + "/page/icon.svg")
    yield opened
    opened.close()
    server.close()


def call(page: Any, module: str, expression: str) -> Any:
    """The value of an expression in which `m` is a module of the page."""
    return page.evaluate(f"import('/page/{module}.js').then((m) => ({expression}))")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m.clock(0)", "0:00"),
        ("m.clock(3723.96)", "1:02:03"),
        ("m.moment(0.96)", "0:01.0"),
        ("m.moment(59.97)", "1:00.0"),
        ("m.range(12, 22)", "0:12-0:22"),
        ("m.range(10.6, 12.52)", "0:10.6-0:12.5"),
        ("m.spoken(72)", "1 minute 12 seconds"),
        ("m.spoken(1)", "1 second"),
        ("m.counted(1, 'hit')", "1 hit"),
        ("m.counted(12000, 'hit')", "12,000 hits"),
        ("m.remaining(130)", "about 2 min"),
        ("m.remaining(4)", "a few seconds"),
        ("m.shareOf(100)", "all"),
        ("m.shareOf(90)", "90 % of"),
        (
            "m.rightIn({right: 0.02, right_by: 'x'})",
            "on x such an answer is right in less than 1 of 10",
        ),
        ("m.rightIn({level: 'none'})", ""),
        ("m.nameOf('/a/b c.mp4')", {"name": "b c.mp4", "folder": "/a"}),
        ("m.foundBy('both')", "picture and words"),
        ("m.bytes(3014467)", "3.0 MB"),
    ],
)
def test_format(page: Any, expression: str, expected: object) -> None:
    assert call(page, "format", expression) == expected


ADDRESS = "/?q=a+dog&not=a+b%26c&not=d&versus=a+cat&since=2026-01-01&min_s=3&top=200"


def test_an_address_is_read_as_it_was_written(page: Any) -> None:
    text = json.dumps(ADDRESS + "&clip=ab-00001&t=12.4")
    written = call(
        page,
        "url",
        f"(({{query, clip, t}}) => m.writeUrl(query, clip, t))(m.readUrl({text}.slice(1)))",
    )
    assert written == ADDRESS + "&clip=ab-00001&t=12.4"


@pytest.mark.parametrize("t", ["-1", "x", "", "Infinity9"])
def test_odd_times_are_none(page: Any, t: str) -> None:
    assert call(page, "url", f"m.readUrl('?q=a&clip=b&t={t}').t") is None


@pytest.mark.parametrize("top", ["0", "-5", "1.5", "x", "1e9"])
def test_odd_counts_are_the_usual_one_or_the_most(page: Any, top: str) -> None:
    assert call(page, "url", f"m.readUrl('?q=a&top={top}').query.top") in (50, 1000)


SIZES = "{width: 1000, least: 232, gap: 16, caption: 50, heading: 38}"


def test_rows_hold_every_card_once(page: Any) -> None:
    layout = call(page, "layout", f"m.layOut([5, 0, 3], ['one', 'two', 'three'], {SIZES})")
    assert layout["columns"] == 4
    assert [row["heading"] for row in layout["rows"] if row["heading"]] == ["one", "three"]
    assert [(row["first"], row["count"]) for row in layout["rows"] if row["count"]] == [
        (0, 4),
        (4, 1),
        (5, 3),
    ]
    tops = [row["top"] for row in layout["rows"]]
    assert tops == sorted(tops)


@pytest.mark.parametrize("width", [288, 1000, 2520])
def test_what_is_seen_is_drawn_and_no_more_than_allowed(page: Any, width: int) -> None:
    seen = call(
        page,
        "layout",
        "((layout) => [0, 0.3, 1].map((share) => [share * layout.total, m.visible(layout,"
        " share * layout.total, share * layout.total + 1440)]))"
        f"(m.layOut([1000], [''], {{...{SIZES}, width: {width}}}))",
    )
    for top, rows in seen:
        assert 0 < sum(row["count"] for row in rows) <= 120
        assert any(row["top"] <= top <= row["top"] + row["height"] + 16 for row in rows)


@pytest.mark.parametrize(
    ("at", "key", "expected"),
    [
        (0, "ArrowLeft", 0),
        (3, "ArrowRight", 4),
        (1, "ArrowDown", 4),
        (3, "ArrowDown", 4),
        (4, "ArrowDown", 5),
        (7, "ArrowUp", 4),
        (7, "ArrowRight", 7),
        (2, "End", 7),
        (7, "Home", 0),
        (2, "a", None),
    ],
)
def test_keys_move_between_cards(page: Any, at: int, key: str, expected: int | None) -> None:
    layout = f"m.layOut([5, 3], ['one', 'two'], {SIZES})"
    assert call(page, "layout", f"m.moved({layout}, {at}, '{key}', 8)") == expected


def test_the_ladder_goes_down_once_per_rung(page: Any) -> None:
    steps = call(
        page,
        "ladder",
        "((ladder) => [ladder.fail('direct'), ladder.fail('direct'), ladder.rung, "
        "ladder.fail('remux'), ladder.fail('preview'), ladder.fail('stills'), ladder.rung])"
        "(new m.Ladder())",
    )
    assert steps == [True, False, "remux", True, True, False, "stills"]
