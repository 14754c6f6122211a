"""What changed between two texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.finegrain.files.span import changed_span

WORDS = st.lists(
    st.text("abc\u0301é犬", min_size=1, max_size=3).filter(lambda word: word[0] != "\u0301"),
    min_size=1,
)


@pytest.mark.parametrize(
    ("caption", "negative", "source", "replacement"),
    [
        ("a man is running", "a man is walking", "running", "walking"),
        ("a man is running", "a man is runs", "running", "runs"),
        ("near the door", "With the door", "near", "With"),
        ("a man with a hat", "a man With a hat", "with", "With"),
        ("THE DOG RUNS", "the dog sits.", "RUNS", "sits"),
        ("a dog runs", "a big dog runs", "", "big"),
        ("a dog runs.", "a dog runs fast", "", "fast"),
        ("a big dog", "a dog", "big", ""),
        ("an apple falls", "a pear falls", "apple", "pear"),
        ("a dog", "an owl", "dog", "owl"),
        ("a hat", "an", "a hat", "an"),
        (
            "A woman cooks while a man eats",
            "A man cooks while a woman eats",
            "woman cooks while a man",
            "man cooks while a woman",
        ),
        ("up, up and away", "down, down and away", "up", "down"),
        ("off-white shirt", "snow-white shirt", "off-white", "snow-white"),
        ("a man's hat", "a man 's cap", "hat", "cap"),
        ("walks slowly, then", "walks slowly , now", "then", "now"),
        ("कुत्ता दौड़ता", "कुत्ती दौड़ता", "कुत्ता", "कुत्ती"),
        ("a dog", "a dog", "", ""),
        ("a dog.", "a  dog", "", ""),
        ("dog", "cat", "dog", "cat"),
        ("...", "!!!", "", ""),
    ],
)
def test_examples(caption: str, negative: str, source: str, replacement: str) -> None:
    found = changed_span(caption, negative)
    assert (found.source, found.replacement) == (source, replacement)
    assert caption[found.start : found.end] == found.source


@given(st.text(), st.text())
def test_any_two_texts(caption: str, negative: str) -> None:
    found = changed_span(caption, negative)
    assert 0 <= found.start <= found.end <= len(caption)
    assert caption[found.start : found.end] == found.source
    assert found.replacement in negative


@given(WORDS, st.data())
def test_one_word_changed(words: list[str], data: st.DataObject) -> None:
    """What is found explains the negative, and is no longer than the change."""
    place = data.draw(st.integers(0, len(words) - 1))
    other = data.draw(st.text("xyz", min_size=1, max_size=3))
    caption, negative = " ".join(words), " ".join([*words[:place], other, *words[place + 1 :]])
    found = changed_span(caption, negative)
    assert (found.source, found.replacement) == (words[place], other)
    assert caption[: found.start] + other + caption[found.end :] == negative


def test_ten_thousand_words() -> None:
    words = ["dog"] * 10_000
    found = changed_span(" ".join(words), " ".join([*words[:5000], "cat", *words[5001:]]))
    assert (found.start, found.source, found.replacement) == (20_000, "dog", "cat")
