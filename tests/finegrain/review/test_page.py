"""The page as text: captions are data whatever they hold, and the policy lets nothing else run."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.finegrain.review.page import PageSettings, make_page, marked, media_key
from finereel.finegrain.review.verdicts import review_items
from finereel.finegrain.types import Negative

KINDS: tuple[Literal["served", "static"], ...] = ("served", "static")


def data_of(html: str) -> Any:
    return json.loads(
        html.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_captions_stay_in_the_data(
    hostile: list[Negative], kind: Literal["served", "static"]
) -> None:
    items = review_items(hostile)
    html = make_page(items, {}, PageSettings(kind, '</script>"x')).html.decode("ascii")
    assert html.count("</script>") == 2
    assert html.count("<script") == 2
    assert "<img" not in html
    found = {"".join(text for text, _ in item["caption"]) for item in data_of(html)["items"]}
    assert found == {row.caption for row in hostile}


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_names_the_only_script_and_style(kind: Literal["served", "static"]) -> None:
    page = make_page((), {}, PageSettings(kind, "n"))
    html = page.html.decode("ascii")
    assert f'content="{page.policy}"' in html
    for tag in ("script", "style"):
        [text] = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in page.policy
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy
    assert ("connect-src" in page.policy) == (kind == "served")


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = make_page((), {}, PageSettings("static", "n")).html.decode("ascii")
    assert not re.findall(r"""(?:src|href)=["']?(?!data:,)\w""", html)
    assert "http:" not in html
    assert "https:" not in html
    assert "innerHTML" not in html
    assert "@@" not in html


def test_stills_stand_once_under_a_name_that_tells_nothing(hostile: list[Negative]) -> None:
    key = media_key("secret/../video id")
    assert "secret" not in key
    html = make_page(
        review_items(hostile), {key: ["data:image/jpeg;base64,AAAA"]}, PageSettings("static", "n")
    ).html
    assert html.count(b"data:image/jpeg;base64,AAAA") == 1


def test_a_broken_text_does_not_break_the_page() -> None:
    row = Negative(
        "n", "v\ud800", "c", "a \ud800 dog", "a \ud800 cat", "noun", 4, 7, "dog", "cat", "test"
    )
    [item] = data_of(
        make_page(review_items([row]), {}, PageSettings("static", "n")).html.decode("ascii")
    )["items"]
    assert item["caption"][0][0] == "a \ud800 "


# The marked words: what changed and nothing else, and the texts to the character.
def changed(parts: tuple[tuple[str, bool], ...]) -> list[str]:
    return [text for text, is_changed in parts if is_changed]


@given(st.text(), st.text(), st.integers(-2, 30), st.integers(-2, 30))
def test_the_pieces_are_the_texts(caption: str, negative: str, start: int, end: int) -> None:
    row = Negative("n", "v", "c", caption, negative, "noun", start, end, "", "", "test")
    for parts, text in zip(marked(row), (caption, negative), strict=True):
        assert "".join(part for part, _ in parts) == text
        assert all(one[1] != other[1] for one, other in pairwise(parts))


@given(st.text(), st.text(min_size=1), st.text(min_size=1), st.text())
def test_a_span_that_fits_is_what_is_marked(
    before: str, source: str, replacement: str, after: str
) -> None:
    span = (len(before), len(before) + len(source))
    texts = (before + source + after, before + replacement + after)
    row = Negative("n", "v", "c", *texts, "noun", *span, source, replacement, "test")
    assert [changed(parts) for parts in marked(row)] == [[source], [replacement]]


@pytest.mark.parametrize(
    ("caption", "other", "expected"),
    [
        ("he eats a banana now", "he eats an apple now", (["a banana"], ["an apple"])),
        ("in the in box", "out the out box", (["in", "in"], ["out", "out"])),
        ("same", "same", ([], [])),
        ("", "a cat", ([], ["a cat"])),
        ("a b " * 1500, "a c " * 1500, (["a b " * 1500], ["a c " * 1500])),
        ("a b", "a", ([" b"], [])),
    ],
)
def test_without_a_span_words_are_compared(
    caption: str, other: str, expected: tuple[list[str], list[str]]
) -> None:
    row = Negative("n", "v", "c", caption, other, "noun", -1, -1, "", "", "test")
    assert tuple(changed(parts) for parts in marked(row)) == expected


def test_an_article_that_changed_is_marked_too(negative: Callable[..., Negative]) -> None:
    row = replace(negative("a banana lies", "banana", "apple"), negative="an apple lies")
    assert [changed(parts) for parts in marked(row)] == [["a banana"], ["an apple"]]
