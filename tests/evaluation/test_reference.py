"""Recall with ties against an independent reference: exact fractions, no code of the package."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from finereel.evaluation.retrieval import evaluate_scores

CUTS = (1, 5, 10)


def chance_within(scores: list[float], right: set[int], k: int) -> Fraction:
    """That a right item is among the first k if equal scores are shuffled."""
    best = max(scores[item] for item in right)
    above = sum(score > best for score in scores)
    tied = [item for item, score in enumerate(scores) if score == best]
    wrong = sum(item not in right for item in tied)
    drawn = min(max(k - above, 0), len(tied))
    return 1 - Fraction(comb(wrong, drawn), comb(len(tied), drawn))


def reference(scores: np.ndarray, owners: list[int], k: int) -> tuple[Fraction, Fraction]:
    """R@k of both directions; video to text takes the best caption of every video."""
    texts = [chance_within(row, {own}, k) for row, own in zip(scores.tolist(), owners, strict=True)]
    described = sorted(set(owners))
    videos = []
    for video in described:
        best = [
            max(scores[text, video] for text in range(len(owners)) if owners[text] == other)
            for other in described
        ]
        videos.append(chance_within(best, {described.index(video)}, k))
    return sum(texts, Fraction()) / len(texts), sum(videos, Fraction()) / len(videos)


@pytest.mark.parametrize("levels", [1, 2, 4, 1000])
@pytest.mark.parametrize(
    ("videos", "captions"), [(23, [1] * 23), (9, [3, 1, 7, 2, 5, 1, 1, 4, 2]), (12, [1] * 11)]
)
def test_recall_agrees_to_the_last_digit(videos: int, captions: list[int], levels: int) -> None:
    """One caption a video, several, and paragraphs (one text a video, a video without any)."""
    rng = np.random.default_rng(videos * levels)
    owners = [video for video, count in enumerate(captions) for _ in range(count)]
    scores = rng.integers(0, levels, (len(owners), videos)).astype(float)
    result = evaluate_scores({"video_sentence": scores}, np.array(owners))
    for k in CUTS:
        texts, found = reference(scores, owners, k)
        own = result.text_to_video["fused"].metrics.as_dict()[f"R@{k}"]
        other = result.video_to_text["fused"].metrics.as_dict()[f"R@{k}"]
        assert own == pytest.approx(100 * float(texts), abs=1e-10)
        assert own / 100 == pytest.approx(float(texts), abs=1e-12)
        assert other / 100 == pytest.approx(float(found), abs=1e-12)


def test_nine_equal_scores() -> None:
    result = evaluate_scores({"video_sentence": np.zeros((9, 9))})
    found = result.text_to_video["fused"].metrics
    assert (found.r1, found.r5, found.mean_rank) == (
        pytest.approx(100 / 9),
        pytest.approx(500 / 9),
        5.0,
    )
