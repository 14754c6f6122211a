"""What selects a model, and when guessing explains it."""

import math

import numpy as np
import pytest

from finereel.errors import ConfigError, TrainingError
from finereel.training.health import Validation, chance_alarm, chance_recall, checked


@pytest.mark.parametrize(("gallery", "k", "queries"), [(50, 1, 200), (1000, 10, 1000), (10, 5, 40)])
def test_guessing_passes_chance_once_in_a_thousand(gallery: int, k: int, queries: int) -> None:
    hits = np.random.default_rng(0).binomial(queries, k / gallery, 200_000)
    limit = chance_recall(gallery, k, queries) * queries / 100
    assert np.mean(hits > limit) <= 0.0012
    assert np.mean(hits > limit - 1) > 0.0009  # and no lower limit would do


def test_a_gallery_no_larger_than_k_is_all_chance() -> None:
    assert chance_recall(gallery=3, k=5, queries=7) == 100.0
    with pytest.raises(ConfigError, match="at least 1"):
        chance_recall(gallery=0, k=1, queries=7)


def test_a_score_is_at_chance_up_to_the_limit_and_never_without_one() -> None:
    assert Validation(5.0, chance=5.0).at_chance
    assert not Validation(5.1, chance=5.0).at_chance
    assert not Validation(0.0).at_chance
    assert "after 40 steps (score 5.00, guessing reaches 6.00)" in chance_alarm(
        Validation(5.0, chance=6.0), 40
    )


def test_only_numbers_from_outside_the_test_split_select() -> None:
    assert checked(Validation(1.0), 3) == Validation(1.0)
    with pytest.raises(ConfigError, match="refused for selection"):
        checked(Validation(1.0, split="test"), 3)
    with pytest.raises(TrainingError, match="after step 3 gave nan"):
        checked(Validation(math.nan), 3)
