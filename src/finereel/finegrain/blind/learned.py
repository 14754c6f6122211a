"""A text-only classifier that can learn the style of a generator: logistic regression on the words
in which two captions differ.

What it reaches on videos it was not trained on is what a fine-tuned text tower could memorise
without looking. Antisymmetric: a pair is the difference of the two captions' features and there is
no intercept, so that swapping the captions swaps the answer.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from finereel.finegrain.blind.ngrams import words

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


# Minimum of a smooth convex function of many variables: L-BFGS (Nocedal 1980), numpy only.
Vector = Float64[np.ndarray, " F"]
Past = deque[tuple[np.ndarray, np.ndarray, float]]
"""Steps that were taken, how the gradient changed over each, and the product of the two."""
_MEMORY = 10


def inner(one: Vector, other: Vector) -> float:
    """Sum of the products. Not by BLAS, whose threads wait for one another on a busy machine and
    add up in an order of their own on every machine.

    >>> inner(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    return float((one * other).sum())


def minimize(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: Vector,
    *,
    steps: int = 200,
    tolerance: float = 1e-4,
) -> Vector:
    """Where `function`, which gives a value and its gradient, is least; a caller's start is left as
    it is.

    Ends when no entry of the gradient is above `tolerance` times the largest at the start, after
    `steps`, or when the value falls no further.

    >>> minimize(lambda x: (inner(x - 3, x - 3), 2 * (x - 3)), np.zeros(2)).round(6).tolist()
    [3.0, 3.0]
    """
    point = start.copy()
    value, gradient = function(point)
    enough = tolerance * float(np.abs(gradient).max(initial=0.0))
    past: Past = deque(maxlen=_MEMORY)
    for _ in range(steps):
        if np.abs(gradient).max(initial=0.0) <= enough:
            break
        direction = -_curved(gradient, past)
        slope = inner(direction, gradient)
        length = 1.0 if past else 1.0 / max(1.0, float(np.abs(gradient).max()))
        while True:
            moved = point + length * direction
            new_value, new_gradient = function(moved)
            if new_value <= value + 1e-4 * length * slope:
                break
            length /= 2
            if length < 1e-12:
                return point
        step, change = moved - point, new_gradient - gradient
        product = inner(step, change)
        if product > 0:
            past.append((step, change, product))
        point, value, gradient = moved, new_value, new_gradient
    return point


def _curved(gradient: np.ndarray, past: Past) -> np.ndarray:
    """The gradient times an estimate of the inverse Hessian (two-loop recursion)."""
    result = gradient.copy()
    weights = []
    for step, change, product in reversed(past):
        weights.append(inner(step, result) / product)
        result -= weights[-1] * change
    if past:
        _, change, product = past[-1]
        result *= product / inner(change, change)
    for (step, change, product), weight in zip(past, reversed(weights), strict=True):
        result += (weight - inner(change, result) / product) * step
    return result


# A classifier that reads the rest of the sentence: does the changed word go with the words around
# it?
ALONE = ""
Numbers = dict[tuple[str, str], int]


def context_differences(
    captions: Sequence[str], negatives: Sequence[str], numbers: Numbers | None = None
) -> Differences:
    """The words that only the caption has, each alone and with every word that both have, minus the
    negative's.

    numbers: feature index to extend; pass the same dict to several calls to share one numbering.

    >>> found: Numbers = {}
    >>> context_differences(["a man runs"], ["a dog runs"], found).values.tolist()
    [1.0, 1.0, 1.0, -1.0, -1.0, -1.0]
    >>> sorted(found)
    [('dog', ''), ('dog', 'a'), ('dog', 'runs'), ('man', ''), ('man', 'a'), ('man', 'runs')]
    """
    known: Numbers = {} if numbers is None else numbers
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, (caption, negative) in enumerate(zip(captions, negatives, strict=True)):
        mine, its = set(words(caption)), set(words(negative))
        shared = [ALONE, *sorted(mine & its)]
        for changed, sign in ((mine - its, 1.0), (its - mine, -1.0)):
            for word in sorted(changed):
                rows += [row] * len(shared)
                columns += [known.setdefault((word, other), len(known)) for other in shared]
                values += [sign] * len(shared)
    return Differences(
        np.array(rows, np.int64),
        np.array(columns, np.int64),
        np.array(values, np.float64),
        len(captions),
        len(known),
    )
