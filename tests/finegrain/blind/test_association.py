"""The association of a changed word with the rest of its sentence, against counting by hand."""

from collections import Counter
from itertools import permutations
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.finegrain.blind.association import Association

WORDS = st.lists(
    st.sampled_from(["a", "man", "dog", "runs", "sits", "here"]), min_size=1, max_size=6
)
TEXTS = WORDS.map(" ".join)


def by_hand(captions: list[str], caption: str, negative: str) -> float:
    bags = [set(text.split()) for text in captions]
    seen = Counter(word for bag in bags for word in bag)
    together = Counter(pair for bag in bags for pair in permutations(bag, 2))
    mine, its = set(caption.split()), set(negative.split())

    def value(word: str) -> float:
        total = log((seen[word] + 0.5) / (len(bags) + 1))
        for other in mine & its:
            if seen[other]:
                chance = (seen[word] + 0.5) * seen[other] / len(bags)
                total += log((together[word, other] + 1) / (chance + 1))
        return total

    return sum(map(value, mine - its)) - sum(map(value, its - mine))


@given(st.lists(TEXTS, min_size=1, max_size=8), TEXTS, TEXTS)
def test_gaps_are_those_by_hand(captions: list[str], caption: str, negative: str) -> None:
    model = Association(captions)
    [found] = model.gaps([caption], [negative])
    assert found == pytest.approx(by_hand(captions, caption, negative))
    assert model.gaps([negative], [caption])[0] == pytest.approx(-found)


def test_it_sees_words_far_behind() -> None:
    texts = ["a woman walks about for a while in the kitchen"] * 9 + [
        "a man walks about for a while in the yard"
    ] * 9
    near, far = "a woman cooks in the kitchen", "a man cooks in the kitchen"
    assert Association(texts).gaps([near], [far])[0] > 1
    assert Association([]).gaps([near], [far])[0] == 0
    assert Association(texts).gaps([], []).shape == (0,)
