"""CURATED WORD SETS: groups of words of which only one can be true, and where in a sentence they
may stand.

One TOML file per part of speech, one table per set:

groups   strings of words; those of one group mean about the same, those of two groups exclude each other. The first
         word names the group. Underscores join the words of a phrase. A word with * is known but never put in.
near     strings of words whose groups may hold together and are never swapped.
signs    word of a group -> more words that show the group holds, when any caption of the video has one.
unless   words that switch the set off when any caption of the video has one.
frame    conditions on the surroundings (`finereel.finegrain.words.sets.frames`), the same for source and replacement.

Sets are symmetric: where a may become b, b may become a. So each word is as often truth as lie once
a selection keeps as many of one direction as of the other.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path
from types import MappingProxyType
from typing import Any

from finereel.errors import DataError
from finereel.finegrain.make.sites import PhraseBook
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech
from finereel.finegrain.words.sets.frames import Frame

FOLDER = Path(__file__).parent
_KEYS = ("groups", "near", "signs", "unless", "frame", "note")


@dataclass(frozen=True, slots=True)
class WordGroup:
    """Words of about one meaning. known: those that are recognised; offered: those that are put in;
    signs: words that show, anywhere in the captions of a video, that it may hold.
    """

    name: str
    known: tuple[str, ...]
    offered: tuple[str, ...]
    signs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WordSet:
    """Groups that exclude one another, but for the pairs of names in `near` (both orders)."""

    name: str
    pos: PartOfSpeech
    groups: tuple[WordGroup, ...]
    near: frozenset[tuple[str, str]]
    unless: frozenset[str]
    frame: Frame

    def rivals(self, group: WordGroup) -> Iterator[WordGroup]:
        """The groups that cannot hold where `group` does."""
        return (
            other
            for other in self.groups
            if other is not group and (group.name, other.name) not in self.near
        )


@cache
def load_sets(pos: PartOfSpeech) -> tuple[WordSet, ...]:
    """The shipped sets of a part of speech.

    >>> [group.name for group in next(s for s in load_sets("noun") if s.name == "gender").groups][:2]
    ['man', 'woman']
    """
    return read_sets(FOLDER / f"{pos}.toml", pos)


def read_sets(path: Path, pos: PartOfSpeech) -> tuple[WordSet, ...]:
    """The sets of a TOML file of the form above. DataError, naming file and set, for what does not
    parse.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: expected word sets in TOML ({error})") from error
    sets = []
    for name, table in tables.items():
        try:
            sets.append(_set_of(name, pos, table))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path}, set {name!r}: expected {', '.join(_KEYS)} ({error})"
            ) from error
    return tuple(sets)


@cache
def phrases(pos: PartOfSpeech) -> Mapping[str, tuple[tuple[WordSet, WordGroup], ...]]:
    """Every word or phrase (words joined by spaces) the shipped sets know, and where."""
    found: dict[str, list[tuple[WordSet, WordGroup]]] = {}
    for word_set in load_sets(pos):
        for group in word_set.groups:
            for word in group.known:
                found.setdefault(word, []).append((word_set, group))
    return {word: tuple(places) for word, places in found.items()}


@cache
def phrase_book(pos: PartOfSpeech) -> PhraseBook:
    """The phrases of several words among them."""
    return PhraseBook(phrases(pos))


def all_sets() -> tuple[WordSet, ...]:
    """The shipped sets of all parts of speech."""
    return tuple(word_set for pos in PARTS_OF_SPEECH for word_set in load_sets(pos))


def _set_of(name: str, pos: PartOfSpeech, table: Mapping[str, Any]) -> WordSet:
    stray = set(table) - set(_KEYS)
    if stray:
        raise ValueError(f"unknown key {sorted(stray)[0]!r}")
    words = [_words(line) for line in table["groups"]]
    names = [group[0].rstrip("*") for group in words]
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError("two groups or more, of different names")
    group_of = {
        word.rstrip("*"): key for key, group in zip(names, words, strict=True) for word in group
    }
    near = frozenset(
        pair for line in table.get("near", ()) for pair in permutations(_known(line, group_of), 2)
    )
    signs = {
        _known(key, group_of)[0]: _words(value) for key, value in table.get("signs", {}).items()
    }
    plain = {
        key: tuple(word.rstrip("*") for word in group)
        for key, group in zip(names, words, strict=True)
    }
    groups = tuple(
        WordGroup(
            key,
            plain[key],
            tuple(word for word in group if not word.endswith("*")),
            frozenset(
                {
                    word
                    for other in names
                    if other == key or (key, other) in near
                    for word in plain[other]
                }
            )
            | frozenset(signs.get(key, ())),
        )
        for key, group in zip(names, words, strict=True)
    )
    return WordSet(
        name,
        pos,
        groups,
        near,
        frozenset(_words(table.get("unless", ""))),
        Frame.of(table.get("frame", {})),
    )


def _words(line: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in line.split())


def _known(line: str, group_of: Mapping[str, str]) -> tuple[str, ...]:
    """The groups of some words."""
    found = _words(line)
    strange = [word for word in found if word not in group_of]
    if strange:
        raise ValueError(f"no group has the word {strange[0]!r}")
    return tuple(group_of[word] for word in found)


# Lists of words that are left alone, from protected.toml.
FILE = Path(__file__).with_name("protected.toml")


def _spellings() -> dict[str, str]:
    lines = tomllib.loads(FILE.read_text(encoding="utf-8"))["spellings"].split("\n")
    return {word: line.split()[0] for line in lines for word in line.split()}


@cache
def word_list(name: str) -> frozenset[str]:
    """The words and phrases of one list.

    >>> "make" in word_list("light_verbs"), "up and down" in word_list("fixed")
    (True, True)
    """
    words = tomllib.loads(FILE.read_text(encoding="utf-8"))[name].split()
    return frozenset(word.replace("_", " ") for word in words)


# Word -> the first spelling of it.
SPELLINGS = MappingProxyType(_spellings())
