"""The classifier of words and what stands around them: what it sees, and whose rows it learns from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.negatives.blind import blind_scores, measure
from finereel.negatives.blind.context import Numbers, context_differences, joined, margins
from finereel.negatives.blind.learned import differences
from made_negatives import swap

WORDS = st.lists(st.sampled_from(["a", "man", "dog", "runs", "sits", "here"]), min_size=1, max_size=6).map(" ".join)


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
    there, back = context_differences([one], [other], numbers), context_differences([other], [one], numbers)
    weights = np.random.default_rng(0).normal(size=max(len(numbers), 1))
    assert there.dot(weights) == pytest.approx(-back.dot(weights))


def test_it_sees_what_words_and_neighbours_do_not_show() -> None:
    rows = [
        swap(text, text.split()[1], negative.split()[1], video=f"v{n}")
        for n, (text, negative) in enumerate(places(400))
    ]
    scores = {name: measure(rows, found) for name, found in blind_scores(rows, names=["learned", "context"]).items()}
    assert scores["context"].auc > 0.7
    assert scores["learned"].auc < 0.6


def test_pieces_share_numbers_and_join_to_the_whole() -> None:
    pairs, numbers = places(6), {}
    texts, negatives = [text for text, _ in pairs], [negative for _, negative in pairs]
    pieces = [context_differences(texts[part], negatives[part], numbers) for part in (slice(0, 2), slice(2, 6))]
    whole = context_differences(texts, negatives)
    weights = np.random.default_rng(0).normal(size=len(numbers))
    np.testing.assert_allclose(joined(pieces).dot(weights), whole.dot(weights))
    assert joined([]).pairs == 0


def test_a_part_learns_from_its_teacher_alone() -> None:
    pairs = context_differences(*zip(*places(300), strict=True))
    part, gap = np.arange(300) % 3, np.zeros(300)
    found = margins(pairs, gap, part, [1, 2, 0])
    assert (found > 0).mean() > 0.7
    without = margins(pairs.of(part != 1), gap[part != 1], part[part != 1], [1, 2, 0])
    assert (without[part[part != 1] == 0] == 0).all()  # nobody to learn from
    np.testing.assert_allclose(without[part[part != 1] == 2], found[part == 2])


def test_what_the_language_model_says_counts_too() -> None:
    pairs = differences(["a b"] * 300, ["a b"] * 300)
    gap = np.random.default_rng(0).normal(1.0, 1.0, 300)
    found = margins(pairs, gap, np.arange(300) % 3, [1, 2, 0])
    assert np.corrcoef(found, gap)[0, 1] > 0.9


def test_of_very_many_rows_some_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finereel.negatives.blind.context._MOST", 100)
    pairs = context_differences(*zip(*places(900), strict=True))
    found = margins(pairs, np.zeros(900), np.arange(900) % 3, [1, 2, 0])
    assert (found > 0).mean() > 0.65
