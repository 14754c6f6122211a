"""Scenes: reproducible, within their split, with everything in its place."""

import functools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.reelworld import SPLITS, Scene, captions, sample_scene, twins
from finereel.reelworld import vocabulary as words
from finereel.reelworld.factors import pick, pick_weighted, rng_of
from finereel.reelworld.motion import REFERENCE_SIZE, main_size, pose, scene_layout
from finereel.reelworld.scenes import DISTRACTOR_SIZE, SWEEP

few = settings(max_examples=40)
seeds = st.integers(0, 10**9)
splits = st.sampled_from(SPLITS)


@functools.cache
def some(split: str) -> list[Scene]:
    return [sample_scene(seed, split) for seed in range(300)]


def pairs(scene: Scene) -> tuple[bool, bool]:
    return words.seen_colour(scene.noun, scene.colour), words.seen_verb(scene.noun, scene.verb)


@few
@given(seeds, splits)
def test_same_seed_same_scene(seed: int, split: str) -> None:
    assert sample_scene(seed, split) == sample_scene(seed, split)


def test_scenes_of_other_seeds_and_splits_differ() -> None:
    everything = [replace(scene, seed=0, split="") for split in SPLITS for scene in some(split)]
    assert len(set(everything)) == len(everything)


def test_the_first_scene_never_changes_within_a_version() -> None:
    # Published numbers name (seed, version): a change of this line is a new VERSION.
    assert words.VERSION == 1
    assert (
        captions(sample_scene(0, "train"))[0]
        == "a striped yellow star zigzags gently into a white rocket"
    )
    assert (
        captions(sample_scene(0, "test"))[0]
        == "a checkered red car zigzags gently around a green plane"
    )


@few
@given(seeds, st.sampled_from(("train", "val", "test_seen")))
def test_held_out_pairs_never_reach_training(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    assert pairs(scene) == (True, True)
    for twin in twins(scene):
        assert pairs(twin.scene) == (True, True)


@few
@given(seeds)
def test_every_test_scene_holds_an_unseen_pair(seed: int) -> None:
    assert pairs(sample_scene(seed, "test")) != (True, True)


@few
@given(seeds)
def test_training_twins_of_a_test_scene_change_no_word_into_an_unseen_pair(seed: int) -> None:
    scene = sample_scene(seed, "test")
    for twin in twins(scene, split="train"):
        if twin.pos == "noun":
            assert pairs(twin.scene) == (True, True)
        elif twin.scene.colour != scene.colour:
            assert words.seen_colour(twin.scene.noun, twin.scene.colour)
        elif twin.pos == "verb":
            assert words.seen_verb(twin.scene.noun, twin.scene.verb)


def test_about_a_seventh_of_the_pairs_is_held_out() -> None:
    colours = [words.seen_colour(noun, colour) for noun in words.NOUNS for colour in words.COLOURS]
    verbs = [words.seen_verb(noun, verb) for noun in words.NOUNS for verb in words.VERBS]
    for seen in (colours, verbs):
        assert 0.11 <= seen.count(False) / len(seen) <= 0.19


@pytest.mark.parametrize("split", SPLITS)
def test_every_word_occurs(split: str) -> None:
    scenes = some(split)
    assert (
        {scene.noun for scene in scenes}
        == set(words.NOUNS)
        == {scene.reference.noun for scene in scenes}
    )
    assert (
        {scene.colour for scene in scenes}
        == set(words.COLOURS)
        == {scene.reference.colour for scene in scenes}
    )
    assert {scene.look for scene in scenes} == {None, *words.LOOKS}
    assert {scene.verb for scene in scenes} == set(words.VERBS)
    assert {scene.adverb for scene in scenes} == {None, *words.ADVERBS}
    assert {scene.preposition for scene in scenes} == set(words.PREPOSITIONS)
    assert {scene.background for scene in scenes} == set(words.BACKGROUNDS)
    assert {len(scene.distractors) for scene in scenes} == {0, 1, 2}


def test_the_world_is_large_enough() -> None:
    sizes = [
        words.NOUNS,
        (*words.COLOURS, *words.LOOKS),
        words.VERBS,
        words.ADVERBS,
        words.PREPOSITIONS,
    ]
    assert [len(size) >= least for size, least in zip(sizes, (12, 12, 8, 6, 8), strict=True)] == [
        True
    ] * 5


@few
@given(seeds, splits)
def test_words_fit_together(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    assert words.verb_fits(scene.noun, scene.look, scene.verb, scene.adverb)
    assert words.PREPOSITIONS[scene.preposition].path == words.VERBS[scene.verb].travels
    assert scene.reference.noun != scene.noun
    assert scene.reference.colour != scene.colour


def overlap(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1])) < (a[2] + b[2]) / 2


@few
@given(seeds, splits)
def test_distractors_are_other_things_and_stay_clear(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    versions = (scene, *(twin.scene for twin in twins(scene)))
    nouns = [thing.noun for thing in scene.distractors]
    assert len(set(nouns)) == len(nouns)
    for thing in scene.distractors:
        box = (thing.x, thing.y, DISTRACTOR_SIZE)
        for version in versions:
            assert version.distractors == scene.distractors
            assert thing.noun not in (version.noun, version.reference.noun)
            assert thing.colour not in (version.colour, version.reference.colour)
            at = scene_layout(version)
            assert not overlap(box, (at.x, at.y, REFERENCE_SIZE))
            for t in SWEEP:
                now = pose(version, t)
                assert not overlap(box, (now.x, now.y, now.size))


def test_most_scenes_have_a_twin_for_every_part_of_speech() -> None:
    for split in SPLITS:
        scenes = some(split)
        complete = sum(len(twins(scene)) == 5 for scene in scenes) / len(scenes)
        assert complete >= 0.9, split


def test_main_objects_keep_to_their_sizes() -> None:
    sizes = Counter(main_size(scene) for scene in some("train"))
    assert set(sizes) == {0.21, 0.31, 0.42}


def test_wrong_requests_are_refused_with_the_known_names() -> None:
    with pytest.raises(ConfigError, match="test_seen"):
        sample_scene(0, "tset")
    with pytest.raises(ConfigError, match="0 or more"):
        sample_scene(-1, "train")


def test_dice_depend_on_their_key_only() -> None:
    assert rng_of("a", 1).random() == rng_of("a", 1).random() != rng_of("a", 2).random()
    drawn = Counter(pick(rng_of("pick", key), "abc") for key in range(600))
    assert min(drawn[letter] for letter in "abc") > 140
    heavy = Counter(pick_weighted(rng_of("weighted", key), "ab", (3.0, 1.0)) for key in range(600))
    assert 400 < heavy["a"] < 500
