"""CANDIDATES: what could stand in place of a word. Each source is one function; the registry says
which parts of speech ask which sources, the safest first. What they propose is then judged by
`finereel.finegrain.make.rejection`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from finereel.finegrain.make.sites import Site
from finereel.finegrain.types import PartOfSpeech
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets import phrases, word_list

# General or not to be seen: here/there, first/last, good/bad.
NO_ANTONYM = word_list("no_antonym")
# One animal or plant is of one kind. Persons are not (a man can be a reporter), made things often
# not (a bottle is a container, a robe covers a shirt), and where one food is cooked there are
# others.
KINDS = frozenset(["noun.animal", "noun.plant"])
WHOLE_KINDS = frozenset(
    ["animal", "plant", "fruit", "mammal", "reptile", "rodent", "insect", "bacterium"]
)
LEAST_DOMINANCE, LEAST_COUNT = 0.6, 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """lemma: the word, uninflected, words of a phrase joined by spaces. method: the source that
    proposed it, such as "set:colour". sense: what was looked up. signs: words that show the
    candidate may be true of a video when one of its captions has them. unless: words that make the
    swap unsafe for the video altogether. certain: exclusion is curated, so that the lexicon need
    not be asked.
    """

    lemma: str
    method: str
    sense: tuple[str, ...]
    signs: frozenset[str]
    unless: frozenset[str] = frozenset()
    certain: bool = False


def from_sets(site: Site, lexicon: Lexicon) -> Iterator[Candidate]:
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


def from_antonyms(site: Site, lexicon: Lexicon) -> Iterator[Candidate]:
    """Direct opposites of the dominant meaning, where that meaning holds most of the word's
    uses.
    """
    if site.lemma in NO_ANTONYM or lexicon.dominance(site.lemma, site.pos) < 0.5:
        return
    for lemma in lexicon.antonyms(site.lemma, site.pos, dominant_only=True):
        if "_" in lemma or lemma in NO_ANTONYM:
            continue
        senses = lexicon.senses(lemma, site.pos)
        signs = lexicon.synonyms(lemma, site.pos, dominant_only=True) | {lemma}
        dominant = lexicon.dominant(site.lemma, site.pos)
        sense = (dominant.id if dominant else "", senses[0].synset.id if senses else "")
        yield Candidate(lemma, "antonym", sense, signs)


def from_sisters(site: Site, lexicon: Lexicon) -> Iterator[Candidate]:
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


Source = Callable[[Site, Lexicon], Iterator[Candidate]]

SOURCES: Mapping[str, Source] = MappingProxyType(
    {"set": from_sets, "antonym": from_antonyms, "sister": from_sisters}
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
