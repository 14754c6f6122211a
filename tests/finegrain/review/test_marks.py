"""The marked words: what changed and nothing else, and the texts to the character."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.finegrain.review.marks import marked
from finereel.finegrain.types import Negative


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
