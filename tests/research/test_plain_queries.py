"""Plain queries: what counts as right, and the page."""

import json

from research.scripts.plain_queries import QUERIES, Answer, page

ANSWERS = [
    Answer("a cat", ("a.mp4", "b.mp4", "c.mp4"), frozenset({"a.mp4", "c.mp4"})),
    Answer("a dog", ("a.mp4", "b.mp4", "c.mp4"), frozenset({"d.mp4"})),
    Answer("cars", ("a.mp4", "b.mp4", "c.mp4"), frozenset("abcde")),
]


def test_precision_counts_what_can_be_found() -> None:
    assert [answer.precision for answer in ANSWERS] == [1.0, 0.0, 0.0]


def test_the_page_says_the_mean_the_first_hits_and_the_misses() -> None:
    made = page(ANSWERS, "everyday")
    assert "**33.3 %**" in made
    assert "the first hit is right for 33.3 %" in made
    assert "| a cat | 2 of 2 | a.mp4, (b.mp4), c.mp4 |" in made
    assert "| a dog | 0 of 1 | (a.mp4), (b.mp4), (c.mp4) |" in made


def test_there_are_thirty_queries_each_with_right_answers() -> None:
    queries = json.loads(QUERIES.read_text(encoding="utf-8"))
    assert len(queries) == 30
    assert all(queries.values())
