"""Which words of a query are looked for in what is said, and where a text has them."""

import re
import unicodedata
from dataclasses import dataclass

_QUOTED = re.compile(r'"([^"]+)"|“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»|「([^「」]+)」')
_EDGES = re.compile(r"^\W+|\W+$")
_GAPS = re.compile(r"[\W_]+")

_COMMON = (
    "a about above after again all also am an and any are as at be been before being below but by "
    "can could did do does doing down during each few for from further had has have having he her "
    "here hers him his how i if in into is it its itself just me more most my no nor not now of "
    "off on once only or other our out over own same she should so some such than that the their "
    "them then there these they this those through to too under until up very was we were what "
    "when where which while who whom why will with would you your"
)
COMMON = frozenset(_COMMON.split())
"""English words that any text has, and that alone ask for nothing."""

LONGEST_EXCERPT = 240


@dataclass(frozen=True)
class SpokenWords:
    """What must be said in a clip: every one of some phrases, word for word; without any, all of
    some words, in whatever order.
    """

    phrases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.phrases or self.words)


def spoken_words(text: str) -> SpokenWords:
    """The words of a query that a clip may say: what stands in quotation marks, or else all words
    but the commonest; these too where there are no others.

    >>> spoken_words("a man says hello")
    SpokenWords(phrases=(), words=('man', 'says', 'hello'))
    >>> spoken_words('a man says "good morning"').phrases
    ('good morning',)
    """
    quoted = ("".join(groups).strip() for groups in _QUOTED.findall(text))
    phrases = tuple(phrase for phrase in quoted if _folded(phrase))
    if phrases:
        return SpokenWords(phrases)
    words = [_EDGES.sub("", part) for part in text.split()]
    words = [word for word in words if word]
    telling = [word for word in words if word.casefold() not in COMMON]
    return SpokenWords(words=tuple(telling or words))


def excerpt(said: str, asked: SpokenWords) -> str:
    """The lines of what is said in a clip that have what was asked, shortened.

    >>> excerpt("Good evening.\\nThe dog barks.", spoken_words("a dog"))
    'The dog barks.'
    """
    lines = said.split("\n")
    wanted = [_folded(part) for part in asked.phrases or asked.words]
    chosen = [line for line in lines if any(part in _folded(line) for part in wanted)]
    text = " / ".join(chosen or lines)  # a phrase may begin in one line and end in the next
    return text if len(text) <= LONGEST_EXCERPT else f"{text[: LONGEST_EXCERPT - 1]}…"


def _folded(text: str) -> str:
    """Equal for texts that differ in capitals, accents and marks only."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _GAPS.sub(" ", bare.casefold()).strip()
