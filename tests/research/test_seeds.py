"""Recalls of a part of a test split, against a gallery of that part alone."""

import re

import numpy as np
import pytest
from research.scripts.seeds import part_recalls

from finereel.evaluation.record import GalleryScores
from finereel.statistics.metrics import ranks, summarise


@pytest.mark.parametrize("part", ["a", "b"])
def test_a_part_is_ranked_by_itself_in_both_directions(part: str) -> None:
    random = np.random.default_rng(0)
    videos = tuple(f"{name}{number}" for number in range(20) for name in "ab")
    scores = random.normal(size=(80, 40)).astype(np.float32)
    right = np.arange(80) // 2
    own = np.array([name.startswith(part) for name in videos])
    alone = scores[own[right]][:, own]
    expected = summarise(ranks(alone, np.arange(40) // 2))
    texts = GalleryScores(tuple(map(str, range(80))), videos, right, scores)
    pattern = re.compile(f"^{part}")
    assert part_recalls(texts, pattern, "text_to_video")[0] == pytest.approx(expected.r1)
    pooled = scores.reshape(40, 2, 40).max(1).T
    back = GalleryScores(videos, videos, np.arange(40), pooled)
    expected = summarise(ranks(pooled[own][:, own]))
    assert part_recalls(back, pattern, "video_to_text") == [expected.r1, expected.r5, expected.r10]
