"""Retrieval metrics as pure functions of a score matrix and of the correct answers.

Rows are queries, columns the gallery; transpose for the other direction. Ranks start at 1. NaN is
refused, and every query counts. One rule for ties, everywhere: tied candidates are ordered by
chance, and every query counts with its expectation. R@k is the mean over queries of the probability
that a right candidate is among the first k, so that a constant score on nine items has an R@1 of
1/9. MnR is the mean of the expected ranks, MdR their median (of an even number of queries the mean
of the two in the middle).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from finereel.errors import DataError

Targets = np.ndarray | Sequence[int] | Sequence[Sequence[int]] | None
"""Which columns are right for each row: None (the diagonal), column indices (Q,), a Boolean
relation (Q, G), or a list of index lists. With several right columns the best-ranked one counts.
"""


@dataclass(frozen=True)
class Ranks:
    """The rank of the right answer of every query, and how far ties leave it open.

    expected: the mean over random orders of tied candidates, above + 1 + wrong / (right + 1) with
    `wrong` wrong and `right` right candidates at the best right score: 2.0 for one right candidate
    tied with two wrong ones at the top.
    """

    expected: Float64[np.ndarray, " Q"]
    optimistic: Int64[np.ndarray, " Q"]
    pessimistic: Int64[np.ndarray, " Q"]

    def __len__(self) -> int:
        return len(self.expected)

    @property
    def tied_right(self) -> Int64[np.ndarray, " Q"]:
        """How many right candidates share the best right score; 1 where no wrong one does, as it
        does not matter then.
        """
        wrong = self.pessimistic - self.optimistic
        above = np.where(wrong > 0, self.expected - self.optimistic, 1.0)
        return np.where(wrong > 0, np.rint(wrong / above) - 1, 1).astype(np.int64)

    def within(self, k: int) -> Float64[np.ndarray, " Q"]:
        """The probability, 0 to 1, that a right candidate is among the first k, if tied candidates
        are ordered by chance.

        >>> ranks(np.zeros((1, 9)), [0]).within(5).round(4).tolist()
        [0.5556]
        """
        wrong, right = self.pessimistic - self.optimistic, self.tied_right
        free = k - self.optimistic + 1  # places among the first k for the tied candidates
        missed = np.ones(len(self))
        for place in range(min(k, int(wrong.max(initial=0)) + 1)):
            left = np.maximum(wrong - place, 0)  # wrong candidates before the first right one
            missed = np.where(place < free, missed * left / (left + right), missed)
        return 1.0 - missed

    @property
    def tied(self) -> Bool[np.ndarray, " Q"]:
        """Queries whose right answer shares its score with a wrong one."""
        return np.asarray(self.optimistic != self.pessimistic)

    @property
    def tie_share(self) -> float:
        """Share of tied queries, 0 to 1."""
        return float(self.tied.mean())


@dataclass(frozen=True)
class RetrievalMetrics:
    """One line of a results table. Recalls in percent, ranks from 1, tie share 0 to 1.

    The bounds of R@1 say what it would be if every tie fell well or ill; they meet where there are
    no ties.
    """

    r1: float
    r5: float
    r10: float
    median_rank: float
    mean_rank: float
    queries: int
    tie_share: float
    r1_optimistic: float
    r1_pessimistic: float

    @property
    def mean_recall(self) -> float:
        """Mean of R@1, R@5 and R@10."""
        return (self.r1 + self.r5 + self.r10) / 3

    def as_dict(self) -> dict[str, float]:
        """Under the field's names: R@1, R@5, R@10, MdR, MnR, mean_recall, queries, tie_share and
        the bounds of R@1.
        """
        return {
            "R@1": self.r1,
            "R@5": self.r5,
            "R@10": self.r10,
            "MdR": self.median_rank,
            "MnR": self.mean_rank,
            "mean_recall": self.mean_recall,
            "queries": self.queries,
            "tie_share": self.tie_share,
            "R@1_optimistic": self.r1_optimistic,
            "R@1_pessimistic": self.r1_pessimistic,
        }


def retrieval_metrics(scores: np.ndarray, targets: Targets = None) -> RetrievalMetrics:
    """R@1, R@5, R@10, median and mean rank of a (Q, G) score matrix; `targets` as in `Targets`.

    Raises DataError for NaN, for shapes that do not fit and for a query without a right column.

    >>> scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.2, 0.1], [0.1, 0.2, 0.7]])
    >>> metrics = retrieval_metrics(scores)
    >>> round(metrics.r1, 1), metrics.median_rank
    (66.7, 1.0)
    >>> retrieval_metrics(scores, [[0], [0, 1], [2]]).r1
    100.0
    """
    return summarise(ranks(scores, targets))


def summarise(found: Ranks) -> RetrievalMetrics:
    """The metrics of given ranks."""
    if len(found) == 0:
        raise DataError("expected at least one query, got none")
    return RetrievalMetrics(
        r1=recall_at(found, 1),
        r5=recall_at(found, 5),
        r10=recall_at(found, 10),
        median_rank=float(np.median(found.expected)),
        mean_rank=float(found.expected.mean()),
        queries=len(found),
        tie_share=found.tie_share,
        r1_optimistic=100.0 * float((found.optimistic <= 1).mean()),
        r1_pessimistic=100.0 * float((found.pessimistic <= 1).mean()),
    )


def recall_at(found: Ranks, k: int) -> float:
    """R@k in percent: the expected share of queries with a right candidate among the first k."""
    return 100.0 * float(found.within(k).mean())


def ranks_of_order(places: np.ndarray) -> Ranks:
    """Ranks of an order without ties: (Q,) whole numbers from 1."""
    whole = np.asarray(places, dtype=np.int64)
    return Ranks(whole.astype(np.float64), whole, whole)


def ranks(scores: np.ndarray, targets: Targets = None) -> Ranks:
    """The rank of the best-ranked right column of every row of a (Q, G) matrix.

    >>> ranks(np.array([[0.5, 0.5, 0.1]]), [0])
    Ranks(expected=array([1.5]), optimistic=array([1]), pessimistic=array([2]))
    """
    scores_QG = checked_scores(scores)
    relation = relation_matrix(targets, scores_QG.shape)
    best_right = np.where(relation, scores_QG, -np.inf).max(axis=1, initial=-np.inf)[:, None]
    above = (scores_QG > best_right).sum(axis=1)
    level = scores_QG == best_right
    tied_wrong = (level & ~relation).sum(axis=1)
    tied_right = (level & relation).sum(axis=1)
    return Ranks(
        expected=above + 1 + tied_wrong / (tied_right + 1),
        optimistic=(above + 1).astype(np.int64),
        pessimistic=(above + 1 + tied_wrong).astype(np.int64),
    )


def checked_scores(scores: np.ndarray) -> np.ndarray:
    """The scores as a numeric (Q, G) matrix; raises DataError for anything else and for NaN
    (infinity is an order).
    """
    array = np.asarray(scores)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise DataError(
            f"expected a (queries, gallery) matrix of numbers, got {array.dtype} of shape "
            f"{array.shape}"
        )
    if np.isnan(array).any():
        row, column = np.argwhere(np.isnan(array))[0]
        raise DataError(
            f"expected scores without NaN, got NaN at row {row}, column {column} "
            f"({np.isnan(array).sum()} in all); "
            "find the broken features: a metric over NaN would silently drop queries"
        )
    return array


def relation_matrix(targets: Targets, shape: tuple[int, int]) -> Bool[np.ndarray, "Q G"]:
    """`targets` as a Boolean (Q, G) matrix; raises DataError when they do not fit or a query has no
    right column.
    """
    queries, gallery = shape
    if targets is None:
        if queries != gallery:
            raise DataError(
                f"without targets the diagonal is right, which needs a square matrix, got {shape}"
            )
        return np.eye(queries, dtype=bool)
    if isinstance(targets, np.ndarray) and targets.dtype == bool:
        if targets.shape != shape:
            raise DataError(
                f"expected a relation of the scores' shape {shape}, got {targets.shape}"
            )
        relation = targets
    else:
        relation = _relation_from_indices(targets, queries, gallery)
    if not relation.any(axis=1).all():
        raise DataError(
            f"query {int(np.argmin(relation.any(axis=1)))} has no right column; every query needs "
            "one"
        )
    return relation


def _relation_from_indices(
    targets: np.ndarray | Sequence[int] | Sequence[Sequence[int]], queries: int, gallery: int
) -> Bool[np.ndarray, "Q G"]:
    if len(targets) != queries:
        raise DataError(f"expected targets for {queries} queries, got {len(targets)}")
    relation = np.zeros((queries, gallery), dtype=bool)
    for query, right in enumerate(targets):
        columns = np.atleast_1d(np.asarray(right))
        if columns.size == 0:
            continue
        if columns.dtype.kind not in "iu" or columns.min() < 0 or columns.max() >= gallery:
            raise DataError(
                f"query {query}: expected column numbers from 0 to {gallery - 1}, got {right}"
            )
        relation[query, columns] = True
    return relation


# Many captions, one video: the score of a video's captions as a group.
@dataclass(frozen=True)
class PooledCaptions:
    """Best caption per group: `scores` (G, V), and `videos` (G,), the column every group belongs
    to, ascending.
    """

    scores: np.ndarray
    videos: Int64[np.ndarray, " G"]


def pool_captions(scores: np.ndarray, video_of_text: np.ndarray) -> PooledCaptions:
    """The maximum over each video's captions of a (T, V) matrix: the MSVD protocol for
    video-to-text.

    Videos without a caption make no group. A group is easier to find than its captions one by one:
    published MSVD video-to-text R@1 of about 60 is this protocol, about 50 is the same model
    caption by caption.

    >>> pooled = pool_captions(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.4]]), np.array([0, 0, 1]))
    >>> pooled.scores.tolist()
    [[0.8, 0.9], [0.3, 0.4]]
    """
    matrix = checked_scores(scores)
    owners = np.asarray(video_of_text)
    if owners.shape != (len(matrix),) or owners.dtype.kind not in "iu":
        raise DataError(
            f"expected one video number for each of {len(matrix)} texts, got {owners.dtype} "
            f"{owners.shape}"
        )
    if len(owners) and (owners.min() < 0 or owners.max() >= matrix.shape[1]):
        raise DataError(
            f"expected video numbers from 0 to {matrix.shape[1] - 1}, got {owners.min()} to "
            f"{owners.max()}"
        )
    videos, group = np.unique(owners, return_inverse=True)
    pooled = np.full((len(videos), matrix.shape[1]), -np.inf)
    np.maximum.at(pooled, group, matrix)
    return PooledCaptions(pooled, videos.astype(np.int64))
