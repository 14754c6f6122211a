"""What may stand in a slot, and what a model may try instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.finegrain.make.proposals.types import LONGEST, Sieve, Slot, misfit, settled

SLOT = Slot("a red cat sits near a dog", 6, 9, "noun", "NN", "cat")
PREPOSITION = Slot("a cat sits behind a dog", 11, 17, "preposition", "IN", "behind")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("horse", None),
        ("Horse ", None),
        ("t-shirt", None),
        ("Café", None),
        ("cat", "the same word"),
        ("CAT", "the same word"),
        ("dog", "in the caption already"),
        ("red horse", "more than the span"),
        ("a blue horse sits near a dog", "more than the span"),
        ("horse " * 10_000, "more than the span"),
        ("x" * (LONGEST + 1), "more than the span"),
        ("", "not a word"),
        (" \n", "not a word"),
        ("<b>horse</b>", "not a word"),
        ("horse\x00", "not a word"),
        ("hor\u202ese", "not a word"),
        ("=HYPERLINK(1)", "not a word"),
        ("horse.", "not a word"),
        ("7", "not a word"),
        (7, "not a word"),
        (None, "not a word"),
        (["horse"], "not a word"),
        ({"word": "horse"}, "not a word"),
    ],
)
def test_misfits(answer: object, why: str | None) -> None:
    assert misfit(SLOT, answer) == why


def test_a_preposition_may_have_three_words_and_no_more() -> None:
    assert misfit(PREPOSITION, "in front of") is None
    assert misfit(PREPOSITION, "right in front of") == "more than the span"


def test_the_lemma_counts_as_the_same_word() -> None:
    slot = Slot("two cats sit", 4, 8, "noun", "NNS", "cat")
    assert misfit(slot, "cat") == "the same word"


@given(
    st.one_of(
        st.text(max_size=60), st.integers(), st.none(), st.lists(st.text(max_size=5), max_size=3)
    )
)
def test_what_passes_is_short_and_drawable(answer: object) -> None:
    if misfit(SLOT, answer) is None:
        assert isinstance(answer, str)
        word = settled(answer)
        assert len(word.split()) == 1
        assert not set(word) & set('<>&"=+@\t\n\r,;|')
        assert SLOT.filled(word) != SLOT.caption


def test_a_sieve_counts_reasons_and_passes_a_word_once() -> None:
    sieve = Sieve(SLOT, lambda _, word: "a stone" if word == "granite" else None)
    assert sieve.words(["horse", "HORSE", "granite", "granite", "cat", 7]) == ["horse"]
    assert sieve.outcome(()).refused == {"a stone": 1, "not a word": 1, "the same word": 1}


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 99)])
def test_a_slot_lies_inside_its_caption(start: int, end: int) -> None:
    with pytest.raises(ConfigError, match="inside its caption"):
        Slot("a cat", start, end, "noun")
