"""The published metrics, exactly, and how far ties move them from ours."""

import numpy as np
import pytest

from finereel.errors import DataError
from finereel.evaluation.published import (
    PublishedMetrics,
    published_metrics,
    published_multi_caption_metrics,
    published_ranks,
)
from finereel.statistics.metrics import ranks, retrieval_metrics
from places import GOLDEN

GOLDEN = np.load(GOLDEN / "metrics.npz")


def numbers(metrics: PublishedMetrics) -> list[float]:
    return [metrics.r1, metrics.r5, metrics.r10, metrics.median_rank, metrics.mean_rank]


@pytest.mark.parametrize("case", ["plain", "ties"])
def test_published_numbers(case: str) -> None:
    matrix = GOLDEN[f"{case}/x"]
    np.testing.assert_allclose(
        numbers(published_metrics(matrix)), GOLDEN[f"{case}/t2v"], rtol=1e-14
    )
    np.testing.assert_allclose(
        numbers(published_metrics(matrix.T)), GOLDEN[f"{case}/v2t"], rtol=1e-14
    )
    assert published_ranks(matrix).tolist() == GOLDEN[f"{case}/ranks0"].tolist()


def test_ties_inflate_the_published_denominator_and_not_ours() -> None:
    matrix = GOLDEN["ties/x"]
    assert (published_metrics(matrix).entries, retrieval_metrics(matrix).queries) == (214, 50)
    found = ranks(matrix)
    span = found.pessimistic - found.optimistic + 1
    assert span.sum() == 214
    assert found.tie_share == (span > 1).mean()


def test_without_ties_published_numbers_are_ours() -> None:
    ours = retrieval_metrics(GOLDEN["plain/x"])
    assert numbers(published_metrics(GOLDEN["plain/x"])) == pytest.approx(
        [ours.r1, ours.r5, ours.r10, ours.median_rank, ours.mean_rank], rel=1e-14
    )


def test_multi_caption_protocol() -> None:
    ends, scores = GOLDEN["multi/cut"], GOLDEN["multi/S"]
    video_of_text = np.searchsorted(ends, np.arange(len(scores)), side="right")
    text_to_video, video_to_text = published_multi_caption_metrics(scores, video_of_text)
    np.testing.assert_allclose(numbers(text_to_video), GOLDEN["multi/t2v"], rtol=1e-7)
    np.testing.assert_allclose(numbers(video_to_text), GOLDEN["multi/v2t"], rtol=1e-14)


def test_the_lower_of_two_middle_ranks() -> None:
    scores = np.array([[1.0, 0.0], [1.0, 0.0]])
    text_to_video, _ = published_multi_caption_metrics(scores, np.array([0, 1]))
    assert (text_to_video.median_rank, retrieval_metrics(scores).median_rank) == (1.0, 1.5)


def test_nan_and_odd_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        published_metrics(np.full((2, 2), np.nan))
    with pytest.raises(DataError, match="square"):
        published_metrics(np.zeros((2, 3)))
    with pytest.raises(DataError, match="at least one query"):
        published_metrics(np.zeros((0, 0)))
