"""A text-only classifier that reads the whole sentence: does the changed word go with the words
around it?

A language model of three words does not see that "kitchen" stands six words behind "woman"; a text
tower does. Logistic regression on pairs of a changed word with every other word of its caption,
antisymmetric as in `learned`.
"""

from collections.abc import Sequence

import numpy as np

from finereel.finegrain.blind.learned import Differences
from finereel.finegrain.blind.words import words

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
