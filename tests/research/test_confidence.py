"""The measurement of confidence, on scores whose answer is known."""

import numpy as np
import pytest
from research.scripts.confidence import Scored, auroc, lines, measured, rate


def scored(gain: float, seed: int = 0) -> Scored:
    """Noise, with `gain` on the right clips; null texts are noise."""
    random = np.random.default_rng(seed)
    right = gain * np.eye(120, dtype=np.float32)
    noise = random.normal(size=(520, 120)).astype(np.float32)
    return Scored(noise[:120] + right, noise[120:], np.arange(120) % 12)


def test_noise_is_called_strong_as_often_as_it_may() -> None:
    found = measured(scored(0.0), 60)
    for name in ("present", "removed", "category", "topic"):
        percent, low, high = rate(found[name], 0.05)
        assert low <= percent <= high
        assert percent == pytest.approx(5.0, abs=4.0)


def test_answers_that_are_there_are_called_strong_and_others_are_not() -> None:
    found = measured(scored(8.0), 60)
    assert rate(found["present"], 0.05)[0] > 95
    assert rate(found["removed"], 0.05)[0] < 10
    assert rate(found["topic"], 0.05)[0] < 10


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.array([1.0, 1.0]), np.array([1.0])) == 0.5
    assert auroc(np.array([2.0]), np.array([1.0, 0.0])) == 1.0


def test_sizes_that_there_are_not_enough_clips_for_stay_empty() -> None:
    table = list(lines(scored(8.0), [60, 500]))
    assert next(line for line in table if line.startswith("| 500 |")) == "| 500 |  |  |  |  |"
