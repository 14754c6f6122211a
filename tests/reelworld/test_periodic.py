"""What is drawn does not depend on what the process did before: remainders, and the registers they
are computed in.
"""

import colorsys
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finereel.reelworld import render, renderer, sample_scene, vocabulary
from finereel.reelworld.factors import Scene
from finereel.reelworld.periodic import fraction, odd, turn
from support.registers import HAS_MMX, occupied

SOME = arrays(np.float32, 5, elements=st.floats(-1000, 1000, width=32))
needs_mmx = pytest.mark.skipif(not HAS_MMX, reason="these registers are those of x86")


@given(SOME)
def test_remainders_are_those_of_numpy(values: np.ndarray) -> None:
    assert np.array_equal(fraction(values), values % 1)
    whole = np.floor(values)
    assert np.array_equal(odd(whole), whole % 2)
    assert turn(float(values[0])) == float(values[0]) % 1


def test_colours_are_those_of_colorsys() -> None:
    rng = random.Random(0)
    for _ in range(500):
        hue, lightness, saturation = (rng.random() for _ in range(3))
        expected = tuple(
            round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation)
        )
        assert renderer.rgb(hue, lightness, saturation) == expected


@needs_mmx
def test_occupied_registers_spoil_one_remainder_of_numpy_but_none_here() -> None:
    values = np.arange(4, dtype=np.float64) / 4
    with occupied(), np.errstate(invalid="ignore"):
        here, numpys = fraction(values), values % 1
    assert np.isnan(numpys).sum() <= 1  # none where the C library does without these registers
    assert np.array_equal(here, values)


def every_drawing() -> list[Scene]:
    """Scenes with the backgrounds, patterns and motions that repeat among them."""
    scenes = [sample_scene(number, "train") for number in range(300)]
    found = {
        (scene.background, scene.look if scene.look in vocabulary.PATTERNS else None)
        for scene in scenes
    }
    chosen = [
        next(s for s in scenes if (s.background, s.look) == wanted) for wanted in found if wanted[1]
    ]
    textured = [scene for scene in scenes if scene.background == "textured"]
    moving = [scene for scene in scenes if scene.verb == "blinks" or scene.adverb == "jerkily"]
    return chosen[:6] + textured[:12] + moving[:4]


@needs_mmx
def test_the_same_is_drawn_with_occupied_registers() -> None:
    times = (0.0, 0.4, 1.1, 1.6)

    def drawn(scene: Scene, time: float) -> np.ndarray:
        for kept in (renderer.background, renderer.master, renderer.shadow):
            kept.cache_clear()
        return render(scene, [time], 32)

    for number, scene in enumerate(every_drawing()):
        time = times[number % len(times)]
        expected = drawn(scene, time)
        with occupied():
            assert np.array_equal(drawn(scene, time), expected), scene
