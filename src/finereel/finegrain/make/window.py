"""Does an edit reach the text encoder at all? Encoders cut a caption; an edit behind the cut tests
nothing.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from finereel.text.tokenize import clip_tokenizer

_PIECE = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)
_LONGEST_PIECE = 64  # letters, and tokens; nothing longer is a word

Encode = Callable[[str], Sequence[int]]


def survives(caption: str, negative: str, max_words: int, encode: Encode | None = None) -> bool:
    """Whether all of the edit lies inside a row of `max_words` tokens, start and end token among
    them.

    encode: text -> its token ids, uncut and without start and end; None: CLIP's. What comes after
    the edit may be cut.

    >>> survives("a cat sits", "a dog sits", max_words=4), survives("a cat sits", "a dog sits", max_words=3)
    (True, False)
    """
    old, new = ((encode or clip_ids)(text) for text in (caption, negative))
    return list(old) != list(new) and max(_edit_end(old, new)) <= max_words - 2


def clip_ids(text: str) -> list[int]:
    """The ids of a text in CLIP's vocabulary, uncut, piece by piece as CLIP splits it; pieces are
    worked out once.

    >>> clip_ids("a photo of a cat")
    [320, 1125, 539, 320, 2368]
    """
    return [number for piece in _PIECE.findall(text.lower()) for number in _ids_of(piece)]


@lru_cache(1 << 16)
def _ids_of(piece: str) -> tuple[int, ...]:
    tokens = clip_tokenizer().encode([piece[:_LONGEST_PIECE]], max_words=_LONGEST_PIECE + 2)
    return tuple(tokens.ids[0][tokens.mask[0]][1:-1].tolist())


def _edit_end(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many tokens of each there are up to the last one that differs."""
    shorter = min(len(old), len(new))
    prefix = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    same = 0
    while same < shorter - prefix and old[-1 - same] == new[-1 - same]:
        same += 1
    return len(old) - same, len(new) - same
