"""ReelWorld's twins by any scorer: names that the clip source knows, and the four scores in their
places.
"""

import pytest
from finegrain_doubles import TableScorer

from finereel.data.base import Split
from finereel.data.reelworld import WorldSource, virtual
from finereel.errors import DataError
from finereel.evaluation.reelworld import evaluate_world, make_world
from finereel.finegrain.evaluate.towers import TowerScorer
from finereel.finegrain.evaluate.twins import twin_groups, twin_pairs, twin_rows
from tiny_models import FRAMES, IMAGE, tiny_model

SPLIT = virtual({"test": 3}).split("test")


def test_pairs_are_the_twins_of_the_data_set() -> None:
    whole = {
        caption.video_id: caption.text
        for caption in virtual({"test": 3}, with_twins=True).split("test").captions
    }
    pairs = twin_pairs(SPLIT)
    assert {pair.twin_id: pair.twin_caption for pair in pairs} == {
        v: t for v, t in whole.items() if "~" in v
    }
    assert all(pair.caption == whole[pair.video_id] for pair in pairs)
    assert not WorldSource().problems([pair.twin_id for pair in pairs])


def test_a_split_of_files_has_no_twins() -> None:
    with pytest.raises(DataError, match="no drawn scenes"):
        twin_pairs(Split("test", ("a.mp4",), ()))


def test_groups_are_one_true_and_one_twin_caption() -> None:
    pairs = twin_pairs(SPLIT)
    groups = twin_groups(pairs)
    assert len({(group.caption_id, group.pos) for group in groups}) == len(pairs)
    assert groups[0].candidates.texts == (pairs[0].caption, pairs[0].twin_caption)


@pytest.mark.parametrize(("video", "expected"), [(True, 100.0), (False, 0.0)])
def test_each_score_is_in_its_place(video: bool, expected: float) -> None:
    """Text is always right; the video direction is right where a video prefers its own caption by
    more.
    """
    pairs = twin_pairs(SPLIT)
    table = {}
    for pair in pairs:
        table |= {(pair.video_id, pair.caption): 3.0, (pair.video_id, pair.twin_caption): 1.0}
        high = 0.0 if video else 4.0
        table |= {(pair.twin_id, pair.caption): high, (pair.twin_id, pair.twin_caption): 5.0}
    found = twin_rows(TableScorer(table), pairs)
    row = found["rows"]["all"]["fused"]
    assert (row["text"]["percent"], row["video"]["percent"], row["group"]["percent"]) == (
        100.0,
        expected,
        expected,
    )
    assert sum(found["pairs"].values()) == len(pairs)


def test_missing_twins_are_counted() -> None:
    pairs = twin_pairs(SPLIT)
    found = twin_rows(TableScorer({}, missing=[pairs[0].twin_id]), pairs)
    assert found["missing"] == 1
    with pytest.raises(DataError, match="none of the"):
        twin_rows(TableScorer({}, missing=[pair.twin_id for pair in pairs]), pairs)


def test_the_numbers_are_those_of_the_world_evaluation() -> None:
    model = tiny_model(max_words=20)
    found = twin_rows(TowerScorer(model, WorldSource(IMAGE, FRAMES)), twin_pairs(SPLIT))
    expected = evaluate_world(model, make_world("test", 3, 0, FRAMES, IMAGE)).twins
    for pos, accuracy in expected.items():
        row = found["rows"][pos]["fused"]
        assert row["text"]["percent"] == accuracy.text.percent
        assert row["group"]["percent"] == accuracy.group.percent
        assert row["text"]["interval"] == [accuracy.text.interval.low, accuracy.text.interval.high]
