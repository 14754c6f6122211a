"""Interpolated n-gram language models of captions: the likelihood of a sentence without any video."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
from jaxtyping import Float64, Int64

from finereel.errors import ConfigError

Ids = Int64[np.ndarray, " _"]
MAX_ORDER = 3
_BITS = 21  # three words make one 63 bit key
_UNKNOWN, _BEGIN, _END, _FIRST = 0, 1, 2, 3
_CHUNK = 50_000


@dataclass(frozen=True)
class _CountTable:
    """How often each key was seen; keys ascend, other keys count 0."""

    keys: Ids
    counts: Ids

    @classmethod
    def of(cls, seen: Ids) -> "_CountTable":
        keys, counts = np.unique(seen, return_counts=True)
        return cls(keys, counts.astype(np.int64))

    def __getitem__(self, wanted: Ids) -> Ids:
        if not len(self.keys):
            return np.zeros(len(wanted), np.int64)
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[places] == wanted, self.counts[places], 0)


@dataclass(frozen=True)
class _Order:
    """Sequences of n words: how often each was seen, how often its context was, and before how many
    different words.
    """

    sequences: _CountTable
    contexts: _CountTable
    followers: _CountTable

    @classmethod
    def of(cls, sequences: Ids) -> "_Order":
        seen = _CountTable.of(sequences)
        return cls(seen, _CountTable.of(sequences >> _BITS), _CountTable.of(seen.keys >> _BITS))


class NGrams:
    """Log probability of a sentence, its end included, under interpolated n-grams with Witten-Bell
    smoothing (Witten and Bell 1991): p_n = (c(h w) + T(h) p_{n-1}) / (c(h) + T(h)), T(h) the
    different words seen after h.

    captions: what it learns from. order: 1 (words only) to 3. A word never seen has the share of
    one more word.

    >>> model = NGrams(["a man runs", "a man walks", "a dog runs"], order=3)
    >>> bool(np.diff(model.score(["a dog runs", "runs dog a"]))[0] < 0)
    True
    """

    def __init__(self, captions: Iterable[str], order: int = MAX_ORDER) -> None:
        if not 1 <= order <= MAX_ORDER:
            raise ConfigError(f"an n-gram model has an order from 1 to {MAX_ORDER}, got {order}")
        sentences = [words(caption) for caption in captions]
        counts = Counter(chain.from_iterable(sentences))
        known = sorted(counts, key=lambda word: (-counts[word], word))[: 2**_BITS - _FIRST]
        self._ids = {word: number for number, word in enumerate(known, start=_FIRST)}
        self.order = order
        tokens, targets, _ = self._laid_out(sentences)
        seen = np.bincount(tokens[targets], minlength=len(known) + _FIRST) + 1.0
        seen[_BEGIN] = 0.0
        self._unigram: Float64[np.ndarray, " V"] = seen / seen.sum()
        self._orders = [_Order.of(_keys(tokens, targets, length)) for length in range(2, order + 1)]

    def score(self, texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        """Natural logarithm of the probability of every text."""
        chunks = [
            self._score(texts[first : first + _CHUNK]) for first in range(0, len(texts), _CHUNK)
        ]
        return np.concatenate(chunks) if chunks else np.zeros(0)

    def _score(self, texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        tokens, targets, owners = self._laid_out([words(text) for text in texts])
        probability = self._unigram[tokens[targets]]
        for length, order in enumerate(self._orders, start=2):
            keys = _keys(tokens, targets, length)
            followers = order.followers[keys >> _BITS]
            total = order.contexts[keys >> _BITS] + followers
            seen = order.sequences[keys] + followers * probability
            probability = np.where(total > 0, seen / np.maximum(total, 1), probability)
        return np.bincount(owners, weights=np.log(probability), minlength=len(texts))

    def _laid_out(self, sentences: Sequence[Sequence[str]]) -> tuple[Ids, Ids, Ids]:
        """All sentences in one row of ids, each with two begins and an end; the places of words and
        ends in it, and which sentence each of these belongs to.
        """
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        numbers = map(self._ids.get, chain.from_iterable(sentences), repeat(_UNKNOWN))
        flat = np.fromiter(numbers, np.int64, int(lengths.sum()))
        owners = np.repeat(np.arange(len(sentences)), lengths + 1)
        targets = np.arange(len(owners)) + 2 * (owners + 1)
        ends = np.cumsum(lengths + 3) - 1
        tokens = np.full(len(owners) + 2 * len(sentences), _BEGIN, np.int64)
        is_end = np.zeros(len(tokens), np.bool_)
        is_end[ends] = True
        tokens[ends] = _END
        tokens[targets[~is_end[targets]]] = flat
        return tokens, targets, owners


def _keys(tokens: Ids, targets: Ids, length: int) -> Ids:
    """The last `length` words up to every target as one number."""
    keys = np.zeros(len(targets), np.int64)
    for back in range(length - 1, -1, -1):
        keys = keys << _BITS | tokens[targets - back]
    return keys


# What a blind scorer sees of a caption: lower-cased words, no punctuation.
_WORD = re.compile(r"\w+(?:'\w+)*")


def words(text: str) -> list[str]:
    """Words of any script; an underscore or an apostrophe inside does not end one.

    >>> words("A man's dog CRACK_UP, 2 times!")
    ['a', "man's", 'dog', 'crack_up', '2', 'times']
    """
    return _WORD.findall(text.lower())
