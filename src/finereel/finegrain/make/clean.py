"""The default generator: replace one word by another in the right form, so that the sentence stays
grammatical and becomes false.

What may be proposed stands in `candidates`, what is refused in `rejection`. Nothing here draws a
word at random: chance only decides which of too many are kept.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from finereel.data.base import Caption
from finereel.finegrain.make.candidates import SOURCES, Candidate, candidates_for
from finereel.finegrain.make.context import Context
from finereel.finegrain.make.rejection import Case, Collocations, Encode, RejectionRules
from finereel.finegrain.make.settings import GeneratorSettings
from finereel.finegrain.make.sites import Edit, Site, find_sites, replace
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.finegrain.words.inflection import inflect
from finereel.finegrain.words.sets import SPELLINGS, phrase_book
from finereel.finegrain.words.tagging.words import Token

GENERATOR = "clean-2"
_UNINFLECTED = ("adverb", "preposition")


@dataclass(frozen=True, slots=True)
class Draft:
    """A negative before it is chosen: where, what, how it reads."""

    site: Site
    candidate: Candidate
    edit: Edit


class CleanGenerator:
    """Makes the negatives of one caption at a time; see the module."""

    def __init__(
        self, context: Context, settings: GeneratorSettings, encode: Encode | None = None
    ) -> None:
        self.settings = settings
        self.context = context
        # Opposites and sisters need the evidence of many captions.
        self._sources = {
            name: ask for name, ask in SOURCES.items() if context.attested or name == "set"
        }
        self._collocations = Collocations(context.lexicon)
        self.judge = RejectionRules(context, self._collocations, settings.max_words, encode)

    def negatives(self, row: Caption, tokens: Sequence[Token]) -> list[Negative]:
        """The negatives of a caption, part of speech by part of speech; the same every time."""
        found = []
        for pos in self.settings.parts_of_speech:
            drafts = {draft.edit.text: draft for draft in self._drafts(row, tokens, pos)}
            chosen = choose(list(drafts.values()), self.settings, row.id, pos)
            found += [self._row(row, draft, number) for number, draft in enumerate(chosen)]
        return found

    def sites(self, row: Caption, tokens: Sequence[Token], pos: PartOfSpeech) -> Iterator[Site]:
        """Where a word of this part of speech may be changed: certain, and no part of a larger
        unit.
        """
        words = list(accumulate(token.text[0].isalnum() for token in tokens))
        for site in find_sites(row.text, tokens, pos, phrase_book(pos)):
            if words[site.last - 1] > self.settings.max_words - 2:
                return  # a word is a token at least: nothing behind this one can be within the row
            if self._collocations.protects(site) is None:
                yield site

    def why_not(self, row: Caption, site: Site, candidate: Candidate) -> str | None:
        """Why a candidate may not stand at a site of the caption; None when it may."""
        case = self._case(row, site, candidate)
        return "no such form" if case is None else self.judge.why_not(case)

    def _drafts(self, row: Caption, tokens: Sequence[Token], pos: PartOfSpeech) -> Iterator[Draft]:
        for site in self.sites(row, tokens, pos):
            for candidate in candidates_for(site, self.context.lexicon, self._sources):
                case = self._case(row, site, candidate)
                if case is not None and self.judge.why_not(case) is None:
                    yield Draft(site, candidate, case.edit)

    def _case(self, row: Caption, site: Site, candidate: Candidate) -> Case | None:
        form = candidate.lemma if site.pos in _UNINFLECTED else inflect(candidate.lemma, site.tag)
        if not form:
            return None
        edit = replace(row.text, site.start, site.end, form)
        return Case(site, candidate, form, edit, self.context.video(row.video_id))

    def _row(self, row: Caption, draft: Draft, number: int) -> Negative:
        site, candidate = draft.site, draft.candidate
        return Negative.of(
            row,
            site.start,
            site.end,
            id=f"{row.id}/{site.pos}/{number}",
            negative=draft.edit.text,
            pos=site.pos,
            replacement=draft.edit.written,
            method=candidate.method,
            lemma=site.lemma,
            replacement_lemma=candidate.lemma,
            tag=site.tag,
            sense=candidate.sense,
            seed=self.settings.seed,
            generator=GENERATOR,
        )


def rng_of(settings: GeneratorSettings, caption_id: str, pos: str) -> random.Random:
    """Make the random generator of one caption and part of speech, independent of all others."""
    digest = hashlib.blake2b(
        f"{settings.seed}\0{pos}\0{caption_id}".encode(errors="surrogatepass"), digest_size=8
    )
    return random.Random(int.from_bytes(digest.digest(), "big"))


def one_spelling(drafts: list[Draft], chance: random.Random) -> list[Draft]:
    """Keep one spelling per word ("grey" or "gray").

    It is chosen at random, so that neither spelling becomes a cue.
    """
    spellings: dict[tuple[int, str], list[Draft]] = {}
    for draft in drafts:
        lemma = draft.candidate.lemma
        spellings.setdefault((draft.site.start, SPELLINGS.get(lemma, lemma)), []).append(draft)
    return [twins[0] if len(twins) == 1 else chance.choice(twins) for twins in spellings.values()]


def choose(
    drafts: list[Draft], settings: GeneratorSettings, caption_id: str, pos: str
) -> list[Draft]:
    """Choose at most `per_caption` of them, each word in one spelling, in the order found."""
    drafts = one_spelling(drafts, rng_of(settings, caption_id, f"{pos} spelling"))
    if len(drafts) <= settings.per_caption:
        return drafts
    numbers = rng_of(settings, caption_id, pos).sample(range(len(drafts)), settings.per_caption)
    return [drafts[number] for number in sorted(numbers)]
