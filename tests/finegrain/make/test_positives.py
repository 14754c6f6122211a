"""The same in other words."""

from pathlib import Path

import pytest

from finereel.data.base import Caption
from finereel.errors import DataError
from finereel.finegrain.files import read_negatives
from finereel.finegrain.make.positives import GENERATOR, PositiveMaker, write_positives
from finereel.finegrain.types import PartOfSpeech
from finereel.finegrain.words.inflection import inflect
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import Synonyms, read_synonyms, synonyms_of
from finereel.finegrain.words.tagging import AgreeingTaggers
from finereel.io.tables import read_jsonl
from made_negatives import swap

POS: tuple[PartOfSpeech, ...] = ("noun", "verb", "adjective")
ENTRIES = [
    (pos, word, found) for pos in POS for word, sets in synonyms_of(pos).items() for found in sets
]


@pytest.fixture(scope="module")
def agreement() -> AgreeingTaggers:
    return AgreeingTaggers()


def made(caption: str, agreement: AgreeingTaggers) -> set[str]:
    """The other wordings of a caption."""
    rows = PositiveMaker(Lexicon.load()).positives(Caption("a", "v", caption), agreement(caption))
    for row in rows:
        assert row.caption[row.start : row.end] == row.source
        assert row.source.lower() != row.replacement.lower()
        assert (row.method, row.generator, row.caption_id) == ("synonym", GENERATOR, "a")
    assert len({row.id for row in rows}) == len(rows)
    return {row.negative for row in rows}


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("a boy sits on a sofa", "a boy sits on a couch"),
        ("a man drives a car", "a man drives an automobile"),
        ("two kids are playing", "two children are playing"),
        ("a woman is talking with a man", "a woman is speaking with a man"),
        ("a woman buys a cake", "a woman purchases a cake"),
        ("a large dog is running", "a big dog is running"),
        ("An old man is speaking", "An elderly man is speaking"),
        ("a man wearing spectacles is reading", "a man wearing glasses is reading"),
        ("a baby elephant sits on the rug", "a baby elephant sits on the carpet"),
        ("a girl is singing on tv", "a girl is singing on television"),
    ],
)
def test_another_word_in_the_same_form(
    caption: str, wanted: str, agreement: AgreeingTaggers
) -> None:
    assert wanted in made(caption, agreement)


@pytest.mark.parametrize(
    "caption",
    [
        "a car race on the street",  # part of a compound
        "a children's room",  # not "a kids's"
        "a kids s room",
        "a boy sits on a sofa near another sofa",  # which of them?
        "a boy moves from the sofa to the couch",
        "a childs room",  # no form of "child" that the tag asks for
        "a man talks slowly",  # "speaks" only about, to or with
        "a twenty year old man is running",  # not an elderly one
        "his big brother is crying",
        "a man chooses to run",
        "a boy eats an apple in the garden",  # nothing known
    ],
)
def test_what_would_not_stay_true_or_good_english_is_left_alone(
    caption: str, agreement: AgreeingTaggers
) -> None:
    assert made(caption, agreement) == set()


def test_a_word_that_is_known_only_goes_one_way(agreement: AgreeingTaggers) -> None:
    assert "a cat on a carpet" in made("a cat on a rug", agreement)
    assert made("a cat on a carpet", agreement) == set()


@pytest.mark.parametrize(
    "caption", ["", " ", "\x00", "人", "<b>sofa</b>", "=sofa()", "sofa " * 300]
)
def test_hostile_captions(caption: str, agreement: AgreeingTaggers) -> None:
    made(caption, agreement)


@pytest.mark.parametrize(
    ("pos", "word", "found"), ENTRIES, ids=[f"{pos}-{word}" for pos, word, _ in ENTRIES]
)
def test_every_word_of_the_list_is_known_and_can_be_inflected(
    pos: PartOfSpeech, word: str, found: Synonyms
) -> None:
    lexicon = Lexicon.load()
    singular_missing = {"pants", "trousers", "spectacles", "eyeglasses"}
    for lemma in (word, *found.offered):
        if lemma not in ("mic", "trousers", "pants", "spectacles", "eyeglasses"):
            assert lexicon.lemmas_of(lemma, pos), f"{lemma} is no {pos}"
        if lemma not in singular_missing and pos != "adjective":
            assert inflect(lemma, "NNS" if pos == "noun" else "VBG")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a]\npos = 'noun'\ngroups = ['sofa']", "two words or more"),
        ("[a]\npos = 'noun'\ngroups = ['sofa* couch*']", "one of them without"),
        ("[a]\npos = 'noun'\ngroup = ['sofa couch']\ngroups = []", "unknown key 'group'"),
        ("[a]\npos = 'name'\ngroups = ['sofa couch']", "name"),
        (
            "[a]\npos = 'noun'\ngroups = ['sofa couch']\nframe = { near = 'x' }",
            "unknown condition 'near'",
        ),
        ("[a", "synonyms in TOML"),
    ],
)
def test_a_list_that_does_not_parse_is_named(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "synonyms.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=told) as error:
        read_synonyms(path)
    assert str(path) in str(error.value)


def test_a_file_of_positives_is_no_file_of_negatives(tmp_path: Path) -> None:
    path = tmp_path / "positives.jsonl"
    write_positives([swap("a boy on a sofa\u2028", "sofa", "couch")], path)
    (row,) = read_jsonl(path)
    assert row.raw("positive") == "a boy on a couch\u2028"
    assert "negative" not in row.values
    with pytest.raises(DataError):
        read_negatives(path)
