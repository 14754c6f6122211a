"""Find what changed between a caption and its negative, in whole words, for files that do not state
it.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ARTICLES = {"a", "an"}
_INSIDE_WORDS = frozenset("'’-_")
_ENDS = ".!?… \t\r\n"
_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ChangedSpan:
    """The characters [start, end) of a caption, which are `source`, and what stands there in the
    negative.
    """

    start: int
    end: int
    source: str
    replacement: str


def changed_span(caption: str, negative: str) -> ChangedSpan:
    """The smallest stretch of whole words in which two texts differ.

    White space and a full stop at the end are no difference, and case only where nothing else
    differs. An article that was mended for the word behind it is left out; a word that was replaced
    wherever it stands counts once, at its first place. Where something was only added, `source` is
    empty.

    >>> changed_span("a man is running", "a man is walking")
    ChangedSpan(start=9, end=16, source='running', replacement='walking')
    >>> changed_span("an apple near a jar", "a pear near a jar")
    ChangedSpan(start=3, end=8, source='apple', replacement='pear')
    >>> changed_span("up the hill, up the stairs", "down the hill, down the stairs")
    ChangedSpan(start=0, end=2, source='up', replacement='down')
    """
    span, spans = _apart(caption, negative, str.lower)
    if span[0] == span[1] and spans[0] == spans[1]:
        span, spans = _apart(caption, negative, str)
    span, spans = _without_article(caption, span, negative, spans)
    span, spans = _first_of_many(caption, span, negative, spans)
    return ChangedSpan(*span, caption[slice(*span)], negative[slice(*spans)])


def _apart(caption: str, negative: str, seen: Callable[[str], str]) -> tuple[_Span, _Span]:
    """The stretch of whole words in which each text differs from the other, comparing characters as
    `seen`.
    """
    ours, theirs = _letters(caption), _letters(negative)
    first, second = (
        [seen(caption[place]) for place in ours],
        [seen(negative[place]) for place in theirs],
    )
    alike = _shared(first, second)
    while alike and not (_border(caption, ours, alike) and _border(negative, theirs, alike)):
        alike -= 1
    rest, other = ours[alike:], theirs[alike:]
    tail = _shared(first[alike:][::-1], second[alike:][::-1])
    while tail and not (
        _border(caption, rest, len(rest) - tail) and _border(negative, other, len(other) - tail)
    ):
        tail -= 1
    return _span(caption, rest, tail), _span(negative, other, tail)


def _letters(text: str) -> list[int]:
    """Find the places of the characters that count: no white space, no full stop at the end."""
    return [place for place, character in enumerate(text.rstrip(_ENDS)) if not character.isspace()]


def _border(text: str, places: Sequence[int], number: int) -> bool:
    """Whether a word may begin or end before the character `number` of `places`."""
    if not 0 < number < len(places):
        return True
    before, after = places[number - 1], places[number]
    return after - before > 1 or not (_in_word(text[before]) and _in_word(text[after]))


def _in_word(character: str) -> bool:
    return (
        character.isalnum()
        or character in _INSIDE_WORDS
        or unicodedata.category(character).startswith("M")
    )


def _shared(first: Sequence[str], second: Sequence[str]) -> int:
    """How many items two sequences begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next(
        (number for number, (one, other) in pairs if one != other), min(len(first), len(second))
    )


def _span(text: str, places: Sequence[int], tail: int) -> _Span:
    """The stretch of all but the last `tail` characters of `places`; empty, it stands before the
    first of them.
    """
    changed = places[: len(places) - tail]
    if changed:
        return changed[0], changed[-1] + 1
    place = places[0] if places else len(text.rstrip(_ENDS))
    return place, place


def _words(text: str, span: _Span) -> list[_Span]:
    """The words of a stretch, without the punctuation around them."""
    found: list[_Span] = []
    start = None
    for place in range(span[0], span[1] + 1):
        inside = place < span[1] and _in_word(text[place])
        if inside and start is None:
            start = place
        elif not inside and start is not None:
            found.append((start, place))
            start = None
    return found


def _without_article(caption: str, span: _Span, negative: str, spans: _Span) -> tuple[_Span, _Span]:
    ours, theirs = _words(caption, span), _words(negative, spans)
    first, second = (
        text[slice(*words[0])].lower() if words else ""
        for text, words in ((caption, ours), (negative, theirs))
    )
    if (
        first != second
        and first in _ARTICLES
        and second in _ARTICLES
        and len(ours) > 1
        and len(theirs) > 1
    ):
        return (ours[1][0], span[1]), (theirs[1][0], spans[1])
    return span, spans


def _first_of_many(caption: str, span: _Span, negative: str, spans: _Span) -> tuple[_Span, _Span]:
    ours, theirs = _words(caption, span), _words(negative, spans)
    if len(ours) < 2 or len(ours) != len(theirs):
        return span, spans
    both = zip(ours, theirs, strict=True)
    pairs = [(caption[slice(*our)].lower(), negative[slice(*their)].lower()) for our, their in both]
    changed = [number for number, (our, their) in enumerate(pairs) if our != their]
    if len({pairs[number] for number in changed}) != 1:
        return span, spans
    return ours[changed[0]], theirs[changed[0]]
