"""Twin accuracy: each direction on its own, the group, ties, parts of speech, intervals."""

import numpy as np
import pytest

from finereel.errors import DataError
from finereel.statistics.intervals import SHARE, mean_interval, wilson_interval
from finereel.statistics.twins import TwinScores, twin_accuracy


def pairs(*rows: tuple[float, float, float, float]) -> TwinScores:
    """Rows of s(v,c), s(v,c'), s(v',c), s(v',c')."""
    return TwinScores(*np.array(rows, dtype=np.float64).T)


def test_each_accuracy_looks_at_its_own_comparisons() -> None:
    scores = pairs(
        (3, 1, 1, 3),  # all right
        (3, 1, 4, 5),  # text right, video wrong
        (3, 4, 1, 5),  # text wrong, video right
        (3, 1, 2, 0),  # right from v, wrong from v'
    )
    total = twin_accuracy(scores, ["verb"] * 4)["all"]
    assert (total.text.percent, total.video.percent, total.group.percent) == (75.0, 75.0, 25.0)
    assert total.pairs == 4
    assert total.text.tie_share == 0


@pytest.mark.parametrize(
    ("row", "group"), [((3, 1, 1, 0.5), 0.0), ((3, 1, 2.5, 2), 0.0), ((3, 2.5, 1, 2), 0.0)]
)
def test_the_group_needs_the_twin_side_too(row: tuple[float, ...], group: float) -> None:
    total = twin_accuracy(pairs(row), ["noun"])["noun"]
    assert (total.text.percent, total.video.percent, total.group.percent) == (100.0, 100.0, group)


def test_ties_count_half_and_are_reported() -> None:
    total = twin_accuracy(pairs((1, 1, 1, 1), (3, 3, 1, 5), (2, 9, 2, 9)), ["adverb"] * 3)["adverb"]
    assert total.text.percent == pytest.approx(100 * (0.5 + 0.5 + 0) / 3)
    assert total.video.percent == pytest.approx(100 * (0.5 + 1 + 0.5) / 3)
    assert total.group.percent == pytest.approx(100 * (0.5**4 + 0.5 + 0) / 3)
    assert total.text.tie_share == pytest.approx(2 / 3)
    assert total.group.tie_share == pytest.approx(2 / 3)  # the third is lost whatever the tie


def test_chance_levels() -> None:
    rng = np.random.default_rng(0)
    scores = TwinScores(*rng.standard_normal((4, 40_000)))
    total = twin_accuracy(scores, ["noun"] * 40_000)["all"]
    assert total.text.percent == pytest.approx(50, abs=1)
    assert total.video.percent == pytest.approx(50, abs=1)
    assert total.group.percent == pytest.approx(100 / 6, abs=1)


def test_parts_of_speech_are_apart_and_all_is_together() -> None:
    scores = pairs((1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1))
    result = twin_accuracy(scores, ["verb", "noun", "verb"])
    assert list(result) == ["noun", "verb", "all"]
    assert [result[name].text.percent for name in result] == [0.0, 100.0, pytest.approx(200 / 3)]
    assert [result[name].pairs for name in result] == [1, 2, 3]


def test_intervals_are_wilson_or_over_scenes() -> None:
    right = np.repeat([1.0, 0.0, 1.0, 1.0], 10)
    scores = TwinScores(right, 1 - right, 1 - right, right)
    plain = twin_accuracy(scores, ["verb"] * 40)["verb"].text.interval
    wilson = wilson_interval(30, 40)
    assert (plain.low, plain.high) == (
        pytest.approx(100 * wilson.low),
        pytest.approx(100 * wilson.high),
    )
    scenes = np.repeat(np.arange(4), 10)
    clustered = twin_accuracy(scores, ["verb"] * 40, scenes)["verb"].text.interval
    assert clustered.low == pytest.approx(100 * mean_interval(right, scenes, SHARE).low)
    assert clustered.high - clustered.low > plain.high - plain.low


def test_inputs_that_do_not_fit_are_refused() -> None:
    ones = np.ones(2)
    with pytest.raises(DataError, match="one length"):
        TwinScores(ones, ones, ones, np.ones(3))
    with pytest.raises(DataError, match="one length"):
        TwinScores(*np.ones((4, 0)))
    with pytest.raises(DataError, match="finite"):
        TwinScores(ones, ones, ones, np.array([1.0, np.nan]))
    with pytest.raises(DataError, match="each of 2 pairs"):
        twin_accuracy(TwinScores(ones, ones, ones, ones), ["verb"])
    with pytest.raises(DataError, match="each of 2 pairs"):
        twin_accuracy(TwinScores(ones, ones, ones, ones), ["verb", "verb"], np.arange(3))
    with pytest.raises(DataError, match="name of the total"):
        twin_accuracy(TwinScores(ones, ones, ones, ones), ["verb", "all"])
