"""Normalisations of a bare matrix: hubs are pushed down, and no query sees settings that it helped
to choose.
"""

import numpy as np
import pytest
from research.matrix import matrix_rows

from finereel.errors import DataError
from finereel.evaluation.normalizing import NORMALIZATIONS
from finereel.statistics.metrics import recall_at


def hubby(size: int = 200) -> np.ndarray:
    """Noisy scores with a few columns that every row likes."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0.0, 3.0, (size, size)) + 9.0 * np.eye(size)
    scores[:, ::20] += 4.0
    return scores


def r1(rows: dict, name: str, way: str = "text_to_video") -> float:  # type: ignore[type-arg]
    return recall_at(rows[name][way].ranks["fused"], 1)


def test_every_normalisation_has_a_row_and_hubs_are_pushed_down() -> None:
    rows = matrix_rows(hubby())
    assert set(rows) == set(NORMALIZATIONS)
    assert r1(rows, "bank") > r1(rows, "none") + 5
    assert r1(rows, "transductive") > r1(rows, "none") + 5


def test_the_other_direction_is_the_transpose() -> None:
    scores = hubby()
    rows, turned = matrix_rows(scores), matrix_rows(scores.T)
    for name in rows:
        np.testing.assert_array_equal(
            rows[name]["video_to_text"].ranks["fused"].expected,
            turned[name]["text_to_video"].ranks["fused"].expected,
        )


def test_a_query_does_not_choose_its_own_settings_or_fill_its_own_bank() -> None:
    """What half of the first half's queries score is bank and validation for the second half, never
    for the first.
    """
    scores = hubby(64)
    order = np.random.default_rng(0).permutation(64)
    changed_queries, same_half = order[:32:2], order[32::2]
    changed = scores.copy()
    changed[changed_queries] = 30.0 * np.random.default_rng(1).random((64,))
    before, after = (
        matrix_rows(matrix)["bank"]["text_to_video"].ranks["fused"].expected
        for matrix in (scores, changed)
    )
    np.testing.assert_array_equal(before[same_half], after[same_half])
    assert (before[order[1::2]] != after[order[1::2]]).any()


def test_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="square matrix"):
        matrix_rows(np.zeros((4, 5)))
