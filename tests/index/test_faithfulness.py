"""How far verdicts on words are true: swaps with known answers, and the record fitted on them."""

import numpy as np
import pytest

from finereel.index.evidence import WordEvidence, WordFinder, records_of
from finereel.index.faithfulness import (
    KnownClip,
    Swaps,
    clips_of_scenes,
    contradicted,
    fit_record,
    slots_of_caption,
    swap_margins,
    swaps_of,
    true_words,
    verdict_counts,
)
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld import sample_scene


@pytest.fixture(scope="module")
def tiny() -> RetrievalModel:
    return load("reelworld-tiny")


@pytest.fixture(scope="module")
def clips(tiny: RetrievalModel) -> list[KnownClip]:
    return clips_of_scenes(tiny, [sample_scene(seed, "val") for seed in range(2)])


def test_auroc_counts_ties_half() -> None:
    assert Swaps([1.0, 3.0], [0.0, 1.0]).auroc == 0.875
    assert Swaps([1.0], [1.0]).auroc == 0.5


def by_definition(swaps: Swaps) -> float | None:
    """The margin, by trying every one."""
    values = np.array([*swaps.true, *swaps.false])
    right = np.array([*(v > 0 for v in swaps.true), *(v < 0 for v in swaps.false)])
    for margin in np.unique(np.r_[0.0, np.abs(values)]):
        beyond = np.abs(values) > margin
        if beyond.sum() < 10:
            return None
        if right[beyond].mean() >= 0.9:
            return float(margin)
    return None


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0, 3.0])
def test_the_margin_is_the_smallest_with_nine_of_ten_right(gain: float) -> None:
    chance = np.random.default_rng(int(10 * gain))
    for _ in range(5):
        drawn = chance.normal(size=(2, 60)).round(1)  # rounded, so that margins tie
        swaps = Swaps((drawn[0] + gain).tolist(), (drawn[1] - gain).tolist())
        assert swaps.margin() == by_definition(swaps)


def test_a_record_contradicts_few_true_words() -> None:
    swaps = Swaps([2.0] * 50, [-2.0] * 50, [1.0] * 50, list(range(50)))
    searched = [-1.5, *(-0.7 for _ in range(2)), *(2.0 for _ in range(47))]
    loose, strict = (
        fit_record({"noun": swaps}, {}, {}),
        fit_record({"noun": swaps}, {"noun": searched}, {"noun": [["car", "kite"]]}),
    )
    assert loose["noun"]["margin"] == 0.0
    assert strict["noun"]["margin"] == 0.7
    assert strict["noun"]["pairs"] == 50
    assert records_of({"words": strict})["noun"].rivals == (("car", "kite"),)


def test_a_part_of_speech_that_is_guessed_is_never_judged() -> None:
    swaps = Swaps([3.0] * 50, [-3.0] * 50, [0.59] * 50, list(range(50)))
    record = records_of({"words": fit_record({"noun": swaps}, {}, {})})["noun"]
    assert record.margin == 0.0
    assert not record.judges


def test_swaps_are_those_of_the_score(tiny: RetrievalModel, clips: list[KnownClip]) -> None:
    swaps = swaps_of(tiny, clips)
    slot = clips[0].slots[0]
    scores = [
        float(tiny.score(tiny.encode_text([text]), clips[0].video).fused) for text in slot.texts
    ]
    assert swaps[slot.pos].true[0] == pytest.approx(scores[0] - max(scores[1:7]), abs=1e-3)
    assert {pos: len(found.true) for pos, found in swaps.items()} == {
        pos: len(found.clips) for pos, found in swaps.items()
    }
    assert sum(len(found.true) for found in swaps.values()) == sum(len(c.slots) for c in clips)


def test_true_words_are_judged_clip_by_clip(tiny: RetrievalModel, clips: list[KnownClip]) -> None:
    told: list[tuple[str, int, int]] = []
    found = list(true_words(tiny, clips, records_of(tiny.card), lambda *given: told.append(given)))
    assert len(found) == len(told) == 2
    words = [word for row in found for word in row]
    counts = verdict_counts(words)
    assert sum(sum(row.values()) for row in counts.values()) == len(words) > 8
    assert sum(map(len, swap_margins(words).values())) == sum(w.swap is not None for w in words)


def test_the_share_of_contradictions_has_an_interval_over_clips() -> None:
    right = WordEvidence("car", 0, 3, "noun", "supported", None, 1.0, 1.0)
    wrong = WordEvidence("car", 0, 3, "noun", "contradicted", "kite", -1.0, 1.0)
    share, low, high = contradicted([[right, wrong]] * 10 + [[right, right]] * 10)
    assert share == 0.25
    assert 0.1 < low < 0.25 < high < 0.45


def test_slots_of_a_caption_are_the_swaps_of_a_search(tiny: RetrievalModel) -> None:
    finder = WordFinder({})
    slots = {slot.words[0]: slot for slot in slots_of_caption(tiny, finder, "a red dog sleeps")}
    assert slots["dog"].texts[0] == "a red dog sleeps"
    assert "a red cat sleeps" in slots["dog"].texts
    late = slots_of_caption(tiny, finder, f"{'a car and ' * 20}a red dog sleeps")
    assert "dog" not in {slot.words[0] for slot in late}  # the model cuts the caption before it
