"""Clean text as CLIP does, keeping each character's position in the original string.

CLIP runs ftfy, unescapes HTML twice, collapses whitespace and lower-cases. Here: the parts of ftfy
that touch real captions (curly quotes, full-width forms, Latin ligatures, lone surrogates) and the
HTML step. Unicode composition (NFC) and lower-casing belong to the tokenizer, which keeps offsets
through them; whitespace only separates tokens.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

# The reference syntax of `html.unescape`, one match per reference.
_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
_ODD_CHARACTER = re.compile(
    "[\u02bc\u2018-\u201b\u201c-\u201f\ufb00-\ufb06\uff01-\uff5e\ud800-\udfff]"
)
_LIGATURES = ("ff", "fi", "fl", "ffi", "ffl", "ſt", "st")


@dataclass(frozen=True)
class CleanText:
    """A cleaned string; `starts[i]` and `ends[i]` bound, in the original string, what character i
    came from.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original string behind the non-empty span [start, end) of the cleaned
        one.
        """
        return self.starts[start], self.ends[end - 1]


def clean(text: str) -> CleanText:
    """Unescape HTML (twice, as CLIP does) and straighten odd characters.

    >>> clean("Tom &amp;amp; Jerry’s").text
    "Tom & Jerry's"
    >>> cleaned = clean("a &lt; b")
    >>> cleaned.original_span(2, 3)
    (2, 6)
    """
    places = range(len(text))
    result = CleanText(text, tuple(places), tuple(place + 1 for place in places))
    for _ in range(2):
        result = _substitute(result, _REFERENCE, html.unescape)
    return _substitute(result, _ODD_CHARACTER, _straighten)


def _straighten(character: str) -> str:
    code = ord(character)
    if 0xFB00 <= code <= 0xFB06:
        return _LIGATURES[code - 0xFB00]
    if 0xFF01 <= code <= 0xFF5E:
        return chr(code - 0xFEE0)
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return '"' if code >= 0x201C else "'"


def _substitute(
    source: CleanText, pattern: re.Pattern[str], replacement: Callable[[str], str]
) -> CleanText:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for match in pattern.finditer(source.text):
        first, last = match.span()
        new = replacement(match.group())
        pieces += (source.text[done:first], new)
        starts += (*source.starts[done:first], *[source.starts[first]] * len(new))
        ends += (*source.ends[done:first], *[source.ends[last - 1]] * len(new))
        done = last
    if not pieces:
        return source
    pieces.append(source.text[done:])
    return CleanText(
        "".join(pieces), (*starts, *source.starts[done:]), (*ends, *source.ends[done:])
    )
