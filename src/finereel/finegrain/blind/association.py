"""Word association: the probability of a changed word given all other words of its sentence."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from jaxtyping import Float64

from finereel.finegrain.blind.ngrams import words

_BITS = 31


class Association:
    """Naive Bayes over the words of a caption as a set: log p(w) + sum of log p(w, c) / (p(w) p(c))
    over the other words c. Every count has one more that chance explains, so that what was seen
    once says little.

    >>> model = Association(["a dog barks", "a dog barks", "a cat sleeps", "a cat sleeps"])
    >>> bool(model.gaps(["a dog barks"], ["a cat barks"])[0] > 0)
    True
    """

    def __init__(self, captions: Iterable[str]) -> None:
        bags = [sorted(set(words(caption))) for caption in captions]
        counts = Counter(chain.from_iterable(bags))
        self._ids = {word: number for number, word in enumerate(sorted(counts))}
        self._seen = np.array([counts[word] for word in self._ids], np.float64)
        self._captions = max(len(bags), 1)
        pairs: list[np.ndarray] = []
        for bag in bags:
            ids = np.array([self._ids[word] for word in bag], np.int64)
            pairs.append((ids[:, None] << _BITS | ids[None]).ravel())
        self._keys, self._together = np.unique(
            np.concatenate(pairs) if pairs else np.zeros(0, np.int64), return_counts=True
        )

    def gaps(self, captions: Sequence[str], negatives: Sequence[str]) -> Float64[np.ndarray, " R"]:
        """How much every caption is preferred to its negative, in nats: by the words that only one
        of them has.
        """
        owners: list[int] = []
        firsts: list[int] = []
        seconds: list[int] = []
        signs: list[float] = []
        for row, (caption, negative) in enumerate(zip(captions, negatives, strict=True)):
            mine, its = set(words(caption)), set(words(negative))
            shared = [self._ids[word] for word in mine & its if word in self._ids]
            for changed, sign in ((mine - its, 1.0), (its - mine, -1.0)):
                for word in changed:
                    number = self._ids.get(word, -1)
                    owners += [row] * (1 + len(shared))
                    firsts += [number] * (1 + len(shared))
                    seconds += [-1, *shared]
                    signs += [sign] * (1 + len(shared))
        values = self._values(np.array(firsts, np.int64), np.array(seconds, np.int64)) * np.array(
            signs
        )
        return np.bincount(
            np.array(owners, np.int64), weights=values, minlength=len(captions)
        ).astype(np.float64)

    def _values(self, first: np.ndarray, second: np.ndarray) -> Float64[np.ndarray, " N"]:
        """Compute the value of a changed word alone where `second` is -1, else of the two words
        together. A word that was never seen is -1 too.
        """
        counts = np.append(self._seen, 0.0)  # -1 takes the last
        alone = np.log((counts[first] + 0.5) / (self._captions + 1))
        chance = (counts[first] + 0.5) * counts[second] / self._captions
        together = np.log((self._count(first, second) + 1) / (chance + 1))
        return np.asarray(np.where(second < 0, alone, together))

    def _count(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        if not len(self._keys):
            return np.zeros(len(first))
        wanted = first << _BITS | np.maximum(second, 0)
        places = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        found = (self._keys[places] == wanted) & (first >= 0)
        return np.asarray(np.where(found, self._together[places], 0))
