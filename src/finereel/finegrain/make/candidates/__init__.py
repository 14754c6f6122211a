"""Candidates: words that could replace a word. Each source is one file; the registry lists the
sources per part of speech, the safest first. `finereel.finegrain.make.rejection` then checks every
candidate.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from finereel.finegrain.make.candidates import antonyms, curated, sisters
from finereel.finegrain.make.candidates.base import Candidate
from finereel.finegrain.make.sites import Site
from finereel.finegrain.types import PartOfSpeech
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import phrases

__all__ = ["CANDIDATES", "SOURCES", "Candidate", "candidates_for"]

Source = Callable[[Site, Lexicon], Iterator[Candidate]]

SOURCES: Mapping[str, Source] = MappingProxyType(
    {"set": curated.candidates, "antonym": antonyms.candidates, "sister": sisters.candidates}
)
CANDIDATES: Mapping[PartOfSpeech, tuple[str, ...]] = MappingProxyType(
    {
        "noun": ("set", "sister"),
        "verb": ("set",),
        "adjective": ("set", "antonym"),
        "adverb": ("set",),
        "preposition": ("set",),
    }
)


def candidates_for(
    site: Site, lexicon: Lexicon, sources: Mapping[str, Source] = SOURCES
) -> Iterator[Candidate]:
    """All candidates for a site. The curated sets have the last word on the words they know; other
    sources are asked about the rest.
    """
    curated_word = site.lemma in phrases(site.pos)
    for name in CANDIDATES[site.pos]:
        if name in sources and curated_word == (name == "set"):
            yield from sources[name](site, lexicon)
