"""Replace one span of a caption: keep its capitalisation, correct the article before it, leave the
rest unchanged.
"""

import re
from dataclasses import dataclass

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
