"""Fusing and ordering."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finereel.errors import ConfigError, DataError
from finereel.ranking import fuse, top_k


def test_fuse_is_the_weighted_sum_for_numpy_and_torch() -> None:
    parts = {"video_sentence": np.array([[1.0, 2.0]]), "patch_word": np.array([[10.0, -4.0]])}
    weights = {"patch_word": 0.5, "video_sentence": 2.0}
    assert fuse(parts, weights).tolist() == [[7.0, 2.0]]
    fused = fuse({name: torch.tensor(part) for name, part in parts.items()}, weights)
    assert isinstance(fused, torch.Tensor)
    assert fused.tolist() == [[7.0, 2.0]]


@pytest.mark.parametrize("weights", [{}, {"a": 1.0}, {"a": 1.0, "b": 1.0, "c": 1.0}])
def test_fuse_needs_one_weight_per_part(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="one weight per granularity"):
        fuse({"a": np.ones(2), "b": np.ones(2)}, weights)
    with pytest.raises(ConfigError, match="one weight per granularity"):
        fuse({}, {})


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(0, 40))
def test_top_k_is_a_stable_sort(scores: list[int], k: int) -> None:
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
    assert top_k(np.array(scores, dtype=np.float32), k).tolist() == expected


def test_top_k_of_a_matrix_ranks_every_row() -> None:
    scores = [[0.0, 1.0, 1.0], [-np.inf, np.inf, 0.0]]
    assert top_k(torch.tensor(scores, dtype=torch.bfloat16, requires_grad=True), 2).tolist() == [
        [1, 2],
        [1, 2],
    ]
    assert top_k(np.array(scores), 9).tolist() == [[1, 2, 0], [1, 2, 0]]
    assert top_k(np.empty((0, 3)), 2).shape == (0, 2)


def test_top_k_refuses_nan_odd_shapes_and_negative_k() -> None:
    with pytest.raises(DataError, match="without NaN"):
        top_k([1.0, np.nan], 1)
    with pytest.raises(DataError, match="shape"):
        top_k(np.zeros((2, 2, 2)), 1)
    with pytest.raises(ConfigError, match="at least 0"):
        top_k([1.0], -1)
