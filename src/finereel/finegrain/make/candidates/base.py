"""A candidate: a word that could replace another, and the rule that proposed it."""

from dataclasses import dataclass


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
