"""Find the places in a caption where a word could be changed, and the words around them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from finereel.finegrain.types import PartOfSpeech
from finereel.finegrain.words.tagging.words import Token

DETERMINERS = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "his",
        "her",
        "its",
        "their",
        "my",
        "your",
        "our",
        "some",
    ]
)
_INSIDE_PHRASE = ("DT", "PRP$", "JJ", "CD", "NN", "RB", "VBN", "PDT", "POS")
_FAR = 5


@dataclass(frozen=True, slots=True)
class Site:
    """The tokens [first, last) of a caption as one word (or fixed phrase) of a part of speech.

    lemma: what is looked up, words of a phrase joined by spaces. tag: Penn tag the replacement must
    be inflected to.
    """

    caption: str
    tokens: Sequence[Token]
    first: int
    last: int
    pos: PartOfSpeech
    lemma: str
    tag: str

    @property
    def start(self) -> int:
        """First character in the caption."""
        return self.tokens[self.first].start

    @property
    def end(self) -> int:
        """Character after the last."""
        return self.tokens[self.last - 1].end

    @property
    def source(self) -> str:
        """The characters to be replaced."""
        return self.caption[self.start : self.end]

    def word(self, offset: int) -> str:
        """The lower-case word `offset` places before (negative) or after (from 1) the site; ""
        outside the caption.
        """
        at = self.first + offset if offset < 0 else self.last + offset - 1
        return self.tokens[at].text.lower() if 0 <= at < len(self.tokens) else ""

    def others(self) -> Iterator[str]:
        """The lower-case words of the caption outside the site."""
        return (
            token.text.lower()
            for at, token in enumerate(self.tokens)
            if not self.first <= at < self.last
        )

    def in_compound(self) -> bool:
        """Whether a noun stands directly before or behind, as in "city street"."""
        around = (*self.tokens[: self.first][-1:], *self.tokens[self.last :][:1])
        return any(token.pos == "noun" for token in around)

    def left(self) -> str:
        """The next lower-case word to the left that is no determiner."""
        return next(
            (
                token.text.lower()
                for token in self._before()
                if token.text.lower() not in DETERMINERS
            ),
            "",
        )

    def right(self) -> str:
        """The next lower-case word to the right that is no determiner."""
        after = (token.text.lower() for token in self.tokens[self.last :])
        return next((word for word in after if word not in DETERMINERS), "")

    def head(self) -> Token | None:
        """The noun that an adjective here describes, or that a preposition or verb here governs:
        the last of the first row of nouns to the right, with only determiners, adjectives and
        numbers between, or the pronoun right behind. None where there is none.
        """
        return self._head_from(self.last)

    def place(self) -> Token | None:
        """The noun that a preposition directly behind the site governs. None where there is
        none.
        """
        behind = self.last < len(self.tokens) and self.tokens[self.last].pos == "preposition"
        return self._head_from(self.last + 1) if behind else None

    def _head_from(self, at: int) -> Token | None:
        found = None
        for token in self.tokens[at:]:
            if token.pos == "noun":
                found = token
            elif found is None and token.tag == "PRP":
                return token
            elif found is not None or not (
                token.tag.startswith(_INSIDE_PHRASE) or token.text.lower() in DETERMINERS
            ):
                break
        return found

    def verb(self) -> Token | None:
        """The nearest verb to the left, at most five tokens away."""
        return next((token for token in self._before(_FAR) if token.tag.startswith("VB")), None)

    def subject(self) -> Token | None:
        """The nearest noun or pronoun to the left: for a verb, most often who does it."""
        return next(
            (
                token
                for token in self._before()
                if token.pos == "noun" or token.tag in ("PRP", "WP")
            ),
            None,
        )

    def _before(self, most: int | None = None) -> Iterator[Token]:
        stop = 0 if most is None else max(0, self.first - most)
        return (self.tokens[at] for at in range(self.first - 1, stop - 1, -1))


class PhraseBook:
    """Fixed phrases of several words, found by their first.

    >>> book = PhraseBook(["in front of", "dog"])
    >>> book.longest("in"), "in front of" in book, book.longest("dog")
    (3, True, 1)
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._phrases = frozenset(phrase for phrase in phrases if " " in phrase)
        self._longest: dict[str, int] = {}
        for phrase in self._phrases:
            words = phrase.split(" ")
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 1))

    def __contains__(self, phrase: str) -> bool:
        return phrase in self._phrases

    def longest(self, word: str) -> int:
        """Words of the longest phrase that begins with it; 1 where none does."""
        return self._longest.get(word, 1)


def find_sites(
    caption: str, tokens: Sequence[Token], pos: PartOfSpeech, book: PhraseBook
) -> Iterator[Site]:
    """Every word of a part of speech that the taggers are sure of, and every phrase of the book,
    longest first.

    A word inside such a phrase is no site of its own.
    """
    at = 0
    while at < len(tokens):
        token = tokens[at]
        longest = book.longest(token.lemma if pos == "verb" else token.text.lower())
        tried = (_phrase(caption, tokens, pos, at, length) for length in range(longest, 1, -1))
        site = next(
            (phrase for phrase in tried if phrase is not None and phrase.lemma in book), None
        )
        if site is None and token.pos == pos and token.sure:
            site = Site(caption, tokens, at, at + 1, pos, token.lemma, token.tag)
        if site is not None:
            yield site
        at = site.last if site is not None else at + 1


def _phrase(
    caption: str, tokens: Sequence[Token], pos: PartOfSpeech, at: int, length: int
) -> Site | None:
    """`length` tokens as one word: a verb is inflected in its first, a noun in its last. None past
    the end.
    """
    part = tokens[at : at + length]
    words = [token.text.lower() for token in part]
    inflected = {"verb": 0, "noun": -1}.get(pos)
    if len(part) < length or (inflected is not None and part[inflected].pos != pos):
        return None
    if inflected is not None:
        words[inflected] = part[inflected].lemma
    return Site(caption, tokens, at, at + length, pos, " ".join(words), part[inflected or 0].tag)


# One span of a caption replaced: its casing kept, the article before it mended, everything else
# left as it was.
_ARTICLE = re.compile(r"(?<!\w)(an?)(\s+)$", re.IGNORECASE)
_VOWEL_SOUND = re.compile(r"hour|honest|honou?r|heir|8|11(?!\d)|18(?!\d)|x-|[aeiou]", re.IGNORECASE)
_CONSONANT_SOUND = re.compile(
    r"one(?![a-z])|once|ewe|eu|us[aeu]|ut[ei]|ur[ai]|uni(?![nm])|ubiq|ufo|uk(?![a-z])|ukulele|u-",
    re.IGNORECASE,
)
# Letters: shorter words in capitals are abbreviations (TV, SUV), what replaces them is none
_EMPHASIS = 4


@dataclass(frozen=True, slots=True)
class Edit:
    """A caption after its edit; `text[start:end]` is what now stands there, in the casing it was
    given.
    """

    text: str
    start: int
    end: int

    @property
    def written(self) -> str:
        """What now stands there."""
        return self.text[self.start : self.end]


def replace(caption: str, start: int, end: int, replacement: str) -> Edit:
    """Put `replacement` where `caption[start:end]` was, and nowhere else.

    A capitalised source makes a capitalised replacement, one in capitals (abbreviations apart)
    capitals; so does a caption in capitals. "a" or "an" right before it is made to fit. Raises
    ValueError when the span is empty or outside the caption.

    >>> replace("An orange car near a car", 3, 9, "blue").text
    'A blue car near a car'
    """
    if not 0 <= start < end <= len(caption):
        raise ValueError(
            f"expected a span inside the {len(caption)} characters of the caption, got "
            f"{start}:{end}"
        )
    shouted = caption.isupper()
    new = _cased(caption[start:end], replacement, shouted)
    before = caption[:start]
    found = _ARTICLE.search(before)
    if found:
        before = (
            before[: found.start(1)] + _cased(found[1], article(replacement), shouted) + found[2]
        )
    return Edit(before + new + caption[end:], len(before), len(before) + len(new))


def article(word: str) -> str:
    """ "a" or "an", by how the word begins to sound.

    >>> [article(word) for word in ("hour", "horse", "umbrella", "unicycle", "SUV")]
    ['an', 'a', 'an', 'a', 'an']
    """
    if _CONSONANT_SOUND.match(word):
        return "a"
    spelled = len(word) > 1 and word.isupper() and word[0] in "FHLMNRSX"  # SUV, MP3
    return "an" if spelled or _VOWEL_SOUND.match(word) else "a"


def _cased(source: str, replacement: str, shouted: bool) -> str:
    capitals = source.isupper()
    if capitals and (shouted or len(source) >= _EMPHASIS):
        return replacement.upper()
    titled = source[:1].isupper() and (not capitals or len(source) == 1)
    return replacement[:1].upper() + replacement[1:] if titled else replacement
