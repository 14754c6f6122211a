"""Check a proposed word before it is verified: part of speech, inflection, and no related meaning.

`word_rules` hold for every proposer. `exclusion_rules` hold where the proposer cannot tell whether
both words may be true of one video (a masked language model): they let pass only what a curated
set, an antonym or a kind excludes.
"""

from finereel.finegrain.make.proposals.types import Reject, Slot
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech
from finereel.finegrain.words.function_words import FUNCTION_WORDS, PREPOSITIONS
from finereel.finegrain.words.inflection import inflect, lemma_of
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import phrases

_INFLECTED = ("NN", "VB", "JJ", "RB")
# A word that is counted so many times more often as another part of speech is taken for that one.
_RARELY = 4
# Kinds in WordNet of which one thing is one only. Two persons may be one (a man is a player).
_THINGS = frozenset(["noun.animal", "noun.artifact", "noun.food", "noun.plant"])
_WHOLE = _THINGS | {"noun.person"}
# Ways to move or to take food: one at a time, unlike gestures, talk or what is done to things.
_DOINGS = frozenset(["verb.motion", "verb.consumption"])


def word_rules(lexicon: Lexicon) -> Reject:
    """Rules that need the slot and the lexicon alone.

    >>> rules = word_rules(Lexicon.load())
    >>> slot = Slot("a dog runs", 2, 5, "noun", tag="NN", lemma="dog")
    >>> [rules(slot, word) for word in ("cat", "animal", "cats", "eat", "an")]
    [None, 'hypernym', 'the wrong form', 'not a noun', 'not a noun']
    """

    def reject(slot: Slot, word: str) -> str | None:
        lemma = lemma_of(word, slot.pos)
        if not _is(word, lemma, slot.pos, lexicon):
            return f"not {'an' if slot.pos[0] == 'a' else 'a'} {slot.pos}"
        if slot.tag.startswith(_INFLECTED) and inflect(lemma, slot.tag) != word:
            return "the wrong form"
        if slot.pos == "preposition":
            return None
        return lexicon.related(_lemma(slot), lemma, slot.pos)

    return reject


def exclusion_rules(lexicon: Lexicon) -> Reject:
    """Rules that leave only pairs of which one is false wherever the other is true.

    >>> rules = exclusion_rules(Lexicon.load())
    >>> slot = Slot("a man runs", 2, 5, "noun", tag="NN", lemma="man")
    >>> [rules(slot, word) for word in ("dog", "reporter", "woman")]
    [None, 'not exclusive', None]
    """

    def reject(slot: Slot, word: str) -> str | None:
        mine, other = _lemma(slot), lemma_of(word, slot.pos)
        pos = slot.pos
        if other in _rivals(mine, pos) or other in lexicon.antonyms(mine, pos):
            return None
        first, second = lexicon.lexname(mine, pos) or "", lexicon.lexname(other, pos) or ""
        if pos == "noun" and {first, second} <= _WHOLE and (first in _THINGS or second in _THINGS):
            return None
        if pos == "verb" and first == second and first in _DOINGS:
            return None
        return "not exclusive"

    return reject


def all_of(*rules: Reject) -> Reject:
    """One rule out of several: the first reason found."""

    def reject(slot: Slot, word: str) -> str | None:
        return next((why for rule in rules if (why := rule(slot, word)) is not None), None)

    return reject


def _lemma(slot: Slot) -> str:
    return slot.lemma or lemma_of(slot.source, slot.pos)


def _is(word: str, lemma: str, pos: PartOfSpeech, lexicon: Lexicon) -> bool:
    """Whether a word is mostly this part of speech; WordNet has "an" and "b" as nouns."""
    if pos == "preposition":
        return word in PREPOSITIONS
    if (
        len(word) < 2
        or word in FUNCTION_WORDS
        or word in PREPOSITIONS
        or not lexicon.has_pos(word, pos)
    ):
        return False
    others: list[PartOfSpeech] = [
        other for other in PARTS_OF_SPEECH if other not in (pos, "preposition")
    ]
    elsewhere = max(lexicon.frequency(lemma_of(word, other), other) for other in others)
    return elsewhere <= _RARELY * (lexicon.frequency(lemma, pos) + 1)


def _rivals(lemma: str, pos: PartOfSpeech) -> frozenset[str]:
    """The words that some curated set offers against this one."""
    found = phrases(pos).get(lemma, ())
    return frozenset(
        word
        for word_set, group in found
        for rival in word_set.rivals(group)
        for word in rival.offered
    )
