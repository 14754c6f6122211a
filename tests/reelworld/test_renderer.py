"""Rendering: shape, determinism, smooth edges, the right colours, at any size."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.errors import ConfigError
from finereel.reelworld import SECONDS, SPLITS, frame_times, render, sample_scene
from finereel.reelworld import vocabulary as words
from finereel.reelworld.drawing import DRAWINGS
from finereel.reelworld.palette import RGB, accent
from finereel.reelworld.renderer import KINDS, LEVELS, background, level_for, master, shadow


@settings(max_examples=20)
@given(
    st.integers(0, 10**9),
    st.sampled_from(SPLITS),
    st.integers(16, 120),
    st.lists(st.floats(0, SECONDS), min_size=1, max_size=4),
)
def test_shape_and_determinism(seed: int, split: str, size: int, times: list[float]) -> None:
    scene = sample_scene(seed, split)
    frames = render(scene, times, size)
    assert frames.shape == (len(times), size, size, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, render(scene, times, size))


def test_frames_do_not_depend_on_their_company() -> None:
    scene = sample_scene(5, "train")
    together = render(scene, frame_times(12), 84)
    assert np.array_equal(together[7], render(scene, [frame_times(12)[7]], 84)[0])


def test_caches_are_not_drawn_on() -> None:
    scene = sample_scene(9, "train")
    first = render(scene, [1.0], 84)
    for seed in range(30):
        render(
            replace(
                sample_scene(seed, "train"),
                background=scene.background,
                background_seed=scene.background_seed,
            ),
            [1.0],
            84,
        )
    assert np.array_equal(first, render(scene, [1.0], 84))


@pytest.mark.parametrize("seed", range(6))
def test_sizes_show_the_same_picture(seed: int) -> None:
    scene = sample_scene(seed, "val")
    small, large = render(scene, [1.3], 84)[0], render(scene, [1.3], 252)[0]
    reduced = large.reshape(84, 3, 84, 3, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small).mean() < 6


def test_edges_are_smooth() -> None:
    # A moving edge takes many intermediate values; without antialiasing a black object on a flat
    # wall would take few.
    scene = replace(
        sample_scene(0, "train"), colour="black", look=None, background="plain", distractors=()
    )
    assert len(np.unique(render(scene, [1.0], 84)[0][..., 0])) > 60


def test_small_shifts_move_less_than_a_pixel() -> None:
    scene = replace(
        sample_scene(0, "train"),
        verb="slides",
        adverb="slowly",
        preposition="past",
        background="plain",
    )
    frames = render(scene, [1.5, 1.51], 84).astype(np.int16)
    change = np.abs(frames[1] - frames[0])
    assert 0 < change.mean() < 2


@pytest.mark.parametrize("colour", words.COLOURS)
@pytest.mark.parametrize("noun", words.NOUNS)
def test_an_object_has_mostly_its_colour(noun: str, colour: str) -> None:
    pixels = np.asarray(master(noun, colour, None, 64), dtype=np.float64)
    opaque = pixels[pixels[..., 3] > 250][:, :3]
    names = list(RGB)
    nearest = np.argmin(
        [np.abs(opaque - np.array(RGB[name])).sum(axis=1) for name in names], axis=0
    )
    share = np.bincount(nearest, minlength=len(names)) / len(opaque)
    assert names[int(share.argmax())] == colour


@pytest.mark.parametrize("noun", words.NOUNS)
def test_silhouettes_differ(noun: str) -> None:
    mine = np.asarray(master(noun, "red", None, 32).getchannel("A")) > 128
    assert 0.15 < mine.mean() < 0.65
    for other in words.NOUNS:
        if other != noun:
            theirs = np.asarray(master(other, "red", None, 32).getchannel("A")) > 128
            assert (mine ^ theirs).sum() > 0.15 * mine.sum(), other


@pytest.mark.parametrize("noun", words.NOUNS)
def test_a_full_turn_shows(noun: str) -> None:
    # Spinning and rolling must be visible: no object looks the same after a quarter or half of a
    # turn.
    picture = np.asarray(master(noun, "blue", None, 64)).astype(np.int16)
    for quarters in (1, 2):
        assert np.abs(np.rot90(picture, quarters) - picture).mean() > 2, quarters


def test_facing_nouns_are_not_symmetric() -> None:
    for noun in words.FACING:
        picture = np.asarray(master(noun, "blue", None, 64)).astype(np.int16)
        assert np.abs(picture[:, ::-1] - picture).mean() > 8, noun


@pytest.mark.parametrize("pattern", words.PATTERNS)
@pytest.mark.parametrize("colour", words.COLOURS)
def test_patterns_show(pattern: str, colour: str) -> None:
    assert np.abs(np.array(RGB[colour]) - accent(colour)).max() > 70
    bare, marked = (
        np.asarray(master("heart", colour, look, 32)).astype(np.int16) for look in (None, pattern)
    )
    assert (np.abs(bare - marked).max(axis=2) > 40).mean() > 0.08


@pytest.mark.parametrize("kind", words.BACKGROUNDS)
def test_backgrounds_stay_pale_and_differ_by_seed(kind: str) -> None:
    for seed in range(6):
        pixels = np.asarray(background(kind, seed, 84)).astype(np.int16)
        assert pixels.min() > 80
        assert np.quantile(pixels.max(axis=2) - pixels.min(axis=2), 0.95) < 110
        assert not np.array_equal(pixels, np.asarray(background(kind, seed + 1, 84)))


def test_kinds_of_background_look_different() -> None:
    rough = {kind: [] for kind in words.BACKGROUNDS}
    for kind, found in rough.items():
        for seed in range(20):
            pixels = np.asarray(background(kind, seed, 84)).astype(np.float64)
            found.append(
                np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean()
            )
    assert max(rough["plain"]) < min(rough["textured"])
    assert max(rough["plain"]) < min(rough["cluttered"])


def test_registries_match_the_vocabulary() -> None:
    assert set(DRAWINGS) == set(words.NOUNS)
    assert set(RGB) == set(words.COLOURS)
    assert set(KINDS) == set(words.BACKGROUNDS)


def test_levels() -> None:
    assert [level_for(pixels) for pixels in (3.0, 32.0, 33.0, 600.0)] == [32, 32, 64, LEVELS[-1]]
    assert master("car", "red", None, 32).size == shadow("car", 32).size == (40, 40)


@pytest.mark.parametrize(("times", "size"), [([], 84), ([0.0], 8)])
def test_wrong_requests_are_refused(times: list[float], size: int) -> None:
    with pytest.raises(ConfigError, match="render needs"):
        render(sample_scene(0, "train"), times, size)
