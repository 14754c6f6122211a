"""Runs are compared on the same queries or not at all, and ties in skill are called that."""

from dataclasses import replace

import numpy as np
import pytest
from records import make_record, make_split, random_scores, renamed

from finereel.errors import ConfigError, DataError
from finereel.evaluation.compare import (
    BETTER,
    SAME,
    WORSE,
    CompareSettings,
    compare,
    distinct_names,
)
from finereel.statistics.intervals import DEFAULT_CONFIDENCE
from finereel.statistics.significance import Flips, holm

QUICK = CompareSettings(confidence=DEFAULT_CONFIDENCE, flips=Flips(500))
WEAK = make_record(random_scores(80, 80, 0, 0.5), "weak")
STRONG = make_record(random_scores(80, 80, 1, 6.0), "strong")


def test_better_and_worse() -> None:
    [by_text, by_video] = compare([WEAK, STRONG], QUICK).differences
    assert (by_text.direction, by_video.direction) == ("text_to_video", "video_to_text")
    assert (by_text.run, by_text.baseline, by_text.verdict) == ("strong", "weak", BETTER)
    assert by_text.recall == STRONG.row("text_to_video")["R@1"]
    assert by_text.baseline_recall == WEAK.row("text_to_video")["R@1"]
    assert by_text.difference == pytest.approx(by_text.recall - by_text.baseline_recall)
    assert by_text.interval.low > 0
    assert {row.verdict for row in compare([STRONG, WEAK], QUICK).differences} == {WORSE}


def test_a_run_is_not_distinguishable_from_itself() -> None:
    found = compare([WEAK, renamed(WEAK, "again")], QUICK)
    assert {(row.difference, row.p_value, row.verdict) for row in found.differences} == {
        (0.0, 1.0, SAME)
    }
    assert any("same model" in remark for remark in found.remarks)


def test_equal_skill_is_mostly_not_distinguishable() -> None:
    others = [make_record(random_scores(80, 80, seed, 0.5), f"run {seed}") for seed in range(2, 8)]
    verdicts = [row.verdict for row in compare([WEAK, *others], QUICK).differences]
    assert len(verdicts) == 12
    assert verdicts.count(SAME) >= 11


def test_p_values_are_corrected_over_all_comparisons() -> None:
    others = [
        make_record(random_scores(80, 80, seed, 1.0 + seed / 4), f"run {seed}") for seed in range(3)
    ]
    rows = compare([WEAK, *others], QUICK).differences
    assert [row.p_holm for row in rows] == holm([row.p_value for row in rows])
    assert len(rows) == 6


def test_captions_of_one_video_count_once() -> None:
    """The same answers, once by 60 videos and once by 6 videos with ten captions each: less is
    known.
    """
    few, many = make_split(6, 10), make_split(60, 1)
    rows = {}
    for split in (few, many):
        right = np.zeros((60, len(split.videos)))
        wrong = np.zeros((60, len(split.videos)))
        owners = split.video_of_caption
        right[np.arange(60), owners] = 1
        wrong[np.arange(60), (owners + 1) % len(split.videos)] = 1
        pair = [make_record(wrong, "wrong", split), make_record(right, "right", split)]
        rows[len(split.videos)] = compare(pair, QUICK).differences[0]
    assert rows[6].difference == rows[60].difference == 100
    assert rows[6].p_value == pytest.approx(2 / 64)
    assert rows[60].p_value < rows[6].p_value


def test_the_order_of_queries_changes_nothing() -> None:
    """Text to video, the same captions in another order in both runs."""
    order = np.random.default_rng(0).permutation(40)
    plain, shuffled = make_split(40), make_split(40)
    shuffled = replace(shuffled, captions=tuple(plain.captions[number] for number in order))
    first, second = random_scores(40, 40, 0), random_scores(40, 40, 1)
    one = compare(
        [make_record(first, "a", plain), make_record(second, "b", plain)], QUICK
    ).differences[0]
    two = compare(
        [make_record(first[order], "a", shuffled), make_record(second[order], "b", shuffled)], QUICK
    )
    assert two.differences[0].difference == pytest.approx(one.difference)
    assert two.differences[0].p_value == pytest.approx(one.p_value, abs=0.06)


def test_other_splits_are_refused() -> None:
    other = make_record(random_scores(40, 40, 0), "other")
    with pytest.raises(DataError, match="evaluate both on the same annotation files"):
        compare([WEAK, other], QUICK)


def test_other_coverage_is_refused() -> None:
    part = replace(
        WEAK, name="part", dataset=replace(WEAK.dataset, scored_hash="0" * 12, coverage="79/80")
    )
    with pytest.raises(DataError, match="80/80 videos and part 79/80"):
        compare([WEAK, part], QUICK)


def test_other_queries_are_refused() -> None:
    asked = WEAK.queries["text_to_video"]
    turned = replace(
        WEAK,
        name="x",
        queries={**WEAK.queries, "text_to_video": replace(asked, ids=asked.ids[::-1])},
    )
    with pytest.raises(DataError, match="other queries"):
        compare([WEAK, turned], QUICK)


def test_other_protocols_are_said() -> None:
    seen = make_record(random_scores(80, 80, 3, 0.5), "seen", protocol="transductive")
    found = compare([WEAK, seen], QUICK)
    assert any("seen is transductive, weak is none" in remark for remark in found.remarks)
    banks = [
        make_record(random_scores(80, 80, s, 0.5), str(s), protocol=f"bank:{s}") for s in range(2)
    ]
    assert compare(banks, QUICK).remarks == ()


def test_partial_coverage_is_said() -> None:
    part = [
        replace(run, dataset=replace(run.dataset, coverage="80/99", missing={"x": "gone"}))
        for run in (WEAK, STRONG)
    ]
    assert any("coverage 80/99" in remark for remark in compare(part, QUICK).remarks)


def test_names_that_repeat_are_numbered() -> None:
    assert distinct_names([WEAK, STRONG, WEAK]) == ["weak (1)", "strong", "weak (3)"]


def test_one_run_is_no_comparison() -> None:
    with pytest.raises(ConfigError, match="at least two"):
        compare([WEAK], QUICK)
    with pytest.raises(ConfigError, match="k >= 1"):
        CompareSettings(k=0)
