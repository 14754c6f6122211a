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
from finereel.finegrain.make.proposals.rules import all_of, exclusion_rules, word_rules
from finereel.finegrain.make.proposals.types import Proposal, Proposer, Slot
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.make.sites import Site
from finereel.finegrain.make.window import Encode
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.finegrain.words.inflection import lemma_of
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
