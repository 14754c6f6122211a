"""Twins: exactly one word changes, and in the picture exactly what the word means."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.reelworld import (
    PARTS_OF_SPEECH,
    SPLITS,
    Scene,
    captions,
    frame_times,
    render,
    sample_scene,
    twins,
)
from finereel.reelworld import vocabulary as words
from finereel.reelworld.twins import changed_words

few = settings(max_examples=40)
seeds = st.integers(0, 10**9)
splits = st.sampled_from(SPLITS)
TIMES = frame_times(12)
VISIBLE = 24
"""Grey levels by which a pixel must change to count as seen."""
LEAST_PIXELS = 40
"""Of 84 x 84 x 12, for the smallest object and the subtlest word."""
LEAST_MEAN = 0.15


def factor_changes(scene: Scene, other: Scene) -> set[str]:
    return {
        each.name
        for each in fields(Scene)
        if getattr(scene, each.name) != getattr(other, each.name)
    }


@few
@given(seeds, splits, st.integers(0, 5))
def test_exactly_one_word_and_one_factor_change(seed: int, split: str, template: int) -> None:
    scene = sample_scene(seed, split)
    source = captions(scene)[template]
    for twin in twins(scene, template):
        changes = changed_words(source, twin.caption)
        assert changes == [(twin.source_word, twin.replacement)]
        assert twin.caption == captions(twin.scene)[template]
        (factor,) = factor_changes(scene, twin.scene)
        assert factor == twin.pos or (twin.pos == "adjective" and factor in ("look", "colour"))


@few
@given(seeds, splits)
def test_parts_of_speech_come_once_and_in_order(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    found = [twin.pos for twin in twins(scene)]
    assert found == [pos for pos in PARTS_OF_SPEECH if pos in found]
    missing = set(PARTS_OF_SPEECH) - set(found)
    assert ("adverb" in missing) == (scene.adverb is None)
    assert ("preposition" in missing) == (scene.preposition in ("out of", "in front of"))
    assert missing <= {"adverb", "preposition", "verb"}
    assert "verb" not in missing or scene.adverb is None


@few
@given(seeds, splits)
def test_templates_change_the_same_factor(seed: int, split: str) -> None:
    scene = sample_scene(seed, split)
    first = [twin.scene for twin in twins(scene)]
    assert all([twin.scene for twin in twins(scene, template)] == first for template in range(6))


@few
@given(seeds, splits)
def test_twins_fit_together_as_scenes_do(seed: int, split: str) -> None:
    for twin in twins(sample_scene(seed, split)):
        other = twin.scene
        assert words.verb_fits(other.noun, other.look, other.verb, other.adverb)
        assert words.PREPOSITIONS[other.preposition].path == words.VERBS[other.verb].travels
        assert other.noun != other.reference.noun
        assert other.colour != other.reference.colour


def test_contrasting_prepositions_are_mutual_in_kind() -> None:
    for name, facts in words.PREPOSITIONS.items():
        for other in facts.contrasts:
            assert words.PREPOSITIONS[other].path == facts.path
            assert len(words.PREPOSITIONS[other].surface.split()) == len(facts.surface.split()), (
                name,
                other,
            )


@pytest.mark.parametrize(
    ("split", "count"),
    [("train", 40), ("test", 40), pytest.param("train", 500, marks=pytest.mark.slow)],
)
def test_every_twin_is_seen_in_twelve_small_frames(split: str, count: int) -> None:
    for seed in range(count):
        scene = sample_scene(seed, split)
        frames = render(scene, TIMES, 84).astype(np.int16)
        for twin in twins(scene):
            change = np.abs(frames - render(twin.scene, TIMES, 84))
            assert change.mean() > LEAST_MEAN, (seed, twin)
            assert (change.max(axis=(0, 3)) > VISIBLE).sum() > LEAST_PIXELS, (seed, twin)


def test_a_twin_leaves_the_corners_of_the_picture_alone() -> None:
    # The background, the distractors and the reference do not move: pixels change only where a main
    # object comes.
    from finereel.reelworld.motion import pose

    y, x = (np.mgrid[0:84, 0:84] + 0.5) / 84
    for seed in range(12):
        scene = sample_scene(seed, "train")
        frames = render(scene, TIMES, 84)
        for twin in twins(scene):
            change = (frames != render(twin.scene, TIMES, 84)).any(axis=3)
            for index, t in enumerate(TIMES):
                near = np.zeros_like(change[index])
                for now in (pose(scene, t), pose(twin.scene, t)):
                    # Half a diagonal, for turned objects, with outline and shadow.
                    near |= (
                        np.maximum(abs(x - now.x), abs(y - now.y)) < now.size * 0.75 * 1.25 + 0.06
                    )
                assert not (change[index] & ~near).any(), (seed, twin.pos, t)


def test_wrong_requests_are_refused() -> None:
    scene = sample_scene(0, "train")
    with pytest.raises(ConfigError, match=r"0\.\.5"):
        twins(scene, 6)
    with pytest.raises(ConfigError, match="unknown split"):
        twins(scene, split="all")
