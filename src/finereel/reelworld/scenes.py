"""Sample a scene: every factor of a clip at random, reproducible from (seed, split, VERSION)."""

import random
from dataclasses import replace

from finereel.errors import ConfigError
from finereel.reelworld import vocabulary as words
from finereel.reelworld.factors import (
    SECONDS,
    Scene,
    Thing,
    check_split,
    pick,
    pick_weighted,
    rng_of,
)
from finereel.reelworld.motion import REFERENCE_SIZE, pose, scene_layout
from finereel.reelworld.twins import changed_scenes, noun_contrasts, verb_contrasts

NO_ADVERB, NO_LOOK = 0.03, 0.25
BACKGROUND_SEEDS = 1024
CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9))
DISTRACTOR_SIZE = 0.15
SWEEP = tuple(SECONDS * (step + 0.5) / 12 for step in range(12))
"""Times at which the main object's way is checked for distractors."""


def draw_main(rng: random.Random, split: str) -> tuple[str, str, str]:
    """(noun, colour, verb): seen pairs only, or for `test` at least one held-out pair."""
    while True:
        noun, colour, verb = (
            pick(rng, words.NOUNS),
            pick(rng, words.COLOURS),
            pick(rng, tuple(words.VERBS)),
        )
        if (words.unseen_pairs(noun, colour, verb) > 0) == (split == "test"):
            return noun, colour, verb


def draw_adverb(rng: random.Random, scene: Scene) -> str | None:
    """An adverb that fits, and with which noun and verb could still be replaced; now and
    then none.
    """
    rolls = rng.random(), rng.random()
    fitting = [
        adverb
        for adverb in words.VERBS[scene.verb].adverbs
        if words.verb_fits(scene.noun, scene.look, scene.verb, adverb)
        and verb_contrasts(replace(scene, adverb=adverb), scene.split)
        and noun_contrasts(replace(scene, adverb=adverb), scene.split)
    ]
    return None if rolls[0] < NO_ADVERB or not fitting else fitting[int(rolls[1] * len(fitting))]


def draw_preposition(rng: random.Random, verb: str) -> str:
    """A path for a verb of travel, a place for any other."""
    fitting = {
        name: facts
        for name, facts in words.PREPOSITIONS.items()
        if facts.path == words.VERBS[verb].travels
    }
    return pick_weighted(rng, tuple(fitting), [facts.weight for facts in fitting.values()])


def other_than(rng: random.Random, options: tuple[str, ...], *taken: str) -> str:
    """One of `options` that is not taken."""
    return pick(rng, [option for option in options if option not in taken])


def free_corners(scenes: tuple[Scene, ...]) -> list[tuple[float, float]]:
    """Corners that neither the main object of any of the scenes nor their reference ever comes
    near.
    """
    boxes = [(at.x, at.y, REFERENCE_SIZE) for at in map(scene_layout, scenes)]
    boxes += [
        (now.x, now.y, now.size) for scene in scenes for now in (pose(scene, t) for t in SWEEP)
    ]
    return [
        (x, y)
        for x, y in CORNERS
        if all(
            max(abs(x - bx), abs(y - by)) > (size + DISTRACTOR_SIZE) / 2 for bx, by, size in boxes
        )
    ]


def draw_distractors(rng: random.Random, scene: Scene) -> tuple[Thing, ...]:
    """Up to two static objects in corners that stay clear in the scene and in all its twins.

    Their nouns and colours are those of neither main object nor reference, nor of any twin's.
    """
    others = tuple(changed_scenes(scene, scene.split).values())
    wanted = pick_weighted(rng, (0, 1, 2), (0.4, 0.35, 0.25))
    corners = free_corners((scene, *others)) if wanted else []
    nouns = {scene.reference.noun, *(each.noun for each in (scene, *others))}
    colours = {scene.reference.colour, *(each.colour for each in (scene, *others))}
    found = []
    for _ in range(min(wanted, len(corners))):
        x, y = corners.pop(int(rng.random() * len(corners)))
        noun, colour = (
            other_than(rng, words.NOUNS, *nouns),
            other_than(rng, words.COLOURS, *colours),
        )
        nouns.add(noun)
        found.append(Thing(noun, colour, x, y, DISTRACTOR_SIZE))
    return tuple(found)


def sample_scene(seed: int, split: str) -> Scene:
    """The scene number `seed` of a split: always the same one for the same VERSION.

    `train`, `val` and `test_seen` hold only (noun, colour) and (noun, verb) pairs seen in training;
    every scene of `test` has at least one pair never seen. Raises ConfigError for an unknown split
    or a negative seed.

    >>> scene = sample_scene(7, "train")
    >>> scene == sample_scene(7, "train"), scene == sample_scene(7, "val")
    (True, False)
    """
    check_split(split)
    if seed < 0:
        raise ConfigError(f"a scene's seed is 0 or more, got {seed}")
    rng = rng_of("scene", split, seed)
    noun, colour, verb = draw_main(rng, split)
    look = None if rng.random() < NO_LOOK else pick(rng, words.LOOKS)
    if not words.verb_fits(noun, look, verb, None):
        look = pick(rng, words.PATTERNS)
    reference = Thing(
        other_than(rng, words.NOUNS, noun),
        other_than(rng, words.COLOURS, colour),
        size=REFERENCE_SIZE,
    )
    scene = Scene(
        seed=seed,
        split=split,
        noun=noun,
        colour=colour,
        look=look,
        verb=verb,
        adverb=None,
        preposition=draw_preposition(rng, verb),
        reference=reference,
        background=pick(rng, words.BACKGROUNDS),
        background_seed=int(rng.random() * BACKGROUND_SEEDS),
        layout_seed=int(rng.random() * 2**31),
    )
    scene = replace(scene, adverb=draw_adverb(rng, scene))
    return replace(scene, distractors=draw_distractors(rng, scene))
