"""The classifier of words and what stands around them: what it sees, and whose rows it
learns from.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.finegrain.blind import blind_scores, measure
from finereel.finegrain.blind.learned import Numbers, context_differences
from made_negatives import swap

WORDS = st.lists(
    st.sampled_from(["a", "man", "dog", "runs", "sits", "here"]), min_size=1, max_size=6
).map(" ".join)


def places(count: int) -> list[tuple[str, str]]:
    """Captions and negatives: the animal goes with a place far behind it."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        dog, at_home = random.random(2) < 0.5
        animal, other = ("dog", "cow") if dog else ("cow", "dog")
        place = {True: "yard", False: "field"}[bool(dog if random.random() < 0.8 else at_home)]
        text = f"a {animal} runs about for quite a while in the {place}"
        found.append((text, text.replace(animal, other)))
    return found


@given(WORDS, WORDS)
def test_swapping_the_captions_swaps_the_answer(one: str, other: str) -> None:
    numbers: Numbers = {}
    there, back = (
        context_differences([one], [other], numbers),
        context_differences([other], [one], numbers),
    )
    weights = np.random.default_rng(0).normal(size=max(len(numbers), 1))
    assert there.dot(weights) == pytest.approx(-back.dot(weights))


def test_it_sees_what_words_and_neighbours_do_not_show() -> None:
    rows = [
        swap(text, text.split()[1], negative.split()[1], video=f"v{n}")
        for n, (text, negative) in enumerate(places(400))
    ]
    scores = {
        name: measure(rows, found)
        for name, found in blind_scores(rows, names=["learned", "context"]).items()
    }
    assert scores["context"].auc > 0.7
    assert scores["learned"].auc < 0.6
