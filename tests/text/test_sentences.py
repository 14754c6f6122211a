"""Paragraphs as sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.text.sentences import sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A man runs. He falls.", ["A man runs.", "He falls."]),
        ("a man runs. he falls", ["a man runs.", "he falls"]),
        ("One sentence", ["One sentence"]),
        ("Who is it? Stop! Now.", ["Who is it?", "Stop!", "Now."]),
        ("Mr. Smith meets Dr. Jones. They talk.", ["Mr. Smith meets Dr. Jones.", "They talk."]),
        ("J. K. Smith writes. She reads.", ["J. K. Smith writes.", "She reads."]),
        ("It costs 3.50 dollars. He pays.", ["It costs 3.50 dollars.", "He pays."]),
        (
            "At 5 p.m. they go. At 6 p.m. They eat.",
            ["At 5 p.m. they go.", "At 6 p.m.", "They eat."],
        ),
        ("Dogs, cats, etc. play e.g. in a park.", ["Dogs, cats, etc. play e.g. in a park."]),
        (
            "He waits... and goes. He waits... Then.",
            ["He waits... and goes.", "He waits...", "Then."],
        ),
        ('He says "stop." She stops.', ['He says "stop."', "She stops."]),
        ("a dog runs\na cat sleeps\n\n", ["a dog runs", "a cat sleeps"]),
        ("a dog  runs.   It\tstops.", ["a dog runs.", "It stops."]),
        ("A man runs\u2026 He falls.", ["A man runs\u2026", "He falls."]),
        ("... ?! .", []),
        ("", []),
    ],
)
def test_by_hand(text: str, found: list[str]) -> None:
    assert list(sentences(text)) == found


@given(st.text(alphabet="aB.?! \n\"'\u2026)1", max_size=40))
def test_no_letter_is_lost(text: str) -> None:
    found = sentences(text)
    assert [c for s in found for c in s if c.isalnum()] == [c for c in text if c.isalnum()]
    assert all(sentence == " ".join(sentence.split()) for sentence in found)
