"""Split a caption into words with their character offsets. The text is not normalised, so the
offsets hold for any string.
"""

import re
from dataclasses import dataclass
from typing import Literal

from finereel.finegrain.types import PartOfSpeech

WordClass = PartOfSpeech | Literal["other"]

# A word: letters, digits, underscores and the marks that combine with them, joined by hyphens; an
# apostrophe stays inside (o'clock, don't), but 's, 're, 've, 'll, 'd, 'm stand alone. Everything
# else that shows is its own token.
_MARKS = "\u0300-\u036f\u200c\u200d\ufe0f"
_LETTERS = rf"\w[\w{_MARKS}]*"
_CLITIC = r"['’](?:s|re|ve|ll|d|m)(?!\w)"
_TOKEN = re.compile(
    rf"(?<=\w){_CLITIC}|{_LETTERS}(?:-{_LETTERS})*(?:(?!{_CLITIC})['’]{_LETTERS})*|\S",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a caption: `caption[start:end]` is `text`.

    tag: Penn Treebank tag. pos: the class a negative of it would count as, "other" where none.
    sure: whether every tagger asked gives that class.
    """

    text: str
    start: int
    end: int
    pos: WordClass
    lemma: str
    tag: str
    sure: bool


def tokenize(caption: str) -> list[tuple[str, int, int]]:
    """The tokens of a caption with their characters [start, end), in order, never overlapping.

    >>> tokenize("A man's T-shirt.")
    [('A', 0, 1), ('man', 2, 5), ("'s", 5, 7), ('T-shirt', 8, 15), ('.', 15, 16)]
    """
    return [(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(caption)]
