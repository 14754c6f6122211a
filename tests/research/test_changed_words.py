"""What a changed word moves: shares of equal scores, readings of patch_word, and the whole page on a
tiny model.
"""

import argparse

import numpy as np
import pytest
import torch
from research.scripts import changed_words
from research.scripts.changed_words import (
    PATCH_WORD,
    READINGS,
    ManyReadings,
    Pairs,
    SofterWords,
    asked_of,
    equal_share,
    moved,
    near_share,
    pairs_of,
    reading,
    with_fused,
)

from finereel.finegrain.evaluate.groups import Group
from finereel.finegrain.evaluate.scorer import PairScores
from finereel.models.heads.ucofia import UcofiaHead
from finereel.models.heads.weighting import MeanAggregation
from tiny_models import random_text, random_video, tiny_model


def groups() -> list[Group]:
    return [
        Group("a#0", "a", "noun", "a cat", ("a dog", "a cow")),
        Group("b#0", "b", "adverb", "it runs fast", ("it runs slowly",)),
    ]


def test_another_clip_has_the_same_texts() -> None:
    asked = asked_of(groups())
    assert [(one.video_id, one.texts) for one in asked[2:]] == [
        ("b", ("a cat", "a dog", "a cow")),
        ("a", ("it runs fast", "it runs slowly")),
    ]


def scored(own: list[float], other: list[float], same: list[bool]) -> Pairs:
    column = np.array(own + other, dtype=np.float32)
    parts = {"video_sentence": column, PATCH_WORD: column, **dict.fromkeys(READINGS, column)}
    weights = {"video_sentence": 0.5, PATCH_WORD: 0.5, **dict.fromkeys(READINGS, 0.0)}
    return pairs_of(groups(), PairScores(parts, weights, np.array(same * 2)))


def test_shares_by_hand() -> None:
    same = [True, False, False, True, False]
    pairs = scored([1.0, 1.0, 1.0 + 2e-7, 3.0, 2.0], [1.0, 2.0, 3.0, 1.0, 0.0], same)
    assert pairs.pos.tolist() == ["noun", "noun", "adverb"]
    assert equal_share(pairs, PATCH_WORD) == pytest.approx(100 / 3)
    assert near_share(pairs, PATCH_WORD) == pytest.approx(200 / 3)
    assert pairs.right(PATCH_WORD).tolist() == [50.0, 0.0, 100.0]
    assert pairs.seen(PATCH_WORD).tolist() == [50.0, 0.0, 0.0]
    assert moved(pairs.of("adverb"), PATCH_WORD) > 1  # one pair alone has no spread


def test_pairs_that_read_alike_are_left_out() -> None:
    cut = [True, True, False, True, False]
    assert len(scored([1.0] * 5, [1.0] * 5, cut).pos) == 2


def test_the_fused_score_takes_each_reading_in_the_place_of_the_trained_one() -> None:
    one = np.ones(1, dtype=np.float32)
    parts = {"video_sentence": one, PATCH_WORD: 3 * one, **dict.fromkeys(READINGS, 5 * one)}
    weights = {"video_sentence": 0.25, PATCH_WORD: 0.75, **dict.fromkeys(READINGS, 0.0)}
    found = with_fused(parts, weights)
    assert found["fused"].tolist() == [2.5]
    assert found["fused, mean of the words"].tolist() == [4.0]


def test_readings_leave_the_head_as_it_was() -> None:
    model = tiny_model()
    assert isinstance(model.head, UcofiaHead)
    trained = model.head.over_words
    with reading(model.head, lambda made: MeanAggregation(0)):
        assert isinstance(model.head.over_words, MeanAggregation)
    assert model.head.over_words is trained


def test_every_reading_is_a_score_of_its_own() -> None:
    model = tiny_model().eval()
    text, video = random_text(3), random_video(2)
    found = ManyReadings(model).score(text, video)
    assert set(found.parts) == {*model.score(text, video).parts, *READINGS}
    columns = [found.parts[name] for name in (PATCH_WORD, *READINGS)]
    assert all(not torch.equal(columns[0], column) for column in columns[1:])
    assert torch.equal(found.parts[PATCH_WORD], model.score(text, video).parts[PATCH_WORD])


def test_a_cool_softmax_is_the_maximum_and_a_hot_one_the_mean() -> None:
    values, mask = torch.tensor([0.1, 0.4, 9.0]), torch.tensor([True, True, False])
    assert SofterWords(1e-3)(values, mask).item() == pytest.approx(0.4)
    assert SofterWords(1e3)(values, mask).item() == pytest.approx(0.25, abs=1e-4)


def test_the_page_of_drawn_scenes() -> None:
    given = argparse.Namespace(
        model="reelworld-tiny", data="reelworld", split="test", scenes=2, negatives=[]
    )
    given.annotations = given.videos = given.features = None
    scorer, split = changed_words.opened(given)
    text = changed_words.page(scorer, split, changed_words.sets_of(given, split))
    assert "| adverb | 2 | patch_word |" in text
    assert "| fused, mean of the words | " in text
