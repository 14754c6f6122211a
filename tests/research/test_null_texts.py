"""The shipped null texts are what their grammar makes."""

import itertools

from research.scripts.null_texts import SLOTS, null_texts, words_of

from finereel.index import confidence


def test_the_shipped_texts_are_those_of_the_grammar() -> None:
    assert confidence.null_texts(None) == null_texts()


def test_every_slot_has_words() -> None:
    assert all(len(words_of(slot)) > 3 for slot in SLOTS)


def test_articles_fit() -> None:
    words = [text.split() for text in null_texts()]
    pairs = {(one, two[0]) for text in words for one, two in itertools.pairwise(text)}
    assert not pairs & {("a", vowel) for vowel in "aeiou"}
    assert all(letter in "aeiou" for one, letter in pairs if one == "an")
