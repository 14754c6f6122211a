"""What a model's word must be before anybody asks whether it is true."""

import pytest

from finereel.finegrain.make.proposals.rules import all_of, exclusion_rules, word_rules
from finereel.finegrain.make.proposals.types import Slot
from finereel.finegrain.words.lexicon import Lexicon

MAN = Slot("a man walks slowly", 2, 5, "noun", "NN", "man")
WALKS = Slot("a man walks slowly", 6, 11, "verb", "VBZ", "walk")
RED = Slot("a red car", 2, 5, "adjective", "JJ", "red")
ON = Slot("a cup on a table", 6, 8, "preposition", "IN", "on")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.load()


@pytest.mark.parametrize(
    ("slot", "word", "why"),
    [
        (MAN, "dog", None),
        (MAN, "dogs", "the wrong form"),
        (MAN, "person", "hypernym"),
        (MAN, "the", "not a noun"),
        (MAN, "in", "not a noun"),
        (MAN, "b", "not a noun"),
        (MAN, "blorgh", "not a noun"),
        (WALKS, "runs", None),
        (WALKS, "running", "the wrong form"),
        (WALKS, "moves", "hypernym"),
        (WALKS, "is", "not a verb"),
        (RED, "blue", None),
        (ON, "under", None),
        (ON, "table", "not a preposition"),
    ],
)
def test_word_rules(slot: Slot, word: str, why: str | None, lexicon: Lexicon) -> None:
    assert word_rules(lexicon)(slot, word) == why


@pytest.mark.parametrize(
    ("slot", "word", "exclusive"),
    [
        (MAN, "woman", True),
        (MAN, "dog", True),
        (MAN, "reporter", False),
        (MAN, "player", False),
        (MAN, "idea", False),
        (WALKS, "runs", True),
        (WALKS, "talks", False),
        (WALKS, "smiles", False),
        (RED, "blue", True),
        (RED, "shiny", False),
        (RED, "old", False),
        (ON, "under", True),
        (ON, "at", False),
    ],
)
def test_exclusion_rules(slot: Slot, word: str, exclusive: bool, lexicon: Lexicon) -> None:
    assert (exclusion_rules(lexicon)(slot, word) is None) == exclusive


def test_the_first_reason_counts() -> None:
    assert all_of(lambda *_: None, lambda *_: "second", lambda *_: "third")(MAN, "dog") == "second"
    assert all_of()(MAN, "dog") is None
