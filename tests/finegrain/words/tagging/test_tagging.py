"""Tokens and tags of captions: offsets on any string, HanTa's own answers, captions tagged
by hand.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.finegrain.words.tagging import TAGGERS, AgreeingTaggers, tag, tokenize
from finereel.finegrain.words.tagging.hanta import HantaTagger
from finereel.finegrain.words.tagging.penn import class_of

LETTERS = {
    "N": "noun",
    "V": "verb",
    "A": "adjective",
    "R": "adverb",
    "P": "preposition",
    "-": "other",
}

# Word/class as a reader gives it; the places where general taggers fail on captions.
BY_HAND = """
a/- man/N plays/V guitar/N
a/- woman/N is/- boxing/V with/P her/- trainer/N
two/- girls/N dance/V in/P a/- park/N
a/- man/N walks/V up/P the/- stairs/N
a/- boy/N looks/V up/R
kids/N running/V together/R outdoors/R
a/- person/N is/- sitting/V on/P the/- left/A side/N of/P a/- red/A car/N
a/- man/N drinks/V while/- another/- man/N sings/V
people/N walking/V past/P a/- small/A wooden/A house/N
a/- cat/N is/- lying/V on/P its/- back/N
the/- man/N then/R kisses/V the/- woman/N
a/- girl/N starts/V dancing/V
a/- dog/N runs/V fast/R
a/- fast/A car/N
they/- are/- swimming/V underwater/R
a/- man/N takes/V a/- walk/N
female/A models/N walking/V on/P a/- stage/N
the/- baby/N waves/V her/- arms/N
two/- men/N talking/V in/P baby/N voices/N
a/- man/N talks/V about/P it/-
"""


@pytest.fixture(scope="module")
def agreement() -> AgreeingTaggers:
    return AgreeingTaggers()


@given(st.text(max_size=200))
def test_offsets_hold_on_any_string(caption: str) -> None:
    tokens = tokenize(caption)
    assert all(caption[start:end] == text for text, start, end in tokens)
    ends = [
        0,
        *itertools.chain.from_iterable((start, end) for _, start, end in tokens),
        len(caption),
    ]
    assert ends == sorted(ends)
    assert "".join(text for text, _, _ in tokens) == "".join(caption.split())


def test_a_combining_mark_belongs_to_its_letter() -> None:
    assert [text for text, _, _ in tokenize("cafe\u0301 cat's don't")] == [
        "cafe\u0301",
        "cat",
        "'s",
        "don't",
    ]


@pytest.mark.parametrize("line", BY_HAND.strip().splitlines())
def test_captions_tagged_by_hand(line: str, agreement: AgreeingTaggers) -> None:
    pairs = [pair.rsplit("/", 1) for pair in line.split()]
    tokens = agreement(" ".join(word for word, _ in pairs))
    assert [(token.text, token.pos) for token in tokens] == [
        (word, LETTERS[letter]) for word, letter in pairs
    ]
    assert all(token.sure for token in tokens)


def test_disagreement_is_not_sure(agreement: AgreeingTaggers) -> None:
    words = {token.text: token for token in agreement("a blooper reel of curry leaves powder")}
    assert not words["curry"].sure
    assert words["reel"].sure
    assert all(
        token.sure for token in AgreeingTaggers(["hanta"])("a blooper reel of curry leaves powder")
    )


def test_the_fast_search_gives_hantas_own_tags() -> None:
    from HanTa.HanoverTagger import HanoverTagger

    own, original = HantaTagger(), HanoverTagger("morphmodel_en.pgz")
    for line in (
        *BY_HAND.strip().splitlines(),
        "Xqz zzgl ' John saw 14 of the flurbs , and IT vlogged .",
    ):
        words = [pair.rsplit("/", 1)[0] for pair in line.split()]
        assert own.claws(words) == original.tag_sent(words, taglevel=0)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        " \n\t",
        "\x00\x01cat\x07",
        "猫が走る 🐈‍⬛",
        "<b onclick='x'>cat</b> &amp;",
        "=cmd|' /C calc'!A0",
        "a" * 10_000,
        "'",
    ],
)
def test_hostile_captions_are_tagged(caption: str, agreement: AgreeingTaggers) -> None:
    assert [token.text for token in agreement(caption)] == [
        text for text, _, _ in tokenize(caption)
    ]


def test_ten_thousand_words(agreement: AgreeingTaggers) -> None:
    assert len(agreement("a man runs " * 3_334)) == 10_002


def test_parts_of_addresses_are_not_words(agreement: AgreeingTaggers) -> None:
    caption = "the cat at www.cat.com <dog> #dog @man says cat."
    assert [token.text for token in agreement(caption) if token.pos == "noun"] == ["cat", "cat"]


def test_names_inside_a_caption_are_not_sure(agreement: AgreeingTaggers) -> None:
    names = [
        token for token in agreement("a man called Hunter sits near Brown") if token.tag == "NNP"
    ]
    assert [(token.text, token.pos, token.sure) for token in names] == [
        ("Hunter", "noun", False),
        ("Brown", "noun", False),
    ]


def test_a_capitalised_caption_is_no_list_of_names(agreement: AgreeingTaggers) -> None:
    assert all(token.tag != "NNP" for token in agreement("A MAN RIDES A HORSE"))
    assert [token.pos for token in agreement("A Man Rides A Horse")] == [
        "other",
        "noun",
        "verb",
        "other",
        "noun",
    ]


def test_lemmas_follow_the_class(agreement: AgreeingTaggers) -> None:
    (tokens,) = tag(["people wearing shorts saw two mice"])
    assert [token.lemma for token in tokens] == ["person", "wear", "shorts", "see", "two", "mouse"]


def test_unknown_and_missing_taggers() -> None:
    with pytest.raises(
        ConfigError, match="unknown tagger 'brill': expected one of hanta, spacy, textblob"
    ):
        AgreeingTaggers(["brill"])
    with pytest.raises(ConfigError, match="at least one tagger"):
        AgreeingTaggers([])
    assert set(TAGGERS) == {"hanta", "textblob", "spacy"}


def test_spacy_absent_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="en_core_web_sm"):
        AgreeingTaggers(["spacy"])


@pytest.mark.parametrize("word", ["while", "not", "is", "one", "many"])
def test_words_no_negative_is_made_of(word: str) -> None:
    assert class_of(word, "IN") == "other"


@pytest.mark.parametrize(
    ("caption", "tag"),
    [
        ("a flock of sheep is standing", "NNS"),
        ("two white fish swim", "NNS"),
        ("a white fish swims", "NN"),
        ("another sheep eats", "NN"),
    ],
)
def test_plurals_that_do_not_show(caption: str, tag: str, agreement: AgreeingTaggers) -> None:
    assert [token.tag for token in agreement(caption) if token.text in ("sheep", "fish")] == [tag]


@pytest.mark.parametrize(
    "caption", ["a group of men sing on stage", "people bring food", "children swing in a park"]
)
def test_verbs_in_ing_that_are_no_participles(caption: str, agreement: AgreeingTaggers) -> None:
    (verb,) = (token for token in agreement(caption) if token.text.endswith("ing"))
    assert (verb.pos, verb.lemma) == ("verb", verb.text)
    assert verb.tag in ("VB", "VBP")
