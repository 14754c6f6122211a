"""Split the vocabulary into two sides, `training` and `test`, whose negatives share no word or no
pair of words.

A model that was trained with negatives may have learned which words its generator writes. So what
it is tested on must come from another generator, and must not even contain the first one's words.
Nouns, verbs and adjectives are divided word by word, and a pair counts where both of its words are
on one side: then no test word was ever a negative or the truth beside one in training. Adverbs and
prepositions are too few for that: their unordered pairs are divided.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal

from finereel.finegrain.types import Negative

Side = Literal["training", "test"]
# of some thousand, the one that halves the 700 most frequent words of MSR-VTT, counted and weighted
_EVEN = "1845"
_BY_PAIR = frozenset({"adverb", "preposition"})


def side_of(source: str, replacement: str, pos: str) -> Side | None:
    """The side of a pair of lemmas; None where its words are on different sides.

    >>> side_of("slowly", "quickly", "adverb") == side_of("quickly", "slowly", "adverb")
    True
    >>> side_of("man", "woman", "noun"), side_of("boy", "girl", "noun"), side_of("man", "boy", "noun")
    ('training', 'test', None)
    """
    if pos in _BY_PAIR:
        return _half("|".join(sorted((source.lower(), replacement.lower()))), pos)
    sides = {_half(word.lower(), _EVEN) for word in (source, replacement)}
    return sides.pop() if len(sides) == 1 else None


def _half(text: str, salt: str) -> Side:
    digest = hashlib.blake2b(f"{salt}/{text}".encode(), digest_size=2).digest()
    return "training" if digest[0] % 2 else "test"


def only(rows: Iterable[Negative], side: Side) -> Iterator[Negative]:
    """The rows of one side, by the lemmas of what was exchanged (by its words, where a row names no
    lemmas).
    """
    for row in rows:
        if (
            side_of(row.lemma or row.source, row.replacement_lemma or row.replacement, row.pos)
            == side
        ):
            yield row
