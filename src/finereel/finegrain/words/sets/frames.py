"""Frames: conditions on the words around a word of a set, which must hold for both words of a swap."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from finereel.finegrain.make.sites import Site
from finereel.finegrain.words.lexicon import Lexicon
from finereel.finegrain.words.tagging.words import Token

PRONOUNS = frozenset(["he", "she", "they", "who", "him", "her", "them", "someone", "somebody"])


@dataclass(frozen=True, slots=True)
class Frame:
    """Lists of words; an empty list asks nothing. A word with a dot in it is a lexicographer file
    ("noun.animal").

    heads, not_heads: the noun described or governed (see `Site.head`). not_places: the noun behind
    a preposition that follows (`Site.place`). verbs, not_verbs: the nearest verb to the left.
    subjects: the nearest noun or pronoun to the left. next, not_next, prev, not_prev: the
    neighbouring words, "." for the end or start of the caption. tags, next_tags, not_next_tags,
    head_tags: Penn tags of word, next word, head.
    without: nowhere else in the caption.
    """

    heads: frozenset[str] = frozenset()
    not_heads: frozenset[str] = frozenset()
    not_places: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    not_verbs: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    next: frozenset[str] = frozenset()
    not_next: frozenset[str] = frozenset()
    prev: frozenset[str] = frozenset()
    not_prev: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    next_tags: frozenset[str] = frozenset()
    not_next_tags: frozenset[str] = frozenset()
    head_tags: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    @staticmethod
    def of(table: Mapping[str, str]) -> "Frame":
        """The frame of a TOML table of space-separated words. ValueError for a condition it does
        not know.
        """
        names = {field.name for field in fields(Frame)}
        stray = sorted(set(table) - names)
        if stray:
            raise ValueError(f"unknown condition {stray[0]!r}: expected {', '.join(sorted(names))}")
        return Frame(
            **{
                key: frozenset(word.replace("_", " ") for word in value.split())
                for key, value in table.items()
            }
        )

    def fits(self, site: Site, lexicon: Lexicon) -> bool:
        """Whether the surroundings of a site meet every condition."""
        after, before = site.word(1) or ".", site.word(-1) or "."
        return (
            (not self.tags or site.tag in self.tags)
            and self._fits_next_tag(site)
            and (not self.next or after in self.next)
            and after not in self.not_next
            and (not self.prev or before in self.prev)
            and before not in self.not_prev
            and (not self.subjects or _among(site.subject(), self.subjects, lexicon))
            and (
                not (self.heads or self.not_heads or self.head_tags)
                or self._fits_head(site, lexicon)
            )
            and (not self.not_places or not _among(site.place(), self.not_places, lexicon))
            and (not (self.verbs or self.not_verbs) or self._fits_verb(site))
            and (not self.without or not any(word in self.without for word in site.others()))
        )

    def _fits_next_tag(self, site: Site) -> bool:
        tag = site.tokens[site.last].tag if site.last < len(site.tokens) else "."
        return (not self.next_tags or tag in self.next_tags) and tag not in self.not_next_tags

    def _fits_head(self, site: Site, lexicon: Lexicon) -> bool:
        head = site.head()
        if self.head_tags and (head is None or head.tag not in self.head_tags):
            return False
        wanted = not self.heads or _among(head, self.heads, lexicon)
        return wanted and not _among(head, self.not_heads, lexicon)

    def _fits_verb(self, site: Site) -> bool:
        verb = site.verb()
        lemma = verb.lemma if verb else ""
        return (not self.verbs or lemma in self.verbs) and lemma not in self.not_verbs


def _among(token: Token | None, words: frozenset[str], lexicon: Lexicon) -> bool:
    if token is None:
        return False
    if token.text.lower() in PRONOUNS and "noun.person" in words:
        return True
    return token.lemma in words or lexicon.lexname(token.lemma, "noun") in words
