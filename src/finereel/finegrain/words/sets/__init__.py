"""Curated word sets: groups of words of which only one can be true, and where they apply.

There is one TOML file per part of speech and one table per set:

    groups   strings of words; those of one group mean about the same, those of two groups
             exclude each other. The first word names the group. Underscores join the words of
             a phrase. A word with * is recognised but never used as a replacement.
    near     strings of words whose groups may hold together and are never swapped.
    signs    word of a group -> more words that show the group holds, if any caption of the
             video has one.
    unless   words that switch the set off if any caption of the video has one.
    frame    conditions on the surroundings (`finereel.finegrain.words.sets.frames`), the same
             for source and replacement.

Sets are symmetric: where a may become b, b may become a. So each word is equally often true and
false once a selection keeps as many of one direction as of the other.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from itertools import permutations
from pathlib import Path
from types import MappingProxyType
from typing import Any

from finereel.errors import DataError
from finereel.finegrain.make.sites import PhraseBook, Site
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging.words import Token

# Where a word of a set may be changed: conditions on the words around it, which hold for both
# words of a swap.
PRONOUNS = frozenset(["he", "she", "they", "who", "him", "her", "them", "someone", "somebody"])


@dataclass(frozen=True, slots=True)
class Frame:
    """Lists of words; an empty list asks nothing. A word with a dot in it is a lexicographer file
    ("noun.animal").

    heads, not_heads: the noun described or governed (see `Site.head`). not_places: the noun behind
    a preposition that follows (`Site.place`). verbs, not_verbs: the nearest verb to the left.
    subjects: the nearest noun or pronoun to the left. next, not_next, prev, not_prev: the
    neighbouring words, "." for the end or start of the caption. tags, next_tags, not_next_tags,
    head_tags: Penn tags of word, next word, head.
    without: nowhere else in the caption.
    """

    heads: frozenset[str] = frozenset()
    not_heads: frozenset[str] = frozenset()
    not_places: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    not_verbs: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    next: frozenset[str] = frozenset()
    not_next: frozenset[str] = frozenset()
    prev: frozenset[str] = frozenset()
    not_prev: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    next_tags: frozenset[str] = frozenset()
    not_next_tags: frozenset[str] = frozenset()
    head_tags: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    @staticmethod
    def of(table: Mapping[str, str]) -> "Frame":
        """The frame of a TOML table of space-separated words. ValueError for a condition it does
        not know.
        """
        names = {field.name for field in fields(Frame)}
        stray = sorted(set(table) - names)
        if stray:
            raise ValueError(f"unknown condition {stray[0]!r}: expected {', '.join(sorted(names))}")
        return Frame(
            **{
                key: frozenset(word.replace("_", " ") for word in value.split())
                for key, value in table.items()
            }
        )

    def fits(self, site: Site, lexicon: Lexicon) -> bool:
        """Whether the surroundings of a site meet every condition."""
        after, before = site.word(1) or ".", site.word(-1) or "."
        return (
            (not self.tags or site.tag in self.tags)
            and self._fits_next_tag(site)
            and (not self.next or after in self.next)
            and after not in self.not_next
            and (not self.prev or before in self.prev)
            and before not in self.not_prev
            and (not self.subjects or _among(site.subject(), self.subjects, lexicon))
            and (
                not (self.heads or self.not_heads or self.head_tags)
                or self._fits_head(site, lexicon)
            )
            and (not self.not_places or not _among(site.place(), self.not_places, lexicon))
            and (not (self.verbs or self.not_verbs) or self._fits_verb(site))
            and (not self.without or not any(word in self.without for word in site.others()))
        )

    def _fits_next_tag(self, site: Site) -> bool:
        tag = site.tokens[site.last].tag if site.last < len(site.tokens) else "."
        return (not self.next_tags or tag in self.next_tags) and tag not in self.not_next_tags

    def _fits_head(self, site: Site, lexicon: Lexicon) -> bool:
        head = site.head()
        if self.head_tags and (head is None or head.tag not in self.head_tags):
            return False
        wanted = not self.heads or _among(head, self.heads, lexicon)
        return wanted and not _among(head, self.not_heads, lexicon)

    def _fits_verb(self, site: Site) -> bool:
        verb = site.verb()
        lemma = verb.lemma if verb else ""
        return (not self.verbs or lemma in self.verbs) and lemma not in self.not_verbs


def _among(token: Token | None, words: frozenset[str], lexicon: Lexicon) -> bool:
    if token is None:
        return False
    if token.text.lower() in PRONOUNS and "noun.person" in words:
        return True
    return token.lemma in words or lexicon.lexname(token.lemma, "noun") in words


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
PROTECTED = Path(__file__).with_name("protected.toml")


def _spellings() -> dict[str, str]:
    lines = tomllib.loads(PROTECTED.read_text(encoding="utf-8"))["spellings"].split("\n")
    return {word: line.split()[0] for line in lines for word in line.split()}


@cache
def word_list(name: str) -> frozenset[str]:
    """The words and phrases of one list.

    >>> "make" in word_list("light_verbs"), "up and down" in word_list("fixed")
    (True, True)
    """
    words = tomllib.loads(PROTECTED.read_text(encoding="utf-8"))[name].split()
    return frozenset(word.replace("_", " ") for word in words)


# Word -> the first spelling of it.
SPELLINGS = MappingProxyType(_spellings())


# Words that may stand for one another, from synonyms.toml.
SYNONYMS = Path(__file__).with_name("synonyms.toml")
_KEYS_SYNONYMS = ("pos", "groups", "frame", "compounds")


@dataclass(frozen=True, slots=True)
class Synonyms:
    """What a word may become, and where. name: of the set. compounds: also beside another noun."""

    name: str
    offered: tuple[str, ...]
    frame: Frame
    compounds: bool


@cache
def synonyms_of(pos: PartOfSpeech) -> Mapping[str, tuple[Synonyms, ...]]:
    """Lemma -> what may stand for it, of the shipped sets.

    >>> [found.offered for found in synonyms_of("noun")["sofa"]]
    [('couch',)]
    """
    return read_synonyms(SYNONYMS)[pos]


def read_synonyms(path: Path) -> dict[PartOfSpeech, dict[str, tuple[Synonyms, ...]]]:
    """The sets of a TOML file of the form the shipped one explains, by part of speech and lemma.
    DataError, naming file and set, for what does not parse and for a group that offers nothing.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: expected synonyms in TOML ({error})") from error
    found: dict[PartOfSpeech, dict[str, tuple[Synonyms, ...]]] = {
        pos: {} for pos in PARTS_OF_SPEECH
    }
    for name, table in tables.items():
        try:
            words = found[table["pos"]]
            for word, synonyms in _entries(name, table):
                words[word] = (*words.get(word, ()), synonyms)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(
                f"{path}, set {name!r}: expected {', '.join(_KEYS_SYNONYMS)} ({error})"
            ) from error
    return found


def _entries(name: str, table: Mapping[str, Any]) -> list[tuple[str, Synonyms]]:
    stray = sorted(set(table) - set(_KEYS_SYNONYMS))
    if stray:
        raise ValueError(f"unknown key {stray[0]!r}")
    frame, entries = Frame.of(table.get("frame", {})), []
    for line in table["groups"]:
        words = [word.replace("_", " ") for word in line.split()]
        offered = [word for word in words if not word.endswith("*")]
        if not offered or len(words) < 2:
            raise ValueError(f"group {line!r}: two words or more, one of them without *")
        for word in words:
            others = tuple(other for other in offered if other != word)
            if others:
                entries.append(
                    (word.rstrip("*"), Synonyms(name, others, frame, table.get("compounds", False)))
                )
    return entries
