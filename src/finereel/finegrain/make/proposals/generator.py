"""The default generator with a language model as an additional source; its words pass the same
rules.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from finereel.data.base import Caption
from finereel.finegrain.make.candidates import Candidate
from finereel.finegrain.make.clean import CleanGenerator, Draft, choose
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.proposals import open_proposer
from finereel.finegrain.make.proposals.types import Proposal, Proposer, Reject, Slot
from finereel.finegrain.make.rejection import Encode
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.make.sites import Site
from finereel.finegrain.types import PARTS_OF_SPEECH, Negative, PartOfSpeech
from finereel.finegrain.words.inflection import inflect, lemma_of
from finereel.finegrain.words.lexicon import FUNCTION_WORDS, PREPOSITIONS, Lexicon
from finereel.finegrain.words.sets import phrases
from finereel.finegrain.words.tagging.words import Token

_UNINFLECTED = ("adverb", "preposition")


@dataclass(frozen=True, slots=True)
class ProposedDraft(Draft):
    """A negative a model proposed, before it is chosen."""

    proposal: Proposal


class ProposingGenerator(CleanGenerator):
    """Makes the negatives of one caption at a time, from the rules and from a proposer; one
    question per site.

    Where both propose the same word, the rules' provenance stays.
    """

    def __init__(
        self,
        context: Context,
        settings: GeneratorSettings,
        proposer: Proposer,
        encode: Encode | None = None,
    ) -> None:
        super().__init__(context, settings, encode)
        self.proposer = proposer
        rules = word_rules(context.lexicon)
        self._rules = (
            rules if proposer.verifies else all_of(rules, exclusion_rules(context.lexicon))
        )

    def negatives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """The negatives of a caption, part of speech by part of speech. Raises ProposalError where
        the model fails.
        """
        proposed = self._proposed(row, tokens)
        found = []
        for pos in self.settings.parts_of_speech:
            drafts = {
                draft.edit.text: draft
                for draft in (*proposed.get(pos, ()), *self._drafts(row, tokens, pos))
            }
            chosen = choose(list(drafts.values()), self.settings, row.id, pos)
            found += [self._row(row, draft, number) for number, draft in enumerate(chosen)]
        return found

    def _proposed(
        self, row: Caption, tokens: Sequence[Token]
    ) -> dict[PartOfSpeech, list[ProposedDraft]]:
        sites = {
            _slot(site): site
            for pos in self.settings.parts_of_speech
            for site in self.sites(row, tokens, pos)
        }

        def reject(slot: Slot, word: str) -> str | None:
            return self._rules(slot, word) or self._against(row, sites[slot], word)

        found: dict[PartOfSpeech, list[ProposedDraft]] = {}
        outcomes = self.proposer.propose(list(sites), reject) if sites else []
        for site, outcome in zip(sites.values(), outcomes, strict=True):
            found.setdefault(site.pos, []).extend(self._drafts_of(row, site, outcome.proposals))
        return found

    def _against(self, row: Caption, site: Site, word: str) -> str | None:
        """Why not, by the rules of the generator; nor may a related word be said of the video (a
        car, "vehicle").
        """
        candidate = _candidate(site, word)
        related, video = self.context.lexicon.related, self.context.video(row.video_id)
        if site.pos != "preposition" and any(
            related(candidate.lemma, said, site.pos) for said in video.words
        ):
            return "said_of_video"
        return self.why_not(row, site, candidate)

    def _drafts_of(
        self, row: Caption, site: Site, proposals: Sequence[Proposal]
    ) -> Iterator[ProposedDraft]:
        for proposal in proposals:
            candidate = _candidate(site, proposal.replacement, proposal.method, proposal.sense)
            case = self._case(row, site, candidate)
            if case is not None:
                yield ProposedDraft(site, candidate, case.edit, proposal)

    def _row(self, row: Caption, draft: Draft, number: int) -> Negative:
        made = super()._row(row, draft, number)
        return (
            replace(made, scores=draft.proposal.scores)
            if isinstance(draft, ProposedDraft)
            else made
        )


def generator_for(
    context: Context, settings: GeneratorSettings, encode: Encode | None = None
) -> ProposingGenerator:
    """The generator `settings.propose` asks for. It does not cross processes: each opens its own.

    Raises ConfigError for a specification that is none.
    """
    return ProposingGenerator(
        context, settings, open_proposer(settings.propose, settings.propose_cache), encode
    )


def _slot(site: Site) -> Slot:
    return Slot(site.caption, site.start, site.end, site.pos, site.tag, site.lemma)


def _candidate(site: Site, word: str, method: str = "", sense: tuple[str, ...] = ()) -> Candidate:
    lemma = word if site.pos in _UNINFLECTED else lemma_of(word, site.pos)
    return Candidate(lemma, method, sense, frozenset([lemma, word]))


# Rules for a word of a model before it is verified: its part of speech, its form, and no relation
# of meaning.
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
