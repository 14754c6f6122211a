"""Balanced rows: mirrored, of any rank, and no model that read other videos tells them apart."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finereel.data.base import Caption
from finereel.errors import ConfigError, DataError
from finereel.finegrain.blind import blind_scores, measure
from finereel.finegrain.blind.association import Association
from finereel.finegrain.blind.balance import BalanceSettings, Selection, any_rank, balance
from finereel.finegrain.blind.others import REFINED
from finereel.finegrain.types import Negative
from made_negatives import swap

ANIMALS, PLACES = ("dog", "cat", "cow", "hen"), ("yard", "house", "barn", "field")


def collection(videos: int, seed: int = 0) -> tuple[list[Caption], list[Negative]]:
    """Captions in which some animals are frequent and live somewhere in particular, with every swap
    of animals.
    """
    random = np.random.default_rng(seed)
    captions, rows = [], []
    for number in range(videos):
        animal = int(random.choice(4, p=[0.45, 0.3, 0.15, 0.1]))
        place = animal if random.random() < 0.6 else int(random.integers(4))
        text = f"a {ANIMALS[animal]} runs in the {PLACES[place]}"
        captions.append(Caption(f"v{number}#0", f"v{number}", text))
        others = [other for other in ANIMALS if other != ANIMALS[animal]]
        rows += [
            swap(text, ANIMALS[animal], other, video=f"v{number}", number=n)
            for n, other in enumerate(others)
        ]
    return captions, rows


def test_what_was_told_by_eye_is_no_longer() -> None:
    captions, rows = collection(900)
    before = measure(rows, blind_scores(rows, captions)["trigram"])
    selection = balance(rows, captions)
    kept = list(selection.kept(rows))
    after = measure(kept, blind_scores(kept, captions)["trigram"])
    assert before.auc > 0.65
    assert abs(after.auc - 0.5) < 0.1
    assert abs(after.mrr - after.chance_mrr) < 0.1
    assert len(kept) > 80
    assert selection.counts["noun"]["rows_kept"] == len(kept) == int(selection.keep.sum())
    assert all(REFINED in row.scores for row in kept)


def far_apart(videos: int) -> tuple[list[Caption], list[Negative]]:
    """Captions whose place lies too far behind the animal for three words to show that they go
    together.
    """
    captions, rows = collection(videos)
    long = {
        row.video_id: row.text.replace("in the", "about for quite a while in the")
        for row in captions
    }
    longer = [
        swap(long[row.video_id], row.source, row.replacement, video=row.video_id, number=n % 3)
        for n, row in enumerate(rows)
    ]
    return [replace(row, text=long[row.video_id]) for row in captions], longer


def test_neither_does_the_rest_of_the_sentence_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    captions, rows = far_apart(1500)

    def told() -> float:
        kept = list(balance(rows, captions, BalanceSettings(handicap=0.0)).kept(rows))
        assert len(kept) > 100
        return measure(kept, blind_scores(kept, names=["context"])["context"]).auc

    assert abs(told() - 0.5) < 0.1
    monkeypatch.setattr(
        Association, "gaps", lambda model, captions, negatives: np.zeros(len(captions))
    )
    assert told() > 0.65  # the language models alone do not see it


def test_no_reader_has_read_the_video_it_judges() -> None:
    """A video that alone says a word differently from all others is judged by the others."""
    captions, rows = collection(300)
    odd = [row for row in rows if row.video_id == "v7"]
    plain = balance(rows, captions).gap
    copies = [replace(row, text=row.text) for row in captions if row.video_id == "v7"] * 200
    more = [replace(row, id=f"{row.id}/{number}") for number, row in enumerate(copies)]
    again = balance(rows, [*captions, *more]).gap
    here = [number for number, row in enumerate(rows) if row.video_id == "v7"]
    assert len(here) == len(odd)
    assert np.array_equal(plain[here], again[here])
    assert not np.array_equal(plain, again)


def test_what_no_other_video_knows_is_left_out() -> None:
    captions, rows = collection(300)
    strange = {row.video_id for row in captions[:150]}
    changed = [
        replace(row, text=row.text + f" {row.video_id}thing {row.video_id}place")
        if row.video_id in strange
        else row
        for row in captions
    ]
    told = {row.video_id: row.text for row in changed}
    longer = [
        swap(told[row.video_id], row.source, row.replacement, video=row.video_id, number=number % 3)
        for number, row in enumerate(rows)
    ]
    kept = {
        row.video_id for row in balance(longer, changed, BalanceSettings(handicap=0.0)).kept(longer)
    }
    assert kept
    assert not kept & strange


def test_each_swap_goes_both_ways_equally_often() -> None:
    captions, rows = collection(300)
    kept = list(balance(rows, captions).kept(rows))
    swaps = Counter((row.source, row.replacement) for row in kept)
    assert swaps
    assert all(count == swaps[other, word] for (word, other), count in swaps.items())


def test_the_same_again_and_another_draw_with_another_seed() -> None:
    captions, rows = collection(200)
    first, again = (balance(iter(rows), captions).keep for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, balance(rows, captions, BalanceSettings(seed=1)).keep)


def test_a_larger_handicap_makes_captions_seem_worse() -> None:
    captions, rows = collection(300)
    gaps = []
    for handicap in (0.0, 0.5):
        selection = balance(rows, captions, BalanceSettings(handicap=handicap, width=0.25, size=1))
        assert selection.keep.any()
        gaps.append(float(selection.gap[selection.keep].mean()))
        assert selection.handicap == handicap
    assert gaps[0] == pytest.approx(0.0, abs=0.15)
    assert gaps[1] == pytest.approx(-0.5, abs=0.15)


def test_limit_and_size_hold() -> None:
    captions, rows = collection(300)
    selection = balance(rows, captions, BalanceSettings(limit=0.8, size=2, handicap=0.0))
    assert np.abs(selection.gap[selection.keep]).max() <= 0.8
    assert max(Counter(row.caption_id for row in selection.kept(rows)).values()) <= 2


def test_parts_of_speech_are_balanced_apart() -> None:
    captions, rows = collection(200)
    verbs = [replace(row, pos="verb", id=row.id + "v") for row in rows]
    both = balance([*rows, *verbs], captions)
    assert set(both.counts) == {"noun", "verb"}
    assert both.counts["noun"]["rows"] == both.counts["verb"]["rows"] == len(rows)


def test_nothing_in_nothing_out() -> None:
    captions, _ = collection(30)
    selection = balance([], captions)
    assert selection.keep.shape == (0,)
    assert list(selection.kept([])) == []


def test_one_way_swaps_cannot_be_balanced() -> None:
    captions, rows = collection(60)
    one_way = [row for row in rows if row.source == "dog"]
    assert not balance(one_way, captions).keep.any()


def test_too_few_videos_are_refused() -> None:
    with pytest.raises(DataError, match="give the captions of more videos"):
        balance([], [Caption("a", "a", "a dog")])


@pytest.mark.parametrize(
    "settings", [{"size": 0}, {"rounds": 0}, {"width": 0.0}, {"unfamiliar": 0.0}, {"limit": -1.0}]
)
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got"):
        BalanceSettings(**settings)  # type: ignore[arg-type]


def test_kept_wants_the_same_rows() -> None:
    selection = Selection(np.array([True]), np.zeros(1), {}, 0.0)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        list(selection.kept([]))


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.booleans(), st.integers(-3, 9)), min_size=1, max_size=80
    ),
    st.integers(1, 6),
)
def test_every_rank_equally_often(rows: list[tuple[int, bool, int]], size: int) -> None:
    groups, above, order = (np.array(column) for column in zip(*rows, strict=True))
    keep = any_rank(groups, np.zeros(len(rows), np.int64), above, order + 0.5, size)
    assert not (keep & (order < 0)).any()
    ranks: Counter[tuple[int, int]] = Counter()
    for group in set(groups[keep].tolist()):
        mine = keep & (groups == group)
        ranks[int(mine.sum()), int((mine & above).sum())] += 1
    for total in {total for total, _ in ranks}:
        assert total <= size
        assert len({ranks[total, number] for number in range(total + 1)}) == 1
