"""Metrics of moments: how well predicted stretches of a video overlap the right ones.

Source: the published evaluation of QVHighlights (Lei et al., NeurIPS 2021, moment retrieval) and of
ActivityNet detection, whose average precision it takes.
"""

from collections.abc import Sequence

import numpy as np

Span = tuple[float, float]
OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The overlaps over which mAP is averaged."""


def overlap(one: Span, other: Span) -> float:
    """Intersection over union of two spans.

    >>> overlap((0.0, 2.0), (1.0, 3.0))
    0.3333333333333333
    """
    common = min(one[1], other[1]) - max(one[0], other[0])
    union = max(one[1], other[1]) - min(one[0], other[0])
    return max(0.0, common) / union if union > 0 else 0.0


def first_overlap(found: Sequence[Span], right: Sequence[Span]) -> float:
    """How much the first span that was found overlaps the right one nearest to it; 0 without one.

    >>> first_overlap([(0.0, 4.0), (6.0, 8.0)], [(6.0, 8.0), (0.0, 2.0)])
    0.5
    """
    return max((overlap(found[0], span) for span in right), default=0.0) if found else 0.0


def average_precision(found: Sequence[Span], right: Sequence[Span], least: float) -> float:
    """Interpolated average precision of ranked spans.

    A span is true where it overlaps a right one that no span before it took, at least by so much;
    it takes the one that it overlaps most of those.

    Args:
        found: Spans of one video, best first.
        right: The right spans, at least one.
        least: The smallest overlap that counts.

    Returns:
        The area under the interpolated curve of precision over recall.

    Example:
        >>> average_precision([(5.0, 9.0), (0.0, 2.0)], [(0.0, 2.0)], 0.5)
        0.5
    """
    taken: set[int] = set()
    true = np.zeros(len(found))
    for place, span in enumerate(found):
        overlaps = [overlap(span, other) for other in right]
        for number in sorted(range(len(right)), key=lambda k: -overlaps[k]):
            if overlaps[number] < least:
                break
            if number not in taken:
                taken.add(number)
                true[place] = 1
                break
    hits = np.cumsum(true)
    recall = np.concatenate([[0.0], hits / len(right), [1.0]])
    precision = np.concatenate([[0.0], hits / (1 + np.arange(len(found))), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(((recall[steps] - recall[steps - 1]) * precision[steps]).sum())


def mean_average_precision(found: Sequence[Span], right: Sequence[Span]) -> float:
    """The mean of `average_precision` over OVERLAPS."""
    return float(np.mean([average_precision(found, right, least) for least in OVERLAPS]))
