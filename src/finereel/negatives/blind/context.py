"""A classifier that reads the rest of the sentence: does the changed word go with the words around it?

A language model of three words does not see that "kitchen" stands six words behind "woman"; a text tower does. Logistic
regression on pairs of a changed word with every other word of its caption, antisymmetric as in `learned`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from finereel.negatives.blind.learned import Differences, fit
from finereel.negatives.blind.words import words

ALONE = ""
_LM_UNIT = 2.0  # nats that count as one word in the penalty on weights
_MOST = 100_000  # rows that one classifier learns from
_SHUFFLE = 7919
Numbers = dict[tuple[str, str], int]


def context_differences(
    captions: Sequence[str], negatives: Sequence[str], numbers: Numbers | None = None
) -> Differences:
    """The words that only the caption has, each alone and with every word that both have, minus the negative's.

    numbers: of the features so far, to be gone on with; so several calls share them.

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
        np.array(rows, np.int64), np.array(columns, np.int64), np.array(values, np.float64), len(captions), len(known)
    )


def joined(pieces: Sequence[Differences]) -> Differences:
    """Pieces that share their features' numbers, one after the other."""
    starts = np.cumsum([0, *(piece.pairs for piece in pieces)])
    if not pieces:
        return Differences(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), 0, 0)
    return Differences(
        np.concatenate([piece.rows + start for piece, start in zip(pieces, starts, strict=False)]),
        np.concatenate([piece.columns for piece in pieces]),
        np.concatenate([piece.values for piece in pieces]),
        int(starts[-1]),
        max(piece.features for piece in pieces),
    )


def margins(
    pairs: Differences, gap: Float64[np.ndarray, " R"], part: Int64[np.ndarray, " R"], teacher: Sequence[int]
) -> Float64[np.ndarray, " R"]:
    """How much the classifier prefers every caption, in logits. It also knows what a language model says of the pair.

    gap: the language model's preference in nats. part: of the row's video. teacher: for every part the one whose rows
    its classifier has learned from; of very many rows some, drawn evenly. A part without such rows has margins of 0.
    """
    found = np.zeros(pairs.pairs)
    known = _with_column(_compact(pairs), gap / _LM_UNIT)
    for own, taught in enumerate(teacher):
        here = part == own
        if here.any():
            found[here] = known.of(here).dot(fit(known.of(_some(part == taught))))
    return found


def _some(rows: np.ndarray) -> np.ndarray:
    """At most so many of the rows (a mask), every n-th in an order that has nothing to do with theirs."""
    chosen = np.flatnonzero(rows)
    if len(chosen) <= _MOST:
        return rows
    kept = np.zeros(len(rows), np.bool_)
    kept[chosen[np.argsort(chosen * _SHUFFLE % len(rows), kind="stable")[:_MOST]]] = True
    return kept


def _compact(pairs: Differences) -> Differences:
    """The same without the features that no pair has."""
    present, columns = np.unique(pairs.columns, return_inverse=True)
    return replace(pairs, columns=columns, features=len(present))


def _with_column(pairs: Differences, values: Float64[np.ndarray, " R"]) -> Differences:
    """One more feature, a number of every pair."""
    every = np.arange(pairs.pairs)
    return replace(
        pairs,
        rows=np.concatenate([pairs.rows, every]),
        columns=np.concatenate([pairs.columns, np.full(pairs.pairs, pairs.features)]),
        values=np.concatenate([pairs.values, values]),
        features=pairs.features + 1,
    )
