"""Candidates from the curated sets: words of groups that exclude the word's own group."""

from collections.abc import Iterator

from finereel.finegrain.make.candidates.base import Candidate
from finereel.finegrain.make.sites import Site
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import phrases


def candidates(site: Site, lexicon: Lexicon) -> Iterator[Candidate]:
    """Every offered word of every rival group, where the set's frame fits the site."""
    for word_set, group in phrases(site.pos).get(site.lemma, ()):
        if not word_set.frame.fits(site, lexicon):
            continue
        for rival in word_set.rivals(group):
            sense = (f"{word_set.name}/{group.name}", f"{word_set.name}/{rival.name}")
            for lemma in rival.offered:
                yield Candidate(
                    lemma, f"set:{word_set.name}", sense, rival.signs, word_set.unless, certain=True
                )
