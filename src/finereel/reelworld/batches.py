"""ReelWorld as an endless training set: every step renders new scenes at the model's size.

A batch depends on (settings, step) alone, so a resumed run sees what an undisturbed one would.
Rendering imports no torch.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from finereel.reelworld import (
    SECONDS,
    Scene,
    captions,
    frame_times,
    render,
    sample_scene,
    short_captions,
    twins,
    vocabulary,
)
from finereel.reelworld.contrasts import LEVELS, Side, contrasts

_SEEDS_PER_STEP = 1 << 20

FACTORS: dict[str, list[str | None]] = {
    "noun": [*vocabulary.NOUNS],
    "colour": [*vocabulary.COLOURS],
    "look": [*vocabulary.LOOKS],
    "verb": [*vocabulary.VERBS],
    "adverb": [*vocabulary.ADVERBS],
    "preposition": [*vocabulary.PREPOSITIONS],
    "reference": [*vocabulary.NOUNS],
    "reference_colour": [*vocabulary.COLOURS],
}
FACTOR_SIZES = tuple(map(len, FACTORS.values()))
STILL_FACTORS = ("noun", "colour", "look", "reference", "reference_colour")
"""What a single frame shows."""


@dataclass(frozen=True)
class SceneBatches:
    """What a batch is made of.

    groups: scenes per batch; twins: counterfactual twins beside each scene (distinct clip and
    caption, in-batch negatives that differ in one word); num_frames: frames per clip, 1 = one frame
    at a random moment;
    frames_apart: with num_frames = 1, so many moments of each scene, each a row of its own (a scene
    costs more to draw up than a frame to render; such rows are no negatives of one another, so
    train them on factors alone).
    short_share: share of scenes that come without twins and with a caption leaving factors out.
    negatives: false captions of each row at most (see `finereel.reelworld.contrasts`), of these
    levels and this side; a caption that leaves factors out has none.
    """

    groups: int = 32
    twins: int = 2
    num_frames: int = 12
    frames_apart: int = 1
    image_size: int = 80
    short_share: float = 0.0
    split: str = "train"
    seed: int = 0
    negatives: int = 0
    levels: tuple[str, ...] = LEVELS
    side: Side = "training"


@dataclass(frozen=True)
class SceneBatch:
    """B clips, the caption of each, the K factors of FACTORS in both (-1: not visible, not said),
    and false captions of each, where they are asked for.
    """

    pixels: UInt8[np.ndarray, "B F H H 3"]
    captions: tuple[str, ...]
    video_factors: Int64[np.ndarray, "B K"]
    text_factors: Int64[np.ndarray, "B K"]
    negatives: tuple[tuple[str, ...], ...] = ()


def render_small(
    scene: Scene, times: Sequence[float], size: int
) -> UInt8[np.ndarray, "F size size 3"]:
    """Frames at a model's size as they look after a larger file was decoded and resized: drawn at 2
    x, averaged.

    Drawing directly at the small size leaves outlines 4 times further from the resized file's (mean
    pixel difference 1.4 against 0.3 of 255).
    """
    large = render(scene, times, 2 * size).astype(np.uint16)
    blocks = large.reshape(len(large), size, 2, size, 2, 3)
    small: np.ndarray = ((blocks.sum((2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8)
    return small


def make_batch(settings: SceneBatches, step: int) -> SceneBatch:
    """The batch of one step: scenes, then for each its chosen twins, rendered."""
    rng = random.Random(f"{settings.seed}/{settings.split}/{step}")
    pairs: list[_Pair] = []
    for group in range(settings.groups):
        scene = sample_scene(
            (settings.seed * _SEEDS_PER_STEP + step) * settings.groups + group, settings.split
        )
        pairs += _scene_with_twins(scene, settings, rng)
    pairs = [pair for pair in pairs for _ in range(settings.frames_apart)]
    visible = STILL_FACTORS if settings.num_frames == 1 else tuple(FACTORS)
    return SceneBatch(
        pixels=np.stack(
            [render_small(pair.scene, _times(settings, rng), settings.image_size) for pair in pairs]
        ),
        captions=tuple(pair.caption for pair in pairs),
        video_factors=np.array([factor_labels(pair.scene, visible) for pair in pairs]),
        text_factors=np.array(
            [factor_labels(pair.scene, () if pair.short else tuple(FACTORS)) for pair in pairs]
        ),
        negatives=tuple(_false_captions(pair, settings, step) for pair in pairs)
        if settings.negatives
        else (),
    )


@dataclass(frozen=True)
class _Pair:
    scene: Scene
    caption: str
    template: int | None = None

    @property
    def short(self) -> bool:
        """Whether the caption is no paraphrase but leaves factors out."""
        return self.template is None


def _false_captions(pair: _Pair, settings: SceneBatches, step: int) -> tuple[str, ...]:
    """Up to `settings.negatives` false captions, drawn with a random generator of their own."""
    if pair.template is None:
        return ()
    found = [
        found.caption
        for found in contrasts(pair.scene, pair.template, settings.side, settings.levels)
    ]
    rng = random.Random(f"{settings.seed}/negatives/{step}/{pair.caption}")
    return tuple(rng.sample(found, min(settings.negatives, len(found))))


def factor_labels(scene: Scene, visible: tuple[str, ...]) -> list[int]:
    """The number of each factor's value among its words; -1 for a factor that is not visible or
    that no word names.
    """
    values = {
        "noun": scene.noun,
        "colour": scene.colour,
        "look": scene.look,
        "verb": scene.verb,
        "adverb": scene.adverb,
        "preposition": scene.preposition,
        "reference": scene.reference.noun,
        "reference_colour": scene.reference.colour,
    }
    return [
        words.index(values[name]) if name in visible and values[name] is not None else -1
        for name, words in FACTORS.items()
    ]


def _scene_with_twins(scene: Scene, settings: SceneBatches, rng: random.Random) -> list[_Pair]:
    template = rng.randrange(len(captions(scene)))
    if rng.random() < settings.short_share:
        return [_Pair(scene, rng.choice(short_captions(scene)))]
    counterfactuals = list(twins(scene, template=template, split=settings.split))
    chosen = rng.sample(counterfactuals, min(settings.twins, len(counterfactuals)))
    rows = [(scene, captions(scene)[template]), *((twin.scene, twin.caption) for twin in chosen)]
    return [_Pair(*row, template) for row in rows]


def _times(settings: SceneBatches, rng: random.Random) -> list[float]:
    if settings.num_frames == 1:
        return [rng.random() * SECONDS]
    return frame_times(settings.num_frames)
