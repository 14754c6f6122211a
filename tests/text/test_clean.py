"""Cleaning keeps every character's place in the original string."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.text.clean import clean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a &lt;b&gt; c", "a <b> c"),
        ("Tom &amp;amp;amp; Jerry", "Tom &amp; Jerry"),
        ("“don’t”", '"don\'t"'),
        ("&ldquo;x&rdquo;", '"x"'),
        ("oﬃce ﬂag", "office flag"),
        ("ＡＢＣ！", "ABC!"),
        ("a\ud800b", "a\ufffdb"),
        ("AT&T", "AT&T"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text).text == expected


@given(
    st.lists(
        st.sampled_from(["&amp;", "&", "amp;", "#39;", "’", "x", " ", "&eacute", "&lt", "lt;", "ﬀ"])
    ).map("".join)
)
def test_places_stay_in_order_and_cover_the_text(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned.text) == len(cleaned.starts) == len(cleaned.ends)
    assert list(cleaned.starts) == sorted(cleaned.starts)
    assert all(
        0 <= start < end <= len(text)
        for start, end in zip(cleaned.starts, cleaned.ends, strict=True)
    )
    if cleaned.text:
        assert cleaned.original_span(0, len(cleaned.text)) == (0, len(text))


@given(st.text(st.sampled_from("&#x3;9amplt ab"), max_size=30))
def test_html_step_equals_the_standard_library_twice(text: str) -> None:
    assert clean(text).text == html.unescape(html.unescape(text))
