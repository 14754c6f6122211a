"""Drop negatives until the true caption's rank is uniformly distributed."""

import numpy as np
from jaxtyping import Bool, Float64, Int64


def any_rank(
    groups: Int64[np.ndarray, " R"],
    kinds: Int64[np.ndarray, " R"],
    above: Bool[np.ndarray, " R"],
    order: Float64[np.ndarray, " R"],
    size: int,
) -> Bool[np.ndarray, " R"]:
    """Which of R rows stay: at most `size` of a group and, for every n, as many groups of one kind
    with a of n rows above as with any other number from 0 to n.

    groups: the caption a row belongs to. kinds: what is counted apart. above: the negative is
    preferred to the caption.
    order: rows below 0 are gone already; of the others those with the higher order stay longer. A
    group that is one too many with n rows has one row fewer from then on, on the side that has more
    of them.

    >>> rows = np.arange(3)
    >>> any_rank(np.array([0, 1, 1]), rows * 0, np.array([True, False, False]), rows + 0.5, size=20).tolist()
    [True, False, True]
    """
    present = order >= 0
    count = int(groups.max(initial=-1)) + 1
    kind_of = np.zeros(count, np.int64)
    kind_of[groups] = kinds
    have = np.stack(
        [np.bincount(groups[present & side], minlength=count) for side in (above, ~above)],
    )
    wanted = np.zeros_like(have)
    strength = np.zeros(count)
    np.maximum.at(strength, groups[present], order[present])
    for kind in np.unique(kind_of):
        members = np.flatnonzero(kind_of == kind)
        wanted[:, members] = _cascade(have[:, members], strength[members], size)
    return _first_of_each_side(groups, above, order, present, wanted)


def _cascade(
    have: Int64[np.ndarray, "2 G"], strength: np.ndarray, size: int
) -> Int64[np.ndarray, "2 G"]:
    """How many rows above and below each group keeps."""
    left = _shrunk_to(have, size)
    wanted = np.zeros_like(left)
    free = left.sum(axis=0) > 0
    for total in range(size, 0, -1):
        here = np.flatnonzero(free & (left.sum(axis=0) == total))
        here = here[np.argsort(-strength[here], kind="stable")]
        above = left[0, here]
        quota = np.bincount(above, minlength=total + 1).min()
        taken = np.zeros(len(here), np.bool_)
        for number in range(total + 1):
            taken[np.flatnonzero(above == number)[:quota]] = True
        wanted[:, here[taken]] = left[:, here[taken]]
        free[here[taken]] = False
        rest = here[~taken]
        larger = (left[1, rest] > left[0, rest]).astype(np.int64)
        left[larger, rest] -= 1
    return wanted


def _shrunk_to(have: Int64[np.ndarray, "2 G"], size: int) -> Int64[np.ndarray, "2 G"]:
    """At most `size` rows, in about the proportion there was."""
    total = np.maximum(have.sum(axis=0), 1)
    above = np.minimum(have[0], np.rint(have[0] * np.minimum(size / total, 1.0)).astype(np.int64))
    return np.stack([above, np.minimum(have[1], size - above)])


def _first_of_each_side(
    groups: np.ndarray,
    above: np.ndarray,
    order: np.ndarray,
    present: np.ndarray,
    wanted: np.ndarray,
) -> Bool[np.ndarray, " R"]:
    """The rows with the highest order, as many as wanted on each side of each group."""
    keep = np.zeros(len(groups), np.bool_)
    for side, which in enumerate((above, ~above)):
        rows = np.flatnonzero(present & which)
        rows = rows[np.lexsort((-order[rows], groups[rows]))]
        here = groups[rows]
        starts = np.searchsorted(here, here, side="left")
        keep[rows[np.arange(len(rows)) - starts < wanted[side, here]]] = True
    return keep
