"""Sites, context, protected units, and every rule against a replacement, each with a case that only
it refuses.
"""

import pickle

import pytest
from generating import TAG, context_of, rows_of

from finereel.finegrain.make.candidates import SOURCES, Candidate, candidates_for
from finereel.finegrain.make.context import END, VideoWords
from finereel.finegrain.make.rejection import REJECTIONS, Case, Collocations, RejectionRules
from finereel.finegrain.make.sites import PhraseBook, Site, find_sites, replace
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import phrase_book

WORDS = Lexicon.load()


def sites(caption: str, pos: str) -> list[Site]:
    return list(find_sites(caption, TAG(caption), pos, phrase_book(pos)))


def site(caption: str, source: str, pos: str) -> Site:
    return next(found for found in sites(caption, pos) if found.source == source)


def test_a_phrase_is_one_site() -> None:
    found = sites("a man stands in front of a car in a street", "preposition")
    assert [place.source for place in found] == ["in front of", "in"]
    assert (found[0].first, found[0].last, found[0].lemma) == (3, 6, "in front of")


def test_inflected_phrases() -> None:
    caption = "a man is picking up a box"
    (found,) = find_sites(caption, TAG(caption), "verb", PhraseBook(["pick up"]))
    assert (found.lemma, found.tag, found.source) == ("pick up", "VBG", "picking up")


def test_what_stands_around() -> None:
    place = site("a tall man sits on the big wooden kitchen table today", "on", "preposition")
    head, verb, subject = place.head(), place.verb(), place.subject()
    assert head is not None
    assert verb is not None
    assert subject is not None
    assert (head.text, verb.lemma, subject.text) == ("table", "sit", "man")
    assert (place.left(), place.right(), place.word(-2), place.word(1), place.word(99)) == (
        "sits",
        "big",
        "man",
        "the",
        "",
    )
    assert list(place.others())[3:6] == ["sits", "the", "big"]
    assert site("a man goes up", "goes", "verb").head() is None
    behind, sits = (
        site("a dog runs behind him", "behind", "preposition"),
        site("a man sits on a soft bed", "sits", "verb"),
    )
    assert [token.text for token in (behind.head(), sits.place()) if token] == ["him", "bed"]
    assert sits.head() is None
    assert site("a man reads a book", "reads", "verb").place() is None


@pytest.mark.parametrize(
    ("caption", "source", "compound"),
    [
        ("a city street", "city", True),
        ("a city street", "street", True),
        ("a street is wide", "street", False),
    ],
)
def test_compounds(caption: str, source: str, compound: bool) -> None:
    assert site(caption, source, "noun").in_compound() == compound


@pytest.mark.parametrize(
    ("caption", "source", "pos", "protected"),
    [
        ("a man eats a hot dog", "dog", "noun", True),
        ("a young man sits", "man", "noun", False),
        ("a man makes a cake", "makes", "verb", True),
        ("a boy throws the ball away", "throws", "verb", True),
        ("a boy throws the ball", "throws", "verb", False),
        ("they play table tennis", "tennis", "noun", True),
        ("a man in the living room", "room", "noun", True),
    ],
)
def test_protected_units(caption: str, source: str, pos: str, protected: bool) -> None:
    assert (Collocations(WORDS).protects(site(caption, source, pos)) is not None) == protected


def test_video_words() -> None:
    words = VideoWords(
        ["Two men, running in front of a house.", "a cup on the small round table"], WORDS
    )
    assert words.has("man")
    assert words.has("run")
    assert words.has("in front of")
    assert not words.has("front of house a")
    assert words.relates("on", "table")
    assert not words.relates("in front of", "table")
    assert words.relates("in front of", "house")
    assert not words.relates("in", "house")
    assert not VideoWords([], WORDS).has_any(["a"])


def test_context_counts_and_travels() -> None:
    context = context_of(rows_of("the dog sees a cat", "the dog sees the cat"))
    for known in (context, pickle.loads(pickle.dumps(context))):
        assert (known.pair("sees", "cat"), known.pair("cat", END), known.pair("cat", "dog")) == (
            2,
            2,
            0,
        )
        assert known.captions == 2
        assert known.video("v").has("dog")
        assert known.sample(1) == ["the dog sees a cat"]
        assert not known.attested


def plain(lemma: str, **known: object) -> Candidate:
    return Candidate(lemma, "test", (), known.pop("signs", frozenset()), **known)


# Rule -> caption, source, part of speech, candidate, replacement as it would stand there.
CASES = {
    "unchanged": ("a dog runs", "dog", "noun", plain("dog"), "dog"),
    "negated": ("a man without a dog", "dog", "noun", plain("lamp"), "lamp"),
    "said_twice": ("a dog runs behind dogs", "dog", "noun", plain("lamp"), "lamp"),
    "unsafe_video": (
        "a dog in a band",
        "dog",
        "noun",
        plain("lamp", unless=frozenset(["band"])),
        "lamp",
    ),
    "said_of_video": (
        "a dog sees a lamp",
        "dog",
        "noun",
        plain("lamp", signs=frozenset(["lamp"])),
        "lamp",
    ),
    "related": ("a dog runs", "dog", "noun", plain("animal"), "animal"),
    "unattested": ("a dog runs", "dog", "noun", plain("lamp"), "lamp"),
    "makes_collocation": ("a cold dog runs", "cold", "adjective", plain("hot"), "hot"),
    "past_window": ("a man " * 20 + "sees a dog", "dog", "noun", plain("lamp"), "lamp"),
}


@pytest.mark.parametrize("rule", REJECTIONS)
def test_every_rule_refuses_its_case_alone(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    caption, source, pos, candidate, form = CASES[rule]
    monkeypatch.setattr(
        "finereel.finegrain.make.context.ENOUGH_CAPTIONS", 1 if rule == "unattested" else 10**6
    )
    place = site(caption, source, pos)
    context = context_of(rows_of(caption))
    case = Case(
        place, candidate, form, replace(caption, place.start, place.end, form), context.video("v")
    )
    assert RejectionRules(context, Collocations(WORDS)).why_not(case) == rule
    assert (
        RejectionRules(context, Collocations(WORDS), skip=frozenset([rule])).why_not(case) != rule
    )


def test_of_two_alternatives_neither_is_changed() -> None:
    caption = "people are dancing or exercising"
    place, context = site(caption, "dancing", "verb"), context_of(rows_of(caption))
    edit = replace(caption, place.start, place.end, "fighting")
    case = Case(place, plain("fight", certain=True), "fighting", edit, context.video("v"))
    assert RejectionRules(context, Collocations(WORDS)).why_not(case) == "negated"


def test_few_captions_leave_compounds_alone() -> None:
    place, context = site("a city street", "city", "noun"), context_of(rows_of("a city street"))
    edit = replace("a city street", place.start, place.end, "desert")
    case = Case(place, plain("desert", certain=True), "desert", edit, context.video("v"))
    assert RejectionRules(context, Collocations(WORDS)).why_not(case) == "unattested"


def test_certain_candidates_are_not_looked_up() -> None:
    place, context = site("a dog runs", "dog", "noun"), context_of(rows_of("a dog runs"))
    case = Case(
        place,
        plain("animal", certain=True),
        "animal",
        replace("a dog runs", 2, 5, "animal"),
        context.video("v"),
    )
    assert RejectionRules(context, Collocations(WORDS)).why_not(case) is None


def test_sources() -> None:
    assert set(SOURCES) == {"set", "antonym", "sister"}
    noun = site("a banjo and a man", "banjo", "noun")
    assert {found.method for found in candidates_for(noun, WORDS)} <= {"set:instrument"}
    adjective = site("a sharp knife", "sharp", "adjective")
    found = list(candidates_for(adjective, WORDS))
    assert all(candidate.method == "antonym" and not candidate.certain for candidate in found)
    assert "here" not in {
        candidate.lemma
        for candidate in candidates_for(site("a man is sad", "sad", "adjective"), WORDS)
    }
