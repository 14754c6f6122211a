"""Training negatives: phrases found by class, every edit where it says, and two sides that share
nothing.
"""

from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.make.training import (
    TrainingNegatives,
    WordForm,
    changed,
    only,
    phrases,
    side_of,
    single_words,
    training_negatives,
)
from finereel.finegrain.types import Negative
from finereel.finegrain.words.tagging.words import Token, WordClass, tokenize

CLASSES: dict[str, tuple[WordClass, str]] = {
    **dict.fromkeys(
        ("man", "dog", "car", "boat", "bench", "hill", "egg", "cup", "tree"), ("noun", "NN")
    ),
    **dict.fromkeys(("runs", "walks", "swims", "sits", "jumps", "falls"), ("verb", "VBZ")),
    **dict.fromkeys(("red", "old", "blue", "small", "orange"), ("adjective", "JJ")),
    **dict.fromkeys(("slowly", "quickly", "loudly"), ("adverb", "RB")),
    **dict.fromkeys(("on", "under", "behind", "near"), ("preposition", "IN")),
}
NOUNS, VERBS, ADJECTIVES, ADVERBS, PREPOSITIONS = (
    [word for word, (pos, _) in CLASSES.items() if pos == wanted]
    for wanted in ("noun", "verb", "adjective", "adverb", "preposition")
)


def tag(caption: str) -> list[Token]:
    """Tokens of the few words above; all others belong to no class."""
    return [
        Token(text, start, end, _class(text)[0], text.lower(), _class(text)[1], True)
        for text, start, end in tokenize(caption)
    ]


def _class(text: str) -> tuple[WordClass, str]:
    return CLASSES.get(text.lower(), ("other", "DT"))


def captions(count: int = 120) -> list[Caption]:
    rng = Random(0)
    made = []
    for number in range(count):
        noun, other = rng.sample(NOUNS, 2)
        words = ["A", rng.choice(ADJECTIVES), noun, rng.choice(ADVERBS), rng.choice(VERBS)]
        words += [rng.choice(PREPOSITIONS), "the", rng.choice(ADJECTIVES), other]
        made.append(Caption(f"c{number}", f"v{number // 3}", " ".join(words)))
    return made


def test_phrases_are_found_by_their_classes() -> None:
    found = phrases(tag("A red dog quickly runs under the old bench and sits"))
    assert [(phrase.kind, [token.text for token in phrase.tokens]) for phrase in found] == [
        ("adjective+noun", ["red", "dog"]),
        ("adverb+verb", ["quickly", "runs"]),
        ("verb+preposition+noun", ["runs", "under", "bench"]),
        ("adjective+noun", ["old", "bench"]),
    ]
    assert [phrase.tokens[0].text for phrase in phrases(tag("walks slowly"))] == ["walks"]
    assert not phrases(tag("runs on slowly"))


def test_words_of_which_taggers_disagree_are_left_alone() -> None:
    unsure = [
        Token("red", 0, 3, "adjective", "red", "JJ", False),
        Token("dog", 4, 7, "noun", "dog", "NN", True),
    ]
    assert phrases(unsure) == []
    assert [phrase.tokens[0].text for phrase in single_words(unsure)] == ["dog"]


def test_all_words_of_a_phrase_change_and_the_article_is_mended() -> None:
    row = Caption("c", "v", "A red dog runs.")
    (phrase,) = phrases(tag(row.text))
    swap = {"red": [WordForm("orange", "orange")], "dog": [WordForm("egg", "egg")]}
    made = changed(row, phrase, lambda token: swap[token.text], Random(0))
    assert made is not None
    assert made.negative == "An orange egg runs."
    assert (made.source, made.replacement, made.pair) == (
        "red dog",
        "orange egg",
        "orange egg|red dog",
    )
    assert (
        changed(
            row, phrase, lambda token: swap[token.text] if token.text == "red" else [], Random(0)
        )
        is None
    )


def test_a_preposition_without_candidates_stays_between_the_two_that_change() -> None:
    row = Caption("c", "v", "a man sits on an old bench")
    (phrase,) = [one for one in phrases(tag(row.text)) if one.kind == "verb+preposition+noun"]
    swap = {"sits": [WordForm("jumps", "jump")], "bench": [WordForm("car", "car")], "on": []}
    made = changed(row, phrase, lambda token: swap[token.text], Random(0))
    assert made is not None
    assert made.negative == "a man jumps on an old car"
    assert made.replacement == "jumps on an old car"


@cache
def negatives(side: str | None = "training", **settings: object) -> list[Negative]:
    return list(training_negatives(captions(), TrainingNegatives(side=side, **settings), tag))  # type: ignore[arg-type]


def pairs(rows: list[Negative]) -> set[tuple[str, str]]:
    return {
        pair
        for row in rows
        for pair in zip(row.lemma.split(), row.replacement_lemma.split(), strict=True)
    }


def test_training_and_test_share_no_pair_and_no_open_word() -> None:
    training, test = negatives("training"), negatives("test")
    assert len(training) > 100
    assert len(test) > 100
    assert not pairs(training) & pairs(test)
    assert not pairs(training) & {(new, old) for old, new in pairs(test)}
    for open_class in (NOUNS, VERBS, ADJECTIVES):
        ours, theirs = (
            {word for pair in pairs(rows) for word in pair} & set(open_class)
            for rows in (training, test)
        )
        assert not ours & theirs
    assert pairs(negatives(None)) > pairs(training)


def test_filtering_any_rows_by_side_gives_sides_that_share_nothing() -> None:
    rows = [row for row in negatives(None) if row.method == "training:word"]
    kept = {side: list(only(rows, side)) for side in ("training", "test")}  # type: ignore[arg-type]
    assert all(kept.values())
    assert not pairs(kept["training"]) & pairs(kept["test"])
    assert all(side_of(row.lemma, row.replacement_lemma, row.pos) == "test" for row in kept["test"])


def test_no_word_said_of_the_video_is_drawn_and_every_edit_is_where_it_says() -> None:
    said: dict[str, set[str]] = {}
    for row in captions():
        said.setdefault(row.video_id, set()).update(row.text.lower().split())
    for row in negatives():
        assert not set(row.replacement_lemma.split()) & said[row.video_id]
        assert row.caption[row.start : row.end] == row.source
        assert row.replacement in row.negative
        assert row.negative != row.caption


def test_negatives_are_the_same_again_and_others_with_another_seed() -> None:
    assert negatives() == list(training_negatives(captions(), TrainingNegatives(), tag))
    assert {row.negative for row in negatives()} != {row.negative for row in negatives(seed=1)}
    rows = negatives(per_caption=2, levels=("word",))
    assert {row.method for row in rows} == {"training:word"}
    assert max(sum(row.caption_id == f"c{number}" for row in rows) for number in range(20)) == 2


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="level"):
        TrainingNegatives(levels=("sentence",))
    with pytest.raises(ConfigError, match="per_caption"):
        TrainingNegatives(per_caption=0)
    with pytest.raises(DataError, match="at least one caption"):
        list(training_negatives([], TrainingNegatives(), tag))


@settings(max_examples=40)
@given(some.lists(some.text(max_size=60), min_size=1, max_size=4))
def test_any_string_passes(texts: list[str]) -> None:
    rows = [
        Caption(f"c{number}", "v", text)
        for number, text in enumerate([*texts, "<b>a red dog</b>", "=dog()"])
    ]
    for row in training_negatives(rows, TrainingNegatives(side=None, least=1), tag):
        assert row.caption[row.start : row.end] == row.source
