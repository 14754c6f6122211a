"""Exchanges of two words: what is made, what is refused and why, and that a row says where it
changed its caption.
"""

import json
from pathlib import Path

import pytest
from generating import TAG, context_of, rows_of

from finereel.data.base import Caption
from finereel.finegrain.evaluate.groups import groups_of
from finereel.finegrain.files import read_negatives
from finereel.finegrain.make.generate import generate
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.make.sites import Site
from finereel.finegrain.make.swaps import REFUSALS, SwapGenerator, exchanged, why_not
from finereel.finegrain.types import Negative, PartOfSpeech

SWAP = GeneratorSettings(mode="swap", per_caption=100)


def swapped(caption: str, *others: str, settings: GeneratorSettings = SWAP) -> list[Negative]:
    rows = rows_of(caption, *others)
    return SwapGenerator(context_of(rows), settings).negatives(rows[0], TAG(caption))


def reason(caption: str, first: str, second: str, *others: str, **values: int) -> str | None:
    """Why these two words of a caption are not exchanged."""
    rows, tokens = rows_of(caption, *others), TAG(caption)
    context = context_of(rows)
    generator = SwapGenerator(context, GeneratorSettings(mode="swap", **values))

    def site(word: str) -> Site:
        at = next(number for number, token in enumerate(tokens) if token.text == word)
        pos: PartOfSpeech = "adjective" if tokens[at].pos == "adjective" else "noun"
        return Site(caption, tokens, at, at + 1, pos, tokens[at].lemma, tokens[at].tag)

    exchange = exchanged(caption, site(first), site(second), context.video("v"))
    return why_not(exchange, generator.judge)


@pytest.mark.parametrize(
    ("caption", "negative"),
    [
        ("a man hands a woman a phone", "a woman hands a man a phone"),
        ("a woman stands behind a man", "a man stands behind a woman"),
        ("a dog chases an owl", "an owl chases a dog"),
        ("a dog chases a boy", "a boy chases a dog"),
        ("Dog chases an owl in the park", "Owl chases a dog in the park"),
        ("a girl puts a cup on a plate", "a girl puts a plate on a cup"),
        ("a red car is beside a white fence", "a white car is beside a red fence"),
        ("an old man is hitting a young man", "a young man is hitting an old man"),
        (
            "a man in a blue shirt and a woman in a red dress",
            "a man in a red shirt and a woman in a blue dress",
        ),
    ],
)
def test_exchanges_that_say_something_else(caption: str, negative: str) -> None:
    assert negative in {row.negative for row in swapped(caption)}


@pytest.mark.parametrize(
    ("caption", "first", "second", "why"),
    [
        ("a man and two women sing", "man", "women", "another_form"),
        ("a man kicks a ball", "man", "ball", "other_kind"),
        ("a man rides a horse", "man", "horse", "other_kind"),
        ("a man has an idea about a plan", "idea", "plan", "other_kind"),
        ("a puppy is chasing a dog", "puppy", "dog", "one_means_the_other"),
        ("a girl puts a cloth on a chair", "cloth", "chair", "one_means_the_other"),
        ("a man and a woman dance", "man", "woman", "in_one_list"),
        ("a dog, a cat and a horse sleep", "dog", "horse", "in_one_list"),
        ("a red car and a blue car", "red", "blue", "in_one_list"),
        ("a man dances with a woman", "man", "woman", "holds_both_ways"),
        ("a man talks to a woman", "man", "woman", "holds_both_ways"),
        ("a man sits next to a woman", "man", "woman", "holds_both_ways"),
        ("a man is a chef", "man", "chef", "holds_both_ways"),
        ("a small red car drives", "small", "red", "of_one_noun"),
        ("a man in a hat waves and a woman in a hat waves", "man", "woman", "same_clauses"),
        ("a woman gives the man his hat", "woman", "man", "pronoun_told"),
    ],
)
def test_exchanges_that_change_nothing_are_refused(
    caption: str, first: str, second: str, why: str
) -> None:
    assert reason(caption, first, second) == why


def test_what_another_caption_says_the_other_way_may_be_true() -> None:
    caption = "a dog chases a cat"
    assert reason(caption, "dog", "cat") is None
    assert reason(caption, "dog", "cat", "a cat chases a big dog") == "said_the_other_way"
    assert reason(caption, "dog", "cat", "a cat", "a dog") is None


def test_in_captions_enough_an_odd_neighbour_is_refused() -> None:
    """Five thousand captions know cups on plates and in boxes, and plates on nothing."""
    caption = "a cup on a plate in the room"
    known = ["a cup in the room", "a plate in the room", "there is a cup on a plate"] * 2_000
    rows, tokens = [*rows_of(caption, video="w"), *rows_of(*known)], TAG(caption)

    def made(*more: str) -> list[Negative]:
        generator = SwapGenerator(context_of([*rows, *rows_of(*more, video="u")]), SWAP)
        return generator.negatives(rows[0], tokens)

    assert made() == []
    often = ["a plate on a cup", "a plate on a cup in the room"] * 2_000
    assert [row.negative for row in made(*often)] == ["a plate on a cup in the room"]


def test_rules_of_single_words_hold_for_both() -> None:
    assert reason("a man hits a woman without a girl", "woman", "girl") == "refused_alone"


def test_the_encoder_reads_both_words() -> None:
    caption = "a dog chases a cat"
    assert reason(caption, "dog", "cat", max_words=7) is None
    assert reason(caption, "dog", "cat", max_words=6) == "past_window"


def test_every_refusal_is_named_by_its_function() -> None:
    assert all(name == refuse.__name__ for name, refuse in REFUSALS.items())


def test_a_row_says_where_and_what() -> None:
    (row,) = swapped("Yesterday a dog chases an owl")
    assert (row.pos, row.method, row.id) == ("swap", "swap_noun", "v#0/swap/noun/0")
    assert row.caption[row.start : row.end] == row.source == "dog chases an owl"
    assert row.replacement == "owl chases a dog"
    assert row.negative == "Yesterday an owl chases a dog"
    assert (row.lemma, row.replacement_lemma, row.pair) == ("dog", "owl", "dog|owl")


def test_parts_of_speech_and_numbers_are_limited() -> None:
    caption = "a man in a blue shirt and a woman in a red dress"
    both = swapped(caption)
    assert {row.method for row in both} == {"swap_noun", "swap_adjective"}
    nouns = GeneratorSettings(mode="swap", parts_of_speech=("noun", "verb"))
    assert {row.method for row in swapped(caption, settings=nouns)} == {"swap_noun"}
    one = GeneratorSettings(mode="swap", per_caption=1)
    assert len(swapped(caption, settings=one)) == 2
    assert swapped(caption, settings=one) == swapped(caption, settings=one)


def test_a_file_is_read_and_grouped_by_what_was_exchanged(tmp_path: Path) -> None:
    caption = "a man in a blue shirt and a woman in a red dress"
    rows = [Caption("v#0", "v", caption), Caption("v#1", "v", "a man runs")]
    out = tmp_path / "swaps.jsonl"
    generate(lambda: rows, out, GeneratorSettings(mode="swap"))
    assert {json.loads(line)["pos"] for line in out.read_text().splitlines()} == {"swap"}
    groups = groups_of(read_negatives(out))
    assert {group.pos for group in groups} == {"swap_noun", "swap_adjective"}
    assert {group.caption_id for group in groups} == {"v#0"}
