"""False captions of drawn scenes: false for certain, one phrase apart, and divided between two
sides.
"""

from itertools import combinations

import pytest

from finereel.data.base import Caption
from finereel.errors import ConfigError
from finereel.finegrain.make.reelworld import scene_negatives
from finereel.reelworld import captions, sample_scene
from finereel.reelworld.contrasts import LEVELS, PHRASES, contrasts, side_of
from finereel.reelworld.twins import twins

SCENES = [sample_scene(number, split) for split in ("train", "test") for number in range(60)]


@pytest.mark.parametrize("template", range(6))
def test_no_contrast_is_true_of_its_scene(template: int) -> None:
    """Neither the caption itself nor any other true sentence; and a changed noun or colour is
    nowhere in the scene.
    """
    for scene in SCENES[:40]:
        truths = set(captions(scene))
        things = {scene.noun, scene.reference.noun, *(thing.noun for thing in scene.distractors)}
        for contrast in contrasts(scene, template):
            assert contrast.caption not in truths
            assert contrast.changed
            if contrast.pos == "noun" and contrast.kind == "word":
                assert contrast.changed[0][1] not in things


def test_twins_are_among_the_contrasts() -> None:
    for scene in SCENES:
        found = {contrast.caption for contrast in contrasts(scene, levels=("word",))}
        assert {twin.caption for twin in twins(scene)} <= found


def pairs_of(side: str) -> set[tuple[str, str]]:
    return {
        pair
        for scene in SCENES
        for contrast in contrasts(scene, side=side)  # type: ignore[arg-type]
        for pair in contrast.changed
    }


def test_the_two_sides_share_no_word() -> None:
    training, test = pairs_of("training"), pairs_of("test")
    assert len(training) > 50
    assert len(test) > 50
    place = {"left", "right"}  # of one preposition each
    assert (
        not {word for pair in training for word in pair}
        & {word for pair in test for word in pair} - place
    )
    assert all(side_of(old, new) == "training" for old, new in training)


def test_both_sides_reach_every_part_of_speech_and_every_phrase() -> None:
    for side in ("training", "test"):
        made = [contrast for scene in SCENES for contrast in contrasts(scene, side=side)]  # type: ignore[arg-type]
        assert {contrast.pos for contrast in made} == {
            "noun",
            "adjective",
            "verb",
            "adverb",
            "preposition",
        }
        assert {contrast.kind for contrast in made} == {"word", *PHRASES}


def test_a_phrase_changes_two_words_or_more_and_a_word_one() -> None:
    for scene in SCENES:
        for contrast in contrasts(scene):
            if contrast.kind == "word":
                assert len(contrast.changed) == 1
            else:
                assert len(contrast.changed) >= 2


def test_rows_say_where_the_change_stands() -> None:
    for scene, template in zip(SCENES, [0, 1, 2, 3, 4, 5] * 20, strict=True):
        caption = captions(scene)[template]
        rows = scene_negatives(Caption("c", "v", caption), scene, template)
        assert len({row.negative for row in rows}) == len(rows) > 0
        assert len({row.id for row in rows}) == len(rows)
        for row in rows:
            assert row.caption[row.start : row.end] == row.source
            assert (
                row.caption[: row.start] + row.replacement + row.caption[row.end :] == row.negative
            )


def test_unknown_names_and_strange_captions_are_refused() -> None:
    with pytest.raises(ConfigError, match="level"):
        contrasts(SCENES[0], levels=("sentence",))
    with pytest.raises(ValueError, match="is not the caption"):
        scene_negatives(Caption("c", "v", "a"), SCENES[0])


def test_levels_are_told_apart() -> None:
    word, phrase = ({c.caption for c in contrasts(SCENES[0], levels=(level,))} for level in LEVELS)
    assert word
    assert phrase
    assert not word & phrase
    assert all(a != b for a, b in combinations(sorted(word), 2))
