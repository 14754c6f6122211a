"""A text-only classifier that can learn the style of a generator: logistic regression on the words
in which two captions differ.

What it reaches on videos it was not trained on is what a fine-tuned text tower could memorise
without looking. Antisymmetric: a pair is the difference of the two captions' features and there is
no intercept, so that swapping the captions swaps the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from finereel.finegrain.blind.minimize import inner, minimize
from finereel.finegrain.blind.words import words

FOLDS = 5
_BITS = 31


@dataclass(frozen=True)
class Differences:
    """R pairs, sparse: how often feature `columns[i]` is in the caption of pair `rows[i]` more than
    in its negative.
    """

    rows: Int64[np.ndarray, " N"]
    columns: Int64[np.ndarray, " N"]
    values: Float64[np.ndarray, " N"]
    pairs: int
    features: int

    def of(self, chosen: np.ndarray) -> "Differences":
        """The chosen pairs (a mask), numbered anew; the features stay."""
        kept = chosen[self.rows]
        numbers = np.cumsum(chosen) - 1
        return Differences(
            numbers[self.rows[kept]],
            self.columns[kept],
            self.values[kept],
            int(chosen.sum()),
            self.features,
        )

    def dot(self, weights: Float64[np.ndarray, " F"]) -> Float64[np.ndarray, " R"]:
        """The margin of every pair."""
        sums = np.bincount(
            self.rows, weights=self.values * weights[self.columns], minlength=self.pairs
        )
        return sums.astype(np.float64)  # of nothing at all numpy makes integers


def differences(captions: Sequence[str], negatives: Sequence[str]) -> Differences:
    """Words and neighbouring words (with the caption's two ends) of each caption, minus those of
    its negative.

    >>> differences(["a man runs"], ["a man walks"]).values.tolist()
    [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]
    """
    numbers: dict[str | tuple[str, str], int] = {}
    seen: dict[str, list[int]] = {}
    keys: list[int] = []
    values: list[float] = []
    for row, (caption, negative) in enumerate(zip(captions, negatives, strict=True)):
        if caption not in seen:
            seen = {caption: _numbers(caption, numbers)}
        counts: dict[int, int] = {}
        for number in seen[caption]:
            counts[number] = counts.get(number, 0) + 1
        for number in _numbers(negative, numbers):
            counts[number] = counts.get(number, 0) - 1
        for number, count in counts.items():
            if count:
                keys.append(row << _BITS | number)
                values.append(float(count))
    packed = np.array(keys, np.int64)
    return Differences(
        packed >> _BITS,
        packed & (2**_BITS - 1),
        np.array(values, np.float64),
        len(captions),
        len(numbers),
    )


def fit(pairs: Differences, penalty: float = 1.0) -> Float64[np.ndarray, " F"]:
    """Weights of the features: minimum of sum(log(1 + exp(-margin))) + penalty / 2 *
    |weights|^2.
    """

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = pairs.dot(weights)
        pull = -1 / (1 + np.exp(np.minimum(margin, 700.0)))
        gradient = np.bincount(
            pairs.columns, weights=pairs.values * pull[pairs.rows], minlength=pairs.features
        )
        value = np.logaddexp(0.0, -margin).sum() + penalty / 2 * inner(weights, weights)
        return float(value), gradient + penalty * weights

    return minimize(loss, np.zeros(pairs.features))


def held_out_margins(
    pairs: Differences, folds: Int64[np.ndarray, " R"], penalty: float = 1.0
) -> Float64[np.ndarray, " R"]:
    """The margin of every pair under weights learned from the other folds. Positive: the caption is
    preferred.
    """
    margins = np.zeros(pairs.pairs)
    for fold in np.unique(folds):
        held = folds == fold
        margins[held] = pairs.of(held).dot(fit(pairs.of(~held), penalty))
    return margins


def _numbers(text: str, numbers: dict[str | tuple[str, str], int]) -> list[int]:
    """The features of a text; a new one is given the next number."""
    single = words(text)
    double = pairwise(["", *single, ""])
    features: list[str | tuple[str, str]] = [*single, *double]
    return [numbers.setdefault(feature, len(numbers)) for feature in features]
