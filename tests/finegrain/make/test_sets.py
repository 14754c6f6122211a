"""The curated sets: what every one of them must be, whatever stands in it."""

from pathlib import Path

import pytest

from finereel.errors import DataError
from finereel.finegrain.types import PARTS_OF_SPEECH
from finereel.finegrain.words.inflection import inflect
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import (
    SPELLINGS,
    WordSet,
    all_sets,
    load_sets,
    phrase_book,
    phrases,
    read_sets,
    word_list,
)

WORDS = Lexicon.load()
# WordNet (3.0, of 2006) lacks the word, or relates what a viewer still tells apart.
NEW_WORDS = frozenset(["hoodie", "short-sleeved", "long-sleeved", "long-haired", "short-haired"])
TOLD_APART = frozenset(
    [
        *(
            ("actor", "actress"),
            ("car", "train"),
            ("boot", "heel"),
            ("lake", "pool"),
            ("broom", "whisk"),
        ),
        *(("catch", "hit"), ("sing", "talk"), ("sing", "speak")),
    ]
)


@pytest.mark.parametrize("word_set", all_sets(), ids=lambda s: f"{s.pos}-{s.name}")
def test_every_set(word_set: WordSet) -> None:
    known = [word for group in word_set.groups for word in group.known]
    assert len(known) == len(set(known)), "a word stands in two groups"
    assert any(list(word_set.rivals(group)) for group in word_set.groups)
    for group in word_set.groups:
        assert set(group.offered) <= set(group.known) <= group.signs
        for rival in word_set.rivals(group):
            assert group in list(word_set.rivals(rival)), "swaps go both ways"
            for word in group.offered:
                for other in rival.offered:
                    check_pair(word, other, word_set)


def check_pair(word: str, other: str, word_set: WordSet) -> None:
    reason = WORDS.related(word.replace(" ", "_"), other.replace(" ", "_"), word_set.pos)
    assert reason is None or tuple(sorted((word, other))) in TOLD_APART, (
        f"{word}, {other}: {reason}"
    )


@pytest.mark.parametrize("word_set", all_sets(), ids=lambda s: f"{s.pos}-{s.name}")
def test_every_word_offered_is_one(word_set: WordSet) -> None:
    for word in (word for group in word_set.groups for word in group.offered):
        head = (
            word
            if word_set.pos == "preposition"
            else word.split()[0 if word_set.pos == "verb" else -1]
        )
        assert head in NEW_WORDS or WORDS.has_pos(head, word_set.pos), word
        if word_set.pos == "verb":
            assert all(inflect(word, tag) for tag in ("VB", "VBG", "VBZ", "VBD")), word


@pytest.mark.parametrize("pos", PARTS_OF_SPEECH)
def test_names_differ_and_phrases_are_found(pos: str) -> None:
    names = [word_set.name for word_set in load_sets(pos)]
    assert len(names) == len(set(names))
    for word in phrases(pos):
        assert word == word.lower()
        assert (word in phrase_book(pos)) == (" " in word)


def test_protected_lists() -> None:
    assert all(
        word_list(name)
        for name in ("light_verbs", "particles", "free_first", "fixed", "no_antonym")
    )
    assert "here" in word_list("no_antonym")
    assert (SPELLINGS["gray"], SPELLINGS["grey"]) == ("grey", "grey")
    with pytest.raises(KeyError):
        word_list("other")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a]\ngroups = ['x', 'x']", "groups or more"),
        ("[a]\ngroups = ['x']", "groups or more"),
        ("[a]\ngroups = ['x', 'y']\nnear = ['x z']", "'z'"),
        ("[a]\ngroups = ['x', 'y']\nsigns.z = 'w'", "'z'"),
        ("[a]\ngroups = ['x', 'y']\nframe.heeds = 'w'", "heeds"),
        ("[a]\ngroups = ['x', 'y']\nother = 1", "other"),
        ("[a]\nnear = []", "groups"),
        ("[a", "TOML"),
    ],
)
def test_broken_sets(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "noun.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=complaint):
        read_sets(path, "noun")


def test_a_set_is_read(tmp_path: Path) -> None:
    path = tmp_path / "noun.toml"
    path.write_text(
        "[a]\ngroups = ['x y*', 'z_w', 'v']\nnear = ['y v']\nsigns.y = 'sign'\nunless = 'off'\n"
    )
    (found,) = read_sets(path, "noun")
    x, z, v = found.groups
    assert (x.known, x.offered, x.signs) == (("x", "y"), ("x",), {"x", "y", "v", "sign"})
    assert list(found.rivals(x)) == [z]
    assert list(found.rivals(z)) == [x, v]
    assert z.offered == ("z w",)
    assert found.unless == {"off"}
