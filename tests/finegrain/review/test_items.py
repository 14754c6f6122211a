"""The sample that is read: stable, balanced over parts of speech, and nothing given away."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from finereel.errors import ConfigError
from finereel.finegrain.review.items import Sampling, review_items, set_name
from finereel.finegrain.types import CHANGES, Negative

Make = Callable[..., Negative]


@pytest.fixture
def rows(negative: Make) -> list[Negative]:
    return [
        negative(f"a dog {number} runs", "dog", "cat", pos, f"{pos}{number}")
        for pos in CHANGES
        for number in range(30)
    ]


def test_every_part_of_speech_has_its_share(rows: list[Negative]) -> None:
    items = review_items(rows, Sampling(sample=7))
    assert {pos: sum(item.row.pos == pos for item in items) for pos in CHANGES} == dict.fromkeys(
        CHANGES, 7
    )
    assert len(review_items(rows, Sampling(sample=0))) == len(rows)


def test_the_sample_does_not_depend_on_the_order_of_the_file(rows: list[Negative]) -> None:
    mixed = random.Random(3).sample(rows, len(rows))
    assert review_items(rows, Sampling(5)) == review_items(mixed, Sampling(5))
    assert review_items(rows, Sampling(5)) != review_items(rows, Sampling(5, seed=1))


def test_a_larger_sample_holds_the_smaller_one(rows: list[Negative]) -> None:
    few, many = ({item.key for item in review_items(rows, Sampling(sample))} for sample in (5, 9))
    assert few < many


def test_the_order_shows_no_part_of_speech_in_a_block(rows: list[Negative]) -> None:
    shown = [item.row.pos for item in review_items(rows, Sampling(20))]
    changes = sum(one != other for one, other in pairwise(shown))
    assert changes > len(shown) / 2


def test_rows_with_one_id_are_different_items(negative: Make) -> None:
    same = negative("a dog runs", "dog", "cat")
    other = negative("a dog runs", "dog", "cow")
    items = review_items([same, other, same])
    assert len({item.key for item in items}) == 3
    assert all("dog" not in item.key and len(item.key) < 24 for item in items)


def test_the_name_of_a_set_is_of_its_items_alone(rows: list[Negative]) -> None:
    items = review_items(rows, Sampling(5))
    assert set_name(items) == set_name(items[::-1]) != set_name(items[1:])


def test_hostile_rows_have_keys(hostile: list[Negative], negative: Make) -> None:
    surrogate = negative("broken \ud800 dog", "dog", "cat")
    assert len({item.key for item in review_items([*hostile, surrogate])}) == len(hostile) + 1


def test_a_negative_sample_is_refused() -> None:
    with pytest.raises(ConfigError, match="sample must be 0"):
        Sampling(-1)
