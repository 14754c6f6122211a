"""Split a caption and its negative into pieces and mark those that differ."""

import re
from difflib import SequenceMatcher

from finereel.finegrain.types import Negative

Part = tuple[str, bool]
"""A piece of a caption, and whether it is one that changed."""

_MOST_WORDS = 2000
"""Words on either side up to which the pieces that differ are compared among themselves, in
quadratic time.
"""


def marked(row: Negative) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """The pieces of the caption and of the negative; together they are the texts, to the character.

    The row's own span is taken where it fits; a text in which more changed (an article, several
    places) is compared word by word.

    >>> row = Negative("n", "v", "c", "a dog runs", "a cat runs", "noun", 2, 5, "dog", "cat", "sister")
    >>> marked(row)
    ((('a ', False), ('dog', True), (' runs', False)), (('a ', False), ('cat', True), (' runs', False)))
    """
    before, after = row.caption[: max(0, row.start)], row.caption[max(0, row.end) :]
    kept = len(before) + len(after)
    fits = 0 <= row.start < row.end <= len(row.caption) and len(row.negative) > kept
    if fits and row.negative.startswith(before) and row.negative.endswith(after):
        end = len(row.negative) - len(after)
        changed = row.caption[row.start : row.end], row.negative[row.start : end]
        return _pieces(before, changed[0], after), _pieces(before, changed[1], after)
    return _compared(row.caption, row.negative)


def _pieces(before: str, changed: str, after: str) -> tuple[Part, ...]:
    return tuple(part for part in ((before, False), (changed, True), (after, False)) if part[0])


def _compared(caption: str, negative: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    first, second = re.findall(r"\s+|\S+", caption), re.findall(r"\s+|\S+", negative)
    if first == second:
        return _joined([(caption, False)]), _joined([(negative, False)])
    if max(len(first), len(second)) > _MOST_WORDS:
        return ((caption, True),) if caption else (), ((negative, True),) if negative else ()
    left: list[Part] = []
    right: list[Part] = []
    for kind, i, j, k, m in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        left.append(("".join(first[i:j]), kind != "equal"))
        right.append(("".join(second[k:m]), kind != "equal"))
    return _joined(left), _joined(right)


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Without empty pieces, neighbours of a kind as one, and a space between two changed words as
    changed.
    """
    out: list[Part] = []
    for text, changed in parts:
        if changed and len(out) > 1 and out[-2][1] and out[-1][0].isspace():
            space = out.pop()[0]
            out[-1] = (out[-1][0] + space + text, True)
        elif text and out and out[-1][1] == changed:
            out[-1] = (out[-1][0] + text, changed)
        elif text:
            out.append((text, changed))
    return tuple(out)
