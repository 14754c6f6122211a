"""A model beside the rules: its words are judged as theirs, and carry where they came from."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from endpoint_double import agreeing, chat_server

from finereel.data.base import Caption
from finereel.errors import ConfigError
from finereel.finegrain.make.clean import CleanGenerator
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.proposals.generator import (
    ProposingGenerator,
    all_of,
    exclusion_rules,
    generator_for,
    word_rules,
)
from finereel.finegrain.make.proposals.types import Proposal, Reject, Sieve, Slot, SlotResult
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.types import Negative
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging.words import Token

ROW = Caption("v#0", "v", "An old man eats a sandwich")
ALL = (
    ROW,
    Caption("v#1", "v", "a person is holding a car and a pizza"),
    Caption("w#0", "w", "a truck"),
)
TAGGED = (
    ("An", "other", "DT"),
    ("old", "adjective", "JJ"),
    ("man", "noun", "NN"),
    ("eats", "verb", "VBZ"),
    ("a", "other", "DT"),
    ("sandwich", "noun", "NN"),
)


class Saying:
    """Proposes the same words for every slot."""

    def __init__(self, *words: str, verifies: bool = True) -> None:
        self.words = words
        self.verifies = verifies
        self.slots: list[Slot] = []
        self.refused: dict[str, dict[str, int]] = {}

    def propose(self, slots: Sequence[Slot], reject: Reject) -> list[SlotResult]:
        self.slots += slots
        outcomes = []
        for slot in slots:
            sieve = Sieve(slot, reject)
            words = sieve.words(self.words)
            self.refused[slot.source] = sieve.refused
            outcomes.append(
                sieve.outcome(
                    Proposal(word, "llm", {"pll_gap": -1.5}, ("model:x",)) for word in words
                )
            )
        return outcomes


def tokens_of(row: Caption) -> list[Token]:
    tokens, position = [], 0
    for text, pos, tag in TAGGED:
        start = row.text.index(text, position)
        position = start + len(text)
        lemma = {"eats": "eat"}.get(text, text.lower())
        tokens.append(Token(text, start, position, pos, lemma, tag, True))  # type: ignore[arg-type]
    return tokens


def made(proposer: Saying | None, **settings: object) -> list[Negative]:
    context = Context(ALL, Lexicon.load())
    chosen = GeneratorSettings(**settings)  # type: ignore[arg-type]
    generator = (
        ProposingGenerator(context, chosen, proposer)
        if proposer
        else CleanGenerator(context, chosen)
    )
    return generator.negatives(ROW, tokens_of(ROW))


def test_words_of_the_model_come_with_its_provenance_and_its_scores() -> None:
    rows = [row for row in made(Saying("cupcake")) if row.method == "llm"]
    (row,) = [row for row in rows if row.source == "sandwich"]
    assert row.negative == "An old man eats a cupcake"
    assert row.caption[row.start : row.end] == "sandwich"
    assert (row.scores, row.sense, row.pair) == (
        {"pll_gap": -1.5},
        ("model:x",),
        "cupcake|sandwich",
    )


def test_the_rules_own_negatives_stay_as_they_are() -> None:
    alone, beside = made(None), made(Saying("cupcake"))
    texts = {row.negative: row.method for row in beside}
    assert alone
    assert {row.negative: row.method for row in alone}.items() <= texts.items()


def test_the_generators_own_rules_hold_for_the_model() -> None:
    proposer = Saying("vehicle", "pizza", "sandwiches", "sandwich", "food", "cupcake")
    rows = [row for row in made(proposer) if row.method == "llm" and row.source == "sandwich"]
    assert [row.replacement for row in rows] == ["cupcake"]
    refused = proposer.refused["sandwich"]
    assert refused["said_of_video"] == 2  # a car is a vehicle; a pizza is there
    assert refused["hypernym"] == 1
    assert refused["the same word"] == 1
    assert refused["the wrong form"] == 1


def test_a_model_that_does_not_verify_may_only_propose_what_excludes_itself() -> None:
    def words(verifies: bool) -> set[str]:
        rows = made(Saying("reporter", "dog", verifies=verifies))
        return {row.replacement for row in rows if row.method == "llm" and row.source == "man"}

    assert words(verifies=False) <= {"dog"}
    assert "reporter" not in words(verifies=False)


def test_only_the_caption_reaches_the_model_and_only_asked_parts_of_speech() -> None:
    proposer = Saying("cake")
    made(proposer, parts_of_speech=("noun",))
    assert {slot.pos for slot in proposer.slots} == {"noun"}
    assert {slot.caption for slot in proposer.slots} == {ROW.text}


def test_at_most_as_many_as_asked_and_the_same_every_time() -> None:
    words = ("cake", "apple", "banana", "melon", "carrot", "steak")
    rows = made(Saying(*words), per_caption=2, parts_of_speech=("noun",))
    assert len(rows) == 2
    assert rows == made(Saying(*words), per_caption=2, parts_of_speech=("noun",))


def test_from_the_settings_to_an_endpoint(tmp_path: Path) -> None:
    with chat_server(agreeing("cupcake")) as server:
        settings = GeneratorSettings(
            propose=f"llm:tiny@{server.url}", propose_cache=tmp_path / "answers"
        )
        generator = generator_for(Context(ALL, Lexicon.load()), settings)
        rows = generator.negatives(ROW, tokens_of(ROW))
    assert "An old man eats a cupcake" in {row.negative for row in rows}


def test_paper_mode_has_no_proposals() -> None:
    with pytest.raises(ConfigError, match="mode clean"):
        GeneratorSettings(mode="paper", propose="fill-mask:x")


# What a model's word must be before anybody asks whether it is true.
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
