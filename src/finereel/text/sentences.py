"""Split a paragraph into its sentences."""

import re

from finereel.text.alternatives import word_set

_END = re.compile(r"(?:[.!?\u2026]+[\"'\u201d\u2019)\]]*(?=\s|$))|\n\s*")
_TITLES = word_set(
    "mr mrs ms dr prof st sgt capt lt col gen rev hon no vs fig approx nr e.g i.e cf"
)
"""Before a name, a number or an example: no sentence ends here."""
_OPEN = word_set("etc a.m p.m jr sr inc ltd co u.s u.k min max ca ft")
"""A sentence ends here if a capital letter follows."""
_INITIAL = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]")


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, with single spaces; none where it holds no letter or digit.

    A sentence ends with a full stop, a question or exclamation mark, or a line. It does not end
    after "Mr." and the like, after an initial, or after dots that a small letter follows.

    >>> sentences("A man meets Dr. Smith at 5 p.m. in a park. they walk! Then... they sit")
    ('A man meets Dr. Smith at 5 p.m. in a park.', 'they walk!', 'Then... they sit')
    """
    found, start = [], 0
    for match in _END.finditer(text):
        if _ends(text, match):
            found.append(text[start : match.end()])
            start = match.end()
    found.append(text[start:])
    plain = (" ".join(sentence.split()) for sentence in found)
    return tuple(sentence for sentence in plain if any(map(str.isalnum, sentence)))


def _ends(text: str, match: re.Match[str]) -> bool:
    """Whether a sentence ends at a mark."""
    mark, after = match.group().strip(), text[match.end() :].lstrip()
    if not mark or not after:
        return True
    if mark.startswith(("..", "\u2026")):
        return not after[0].islower()
    if mark != ".":
        return True
    word = re.split(r"[\s(\"']", text[: match.start()])[-1]
    if word.lower() in _TITLES:
        return False
    if word.lower() in _OPEN:
        return after[0].isupper()
    # "J. Smith", "U.S."; but "I." and the "a" of "plan a." end one where a small letter follows.
    initial = bool(_INITIAL.fullmatch(word)) and word[0].isupper() and word != "I"
    return not (initial and after[0].isupper())
