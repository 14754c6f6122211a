"""Collocations such as "hot dog", "pick up" and "race car" that must not be split, and verbs with
little meaning of their own.
"""

from functools import lru_cache

from finereel.finegrain.make.sites import Site
from finereel.finegrain.words.function_words import PREPOSITIONS
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.sets.protected import word_list

LIGHT_VERBS = word_list("light_verbs")
PARTICLES = word_list("particles")
_FREE_FIRST = word_list("free_first")
_FIXED = word_list("fixed")
_SPANS = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (3, 0), (0, 3), (2, 1), (1, 2))


class Collocations:
    """Tells whether a site is part of a larger unit, and whether a replacement would make one."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._is_unit = lru_cache(maxsize=1 << 18)(self._find_unit)

    def protects(self, site: Site) -> str | None:
        """The larger unit a site is part of, or None."""
        if site.pos == "verb" and site.lemma in LIGHT_VERBS:
            return "a light verb"
        text = site.source.lower()
        found = self._around(site, text) or (
            self._around(site, site.lemma) if site.lemma != text else None
        )
        return found or self._phrasal(site)

    def makes(self, site: Site, replacement: str) -> bool:
        """Whether a replacement would become part of a larger unit there ("hot" before "dog")."""
        return self._around(site, replacement.lower()) is not None

    def _around(self, site: Site, word: str) -> str | None:
        """The unit of two, three or four words that `word` and its neighbours at the site are, or
        None.
        """
        before, after = [site.word(-i) for i in (1, 2, 3)], [site.word(i) for i in (1, 2, 3)]
        for left, right in _SPANS:
            parts = [*before[:left][::-1], word, *after[:right]]
            if all(parts) and self._is_unit(" ".join(parts)):
                return " ".join(parts)
        return None

    def _find_unit(self, unit: str) -> bool:
        """Whether WordNet or the lists have it as one word, other than "young man" and the like."""
        if unit in _FIXED:
            return True
        *first, last = unit.split(" ")
        if first[0] in _FREE_FIRST:
            return False
        forms = [" ".join([*first, end]) for end in (last, *self._lexicon.lemmas_of(last, "noun"))]
        return any(
            form in PREPOSITIONS or form.replace(" ", "_") in self._lexicon.net for form in forms
        )

    def _phrasal(self, site: Site) -> str | None:
        """ "picks up", "throws the ball away": verb and particle in WordNet, and no noun phrase for
        the particle.
        """
        if site.pos != "verb" or " " in site.lemma:
            return None
        for at in range(site.last, min(site.last + 4, len(site.tokens))):
            word = site.tokens[at].text.lower()
            if word in PARTICLES and site.tokens[at].tag in ("RP", "RB"):
                unit = f"{site.lemma}_{word}"
                return unit if self._lexicon.senses(unit, "verb") else None
        return None
