"""Candidates from WordNet: antonyms of the word's most frequent sense, if a video can show the
difference.
"""

from collections.abc import Iterator

from finereel.finegrain.make.candidates.base import Candidate
from finereel.finegrain.make.sites import Site
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets.protected import word_list

# General or not to be seen: here/there, first/last, good/bad.
STOPPED = word_list("no_antonym")


def candidates(site: Site, lexicon: Lexicon) -> Iterator[Candidate]:
    """Direct opposites of the dominant meaning, where that meaning holds most of the word's
    uses.
    """
    if site.lemma in STOPPED or lexicon.dominance(site.lemma, site.pos) < 0.5:
        return
    for lemma in lexicon.antonyms(site.lemma, site.pos, dominant_only=True):
        if "_" in lemma or lemma in STOPPED:
            continue
        senses = lexicon.senses(lemma, site.pos)
        signs = lexicon.synonyms(lemma, site.pos, dominant_only=True) | {lemma}
        dominant = lexicon.dominant(site.lemma, site.pos)
        sense = (dominant.id if dominant else "", senses[0].synset.id if senses else "")
        yield Candidate(lemma, "antonym", sense, signs)
