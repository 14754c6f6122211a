"""Candidates from WordNet: words with the same hypernym, for kinds of things that exclude one
another.
"""

from collections.abc import Iterator

from finereel.finegrain.make.candidates.base import Candidate
from finereel.finegrain.make.sites import Site
from finereel.finegrain.words.lexicon import Lexicon

# One animal or plant is of one kind. Persons are not (a man can be a reporter), made things often
# not (a bottle is a container, a robe covers a shirt), and where one food is cooked there are
# others.
KINDS = frozenset(["noun.animal", "noun.plant"])
WHOLE_KINDS = frozenset(
    ["animal", "plant", "fruit", "mammal", "reptile", "rodent", "insect", "bacterium"]
)
LEAST_DOMINANCE, LEAST_COUNT = 0.6, 1


def candidates(site: Site, lexicon: Lexicon) -> Iterator[Candidate]:
    """Sister terms of the dominant meaning that are common words, in that meaning themselves."""
    mine = lexicon.dominant(site.lemma, site.pos)
    if (
        mine is None
        or site.lemma in WHOLE_KINDS
        or mine.lexname not in KINDS
        or lexicon.dominance(site.lemma, site.pos) < LEAST_DOMINANCE
    ):
        return
    for lemma in lexicon.sisters(site.lemma, site.pos):
        other = lexicon.dominant(lemma, site.pos)
        if other is None or "_" in lemma or other.lexname != mine.lexname:
            continue
        if (
            lexicon.dominance(lemma, site.pos) < LEAST_DOMINANCE
            or lexicon.frequency(lemma, site.pos) < LEAST_COUNT
        ):
            continue
        signs = (
            lexicon.synonyms(lemma, site.pos)
            | {lemma}
            | lexicon.hypernyms(lemma, site.pos) & {"animal", "vehicle"}
        )
        yield Candidate(lemma, "sister", (mine.id, other.id), frozenset(signs))
