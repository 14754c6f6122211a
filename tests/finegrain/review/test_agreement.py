"""Kappa and intervals against values worked out by hand."""

import random
from math import isclose

import pytest

from finereel.errors import DataError
from finereel.finegrain.review.agreement import ALL, agreements, cohen_kappa, disagreements, shares
from finereel.finegrain.review.verdicts import VERDICTS, Judgement, VerdictName
from finereel.finegrain.types import PARTS_OF_SPEECH, PartOfSpeech

NAMES: list[VerdictName] = list(VERDICTS)


def judged(verdicts: list[VerdictName], pos: PartOfSpeech = "noun") -> dict[str, Judgement]:
    return {
        f"{pos}{n}": Judgement(f"{pos}{n}", "", pos, "r", verdict)
        for n, verdict in enumerate(verdicts)
    }


def simulated(
    items: int, copied: float, seed: int
) -> tuple[dict[str, Judgement], dict[str, Judgement]]:
    """Two raters of one taste; the second repeats the first with probability `copied`, which is
    then kappa.
    """
    draw = random.Random(seed)
    taste = [0.6, 0.2, 0.15, 0.05]
    first = draw.choices(NAMES, taste, k=items)
    second = [one if draw.random() < copied else draw.choices(NAMES, taste)[0] for one in first]
    return judged(first), judged(second)


def test_kappa_by_hand() -> None:
    # 10 items. First: 6 valid, 2 also_true, 1 ungrammatical, 1 unsure. Second: 5 valid, 3
    # also_true, 1, 1. They agree on 5 valid, 2 also_true and 1 ungrammatical: p = .8; by chance
    # .6*.5 + .2*.3 + .1*.1 + .1*.1 = .38.
    first = judged(["valid"] * 6 + ["also_true"] * 2 + ["ungrammatical", "unsure"])
    second = judged(["valid"] * 5 + ["unsure"] + ["also_true"] * 2 + ["ungrammatical", "also_true"])
    found = agreements(first, second)["noun"]
    assert found.kappa is not None
    assert isclose(found.kappa, (0.8 - 0.38) / (1 - 0.38))
    assert found.confusion == ((5, 0, 0, 1), (0, 2, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0))
    assert [(one.verdict, other.verdict) for one, other in disagreements(first, second)] == [
        ("valid", "unsure"),
        ("unsure", "also_true"),
    ]


@pytest.mark.parametrize("copied", [0.0, 0.5, 1.0])
def test_two_simulated_raters_have_the_kappa_they_were_made_with(copied: float) -> None:
    found = agreements(*simulated(4_000, copied, seed=1))[ALL].kappa
    assert found is not None
    assert abs(found - copied) < 0.03


def test_opposite_raters_are_below_chance() -> None:
    assert cohen_kappa([[0, 5], [5, 0]]) == -1.0


def test_one_verdict_throughout_has_no_kappa() -> None:
    assert cohen_kappa([[7, 0], [0, 0]]) is None
    assert agreements(judged(["valid"] * 3), judged(["valid"] * 3))[ALL].as_json()["kappa"] is None


def test_kappa_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="at least one item"):
        cohen_kappa([[0, 0], [0, 0]])


def test_parts_of_speech_are_apart_and_all_is_their_sum() -> None:
    first = {
        key: one
        for pos in PARTS_OF_SPEECH
        for key, one in judged(["valid", "unsure", "also_true"], pos).items()
    }
    second = dict(list(first.items())[::-1]) | judged(["unsure", "unsure", "also_true"], "verb")
    found = agreements(first, second)
    assert list(found) == [*PARTS_OF_SPEECH, ALL]
    assert found["noun"].kappa == 1.0
    assert found["verb"].agreed.count == 2
    assert found[ALL].agreed.total == 15


def test_only_items_that_both_read_count() -> None:
    first, second = judged(["valid", "valid", "unsure"]), judged(["valid"])
    assert agreements(first, second)[ALL].agreed.total == 1
    with pytest.raises(DataError, match="no item in common"):
        agreements(first, judged(["valid"], "verb"))


def test_shares_have_wilson_intervals() -> None:
    share = shares(judged(["valid"] * 95 + ["also_true"] * 5).values())["noun"]["also_true"]
    assert (share.count, share.total) == (5, 100)
    # Wilson 1927 at 5 of 100, z = 1.96: (5 + 1.9207) / 103.8415 -+ 1.96 / 103.8415 * sqrt(4.75 +
    # 0.9604)
    low, high = share.interval
    assert isclose(low, 0.02154, abs_tol=5e-5)
    assert isclose(high, 0.11175, abs_tol=5e-5)
