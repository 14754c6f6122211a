"""Does an edit reach the text encoder at all? Encoders cut a caption; an edit behind the cut tests nothing."""

import re
from collections.abc import Callable, Sequence

_PIECE = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)
_LETTERS_PER_TOKEN = 8  # of a long word; CLIP has a token of its own for nearly every word that short in captions

Encode = Callable[[str], Sequence[int]]


def survives(caption: str, negative: str, max_words: int, encode: Encode | None = None) -> bool:
    """Whether all of the edit lies inside a row of `max_words` tokens, start and end token among them.

    encode: text -> its token ids, uncut and without start and end; None: CLIP's pieces, long words counted as
    several, which needs no vocabulary. What comes after the edit may be cut.

    >>> survives("a cat sits", "a dog sits", max_words=4), survives("a cat sits", "a dog sits", max_words=3)
    (True, False)
    """
    old, new = (list(encode(text)) if encode else _pieces(text) for text in (caption, negative))
    return old != new and max(_edit_end(old, new)) <= max_words - 2


def _pieces(text: str) -> list[str]:
    """CLIP's split of a text, a piece per expected token."""
    pieces: list[str] = []
    for piece in _PIECE.findall(text.lower()):
        pieces.extend(piece[at : at + _LETTERS_PER_TOKEN] for at in range(0, len(piece), _LETTERS_PER_TOKEN))
    return pieces


def _edit_end(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many tokens of each there are up to the last one that differs."""
    shorter = min(len(old), len(new))
    prefix = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    same = 0
    while same < shorter - prefix and old[-1 - same] == new[-1 - same]:
        same += 1
    return len(old) - same, len(new) - same
