"""Find the answers that a question names itself: "running" and "walking" in "is he running or
walking?".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


def word_set(text: str) -> frozenset[str]:
    """The words of a text, which is how lists of words are read best.

    >>> sorted(word_set("is are"))
    ['are', 'is']
    """
    return frozenset(text.split())


DETERMINERS = word_set(
    "a an the this that these those his her its their my your our some any no each every another "
    "both all one two three four five six seven eight nine ten"
)
PREPOSITIONS = word_set(
    "in on at by with without under over above below behind beside between near next inside outside "
    "into onto from to toward towards through across along around past off up down against among "
    "beneath beyond during for of upon within"
)
AUXILIARIES = word_set(
    "is are was were am do does did has have had can could will would should must may"
)
_TOKEN = re.compile(r"[,;:]|[^\s,;:]+")
_MARKS = ",;:"


@dataclass(frozen=True)
class Alternatives:
    """The answers named by the words of a question, and which words these are.

    Attributes:
        options: The answers, in their order; at least two.
        start: Number of the first word that belongs to them.
        stop: Number of the first word after them.
    """

    options: tuple[str, ...]
    start: int
    stop: int


def tokens(text: str) -> list[str]:
    """The words and the marks between clauses, without question marks and full stops at the end.

    >>> tokens("Red, or blue?")
    ['Red', ',', 'or', 'blue']
    """
    found = (token.rstrip("?!.") for token in _TOKEN.findall(text.replace("?", " ")))
    return [token for token in found if token]


def joined(words: Sequence[str]) -> str:
    """Words as a text; a comma stands close to the word before it."""
    return re.sub(r"\s+([,;:])", r"\1", " ".join(words))


def is_ing(word: str) -> bool:
    """Whether a word is the -ing form of a verb, as far as its letters tell."""
    return len(word) > 4 and word.lower().endswith("ing") and word.lower() not in _ING_NOUNS


_ING_NOUNS = word_set(
    "thing something nothing anything everything king ring string wing spring morning evening "
    "ceiling building wedding clothing painting"
)


def named_alternatives(words: Sequence[str], options: Sequence[str] = ()) -> Alternatives | None:
    """Where a question names its answers, joined by "or"; None where it names none.

    The words before "or" that begin as those after it do are the first answer: an article, a
    preposition or an -ing form, else it is a single word. What follows the last answer belongs to
    the whole question.

    Args:
        words: The words of the question.
        options: The answers where they are known; then only these are looked for at first.

    Example:
        >>> named_alternatives("is there a dog or a big cat on the sofa".split()).options
        ('a dog', 'a big cat')
        >>> named_alternatives("does it run or walk in the park".split()).options
        ('run', 'walk')
    """
    return _given(words, options) or _guessed(words)


def _given(words: Sequence[str], options: Sequence[str]) -> Alternatives | None:
    """The stretch of the question that holds nothing but the options, commas and "or"."""
    lower = [word.lower() for word in words]
    wanted = sorted(((tokens(option.lower()), option) for option in options), key=_longest_first)
    for start in range(len(lower)):
        at, found = start, list[str]()
        while True:
            for own, option in wanted:
                if own and lower[at : at + len(own)] == own and option not in found:
                    found.append(option)
                    at += len(own)
                    break
            else:
                break
            stop = at
            while at < len(lower) and (lower[at] == "or" or lower[at] in _MARKS):
                at += 1
            if at == stop:
                break
        if len(found) >= 2:
            return Alternatives(tuple(found), start, stop)
    return None


def _longest_first(pair: tuple[list[str], str]) -> int:
    return -len(pair[0])


def _guessed(words: Sequence[str]) -> Alternatives | None:
    lower = [word.lower() for word in words]
    places = [place for place, word in enumerate(lower) if word == "or"]
    if not places or not 1 <= places[-1] < len(words) - 1 or places[0] < 1:
        return None
    last = places[-1]
    first, kind = lower[last + 1], _kind(lower[last + 1])
    if first in AUXILIARIES:  # "or is he": another question
        return None
    # Each answer before "or" or a comma, from the last one back.
    ends = [last - 1 if lower[last - 1] in _MARKS else last]
    starts = [_begin(lower, ends[0], first)]
    while starts[-1] >= 2 and (lower[starts[-1] - 1] in _MARKS or lower[starts[-1] - 1] == "or"):
        end = starts[-1] - 1
        begin = _begin(lower, end, first)
        if begin == end:
            break
        starts.append(begin)
        ends.append(end)
    stop = _end(lower, last + 1, kind, ends[0] - starts[0])
    parts = [*reversed([*zip(starts, ends, strict=True)]), (last + 1, stop)]
    options = tuple(joined(words[first:end]) for first, end in parts)
    if not all(options) or len(set(options)) < len(options):
        return None
    return Alternatives(options, starts[-1], stop)


def _kind(word: str) -> str:
    if word in DETERMINERS:
        return "article"
    if word in PREPOSITIONS:
        return "preposition"
    return "ing" if is_ing(word) else "word"


def _begin(words: Sequence[str], end: int, first: str) -> int:
    """Where the answer that ends before `end` begins: at the word that begins the last answer, or
    one of its kind.
    """
    begin = end - 1
    while begin > 0 and words[begin - 1] not in _MARKS and words[begin - 1] != "or":
        begin -= 1
    places = range(end - 1, begin - 1, -1)
    same = next((place for place in places if words[place] == first), None)
    if same is not None:
        return same
    kind = _kind(first)
    for place in places:
        if kind != "word" and _kind(words[place]) == kind and words[place] != "of":
            return place
    return end - 1


def _end(words: Sequence[str], start: int, kind: str, length: int) -> int:
    """Where the last answer ends, which begins at `start`; the others have `length` words."""
    if kind in ("word", "article") and length == 1:
        return start + 1
    for place in range(start + 1, len(words)):
        word = words[place]
        if word in _MARKS:
            return place
        if kind == "ing" and length == 1 and (word.endswith("ly") or word in PREPOSITIONS):
            return place
        if kind == "article" and word in PREPOSITIONS and word != "of":
            return place
        if kind == "preposition" and length == 1 and word in DETERMINERS:
            return place
        if kind == "preposition" and place == start + length and word == "of":
            return place
        if kind == "article" and is_ing(word):
            return place
    return len(words)
