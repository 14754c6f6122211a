"""The types of ReelWorld (Scene, Thing) and its random numbers, reproducible from a key."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from finereel.errors import unknown_name
from finereel.reelworld import vocabulary as words

Choice = TypeVar("Choice")

SECONDS = 3.0
"""Length of every clip."""


@dataclass(frozen=True)
class Thing:
    """A static object: what it is, its colour, and (distractors only) its centre and width in frame
    widths.
    """

    noun: str
    colour: str
    x: float = 0.5
    y: float = 0.5
    size: float = 0.22


@dataclass(frozen=True)
class Scene:
    """All factors of one clip. Two scenes that differ in one factor differ in the picture only by
    that factor.

    `preposition` is a key of PREPOSITIONS and relates the main object to `reference`; `layout_seed`
    decides whatever no word speaks of (where the reference stands, from which side a path comes).
    """

    seed: int
    split: str
    noun: str
    colour: str
    look: str | None
    verb: str
    adverb: str | None
    preposition: str
    reference: Thing
    background: str
    background_seed: int
    layout_seed: int
    distractors: tuple[Thing, ...] = ()

    def factors(self) -> dict[str, Any]:
        """Plain data for JSON, every factor by name."""
        return asdict(self)


def check_split(split: str) -> None:
    """Raise ConfigError unless `split` is one of SPLITS."""
    if split not in words.SPLITS:
        raise unknown_name("split", split, words.SPLITS)


def rng_of(*key: object) -> random.Random:
    """A generator that depends on VERSION and `key` only; `random()` is stable across Python
    versions.
    """
    return random.Random(":".join(map(str, (words.VERSION, *key))))


def pick(rng: random.Random, options: Sequence[Choice]) -> Choice:
    """One of `options`, drawn with a single `rng.random()` so that the stream stays the same
    everywhere.
    """
    return options[int(rng.random() * len(options))]


def pick_weighted(
    rng: random.Random, options: Sequence[Choice], weights: Sequence[float]
) -> Choice:
    """As `pick`, each option in proportion to its weight."""
    level = rng.random() * sum(weights)
    for option, weight in zip(options, weights, strict=True):
        level -= weight
        if level < 0:
            return option
    return options[-1]
