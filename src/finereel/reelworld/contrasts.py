"""Generate captions that are certainly false of a scene: one word changed, or the words of a phrase
together.

Two sides, `training` and `test`, share no pair of words: nouns, colours, verbs and patterns are
divided, and of adverbs and prepositions whole oppositions. A pair belongs to a side where both of
its words do.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from finereel.errors import unknown_name
from finereel.reelworld import vocabulary as words
from finereel.reelworld.captions import captions
from finereel.reelworld.factors import Scene
from finereel.reelworld.twins import (
    changed_words,
    colour_contrasts,
    look_contrasts,
    noun_contrasts,
    verb_contrasts,
)

Side = Literal["training", "test", "any"]
LEVELS = ("word", "phrase")

_PREPOSITIONS = {
    "training": frozenset({"above", "below", "toward", "from"}),
    "test": frozenset({"left of", "right of", "around", "past"}),
}
"""What is left over (behind, in front of, into, out of) is on no side; twins of it count with side
`any` alone.
"""
_PARTS = {
    "noun": "noun", "reference noun": "noun", "colour": "adjective", "look": "adjective",
    "reference colour": "adjective", "verb": "verb", "adverb": "adverb", "preposition": "preposition",
}  # fmt: skip
PHRASES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "adjective+noun": (
        ("colour", "noun"),
        ("look", "noun"),
        ("reference colour", "reference noun"),
    ),
    "adverb+verb": (("adverb", "verb"),),
    "verb+preposition+noun": (
        ("verb", "preposition", "reference noun"),
        ("verb", "reference noun"),
    ),
}
"""Factors that change together; of the last kind the preposition stays where nothing may replace
it.
"""
_HEADS = {"adjective+noun": "noun", "adverb+verb": "verb", "verb+preposition+noun": "verb"}


@dataclass(frozen=True)
class Contrast:
    """A false caption. pos: of the word, or of the phrase's head; kind: `word` or a key of PHRASES;
    changed: pairs of old and new words in the order of the caption.
    """

    pos: str
    kind: str
    caption: str
    changed: tuple[tuple[str, str], ...]


def side_of(old: str, new: str) -> Side | None:
    """The side of a pair of words of one kind, None where it belongs to neither.

    >>> side_of("slowly", "quickly"), side_of("smoothly", "jerkily"), side_of("above", "behind")
    ('training', 'test', None)
    """
    for side in ("training", "test"):
        if {old, new} <= _WORDS[side]:
            return side
    return None


def _words(parity: int, side: str) -> frozenset[str]:
    travelling = [verb for verb, facts in words.VERBS.items() if facts.travels]
    staying = [verb for verb in words.VERBS if verb not in travelling]
    adverbs = itertools.chain.from_iterable(words.ADVERB_PAIRS[parity::2])
    looks = words.SIZES if side == "training" else words.PATTERNS
    halves = (kind[parity::2] for kind in (words.NOUNS, words.COLOURS, travelling, staying))
    return frozenset(itertools.chain(*halves, adverbs, looks, _PREPOSITIONS[side]))


_WORDS = {"training": _words(0, "training"), "test": _words(1, "test")}


def contrasts(
    scene: Scene, template: int = 0, side: Side = "any", levels: tuple[str, ...] = LEVELS
) -> list[Contrast]:
    """Every false caption of one side for the paraphrase `template`, each once. ConfigError for an
    unknown level.

    Words that appear elsewhere in the scene are left out, and outside the split `test` so are main
    objects that training never shows: what is false stays possible.

    >>> from finereel.reelworld.scenes import sample_scene
    >>> found = contrasts(sample_scene(3, "train"), side="training")
    >>> sorted({contrast.kind for contrast in found})
    ['adjective+noun', 'adverb+verb', 'verb+preposition+noun', 'word']
    """
    for level in levels:
        if level not in LEVELS:
            raise unknown_name("level", level, LEVELS)
    plans: list[tuple[str, str, tuple[str, ...]]] = []
    if "word" in levels:
        plans += [("word", pos, (factor,)) for factor, pos in _PARTS.items()]
    if "phrase" in levels:
        plans += [
            (kind, _HEADS[kind], factors) for kind, ways in PHRASES.items() for factors in ways
        ]
    truth = captions(scene)[template]
    found: dict[str, Contrast] = {}
    for kind, pos, factors in plans:
        if (
            kind in PHRASES
            and any(one.kind == kind for one in found.values())
            and len(factors) < len(PHRASES[kind][0])
        ):
            continue  # the fuller phrase was possible
        for other in _changed(scene, factors, side):
            caption = captions(other)[template]
            found.setdefault(
                caption, Contrast(pos, kind, caption, tuple(changed_words(truth, caption)))
            )
    return list(found.values())


def _changed(scene: Scene, factors: tuple[str, ...], side: Side) -> list[Scene]:
    """The scene with these factors changed one after the other, in every way."""
    scenes = [scene]
    for factor in factors:
        scenes = [other for each in scenes for other in _OPTIONS[factor](each, side)]
    return scenes


def _fits(old: str, new: str, side: Side) -> bool:
    return side in ("any", side_of(old, new))


def _nouns(scene: Scene, side: Side) -> list[Scene]:
    found = noun_contrasts(scene, scene.split)
    return [replace(scene, noun=noun) for noun in found if _fits(scene.noun, noun, side)]


def _colours(scene: Scene, side: Side) -> list[Scene]:
    found = colour_contrasts(scene, scene.split)
    return [replace(scene, colour=colour) for colour in found if _fits(scene.colour, colour, side)]


def _looks(scene: Scene, side: Side) -> list[Scene]:
    if scene.look is None:
        return []
    return [
        replace(scene, look=look) for look in look_contrasts(scene) if _fits(scene.look, look, side)
    ]


def _verbs(scene: Scene, side: Side) -> list[Scene]:
    found = verb_contrasts(scene, scene.split)
    return [replace(scene, verb=verb) for verb in found if _fits(scene.verb, verb, side)]


def _adverbs(scene: Scene, side: Side) -> list[Scene]:
    if scene.adverb is None or not _fits(scene.adverb, words.OPPOSITE[scene.adverb], side):
        return []
    return [replace(scene, adverb=words.OPPOSITE[scene.adverb])]


def _prepositions(scene: Scene, side: Side) -> list[Scene]:
    found = words.PREPOSITIONS[scene.preposition].contrasts
    return [
        replace(scene, preposition=other)
        for other in found
        if _fits(scene.preposition, other, side)
    ]


def _reference_nouns(scene: Scene, side: Side) -> list[Scene]:
    own, present = scene.reference.noun, {scene.noun, *(thing.noun for thing in scene.distractors)}
    found = [
        noun
        for noun in words.NOUNS
        if noun != own and noun not in present and _fits(own, noun, side)
    ]
    return [replace(scene, reference=replace(scene.reference, noun=noun)) for noun in found]


def _reference_colours(scene: Scene, side: Side) -> list[Scene]:
    own, present = (
        scene.reference.colour,
        {scene.colour, *(thing.colour for thing in scene.distractors)},
    )
    found = [
        colour
        for colour in words.COLOURS
        if colour != own and colour not in present and _fits(own, colour, side)
    ]
    return [replace(scene, reference=replace(scene.reference, colour=colour)) for colour in found]


_OPTIONS: Mapping[str, Callable[[Scene, Side], list[Scene]]] = {
    "noun": _nouns,
    "colour": _colours,
    "look": _looks,
    "verb": _verbs,
    "adverb": _adverbs,
    "preposition": _prepositions,
    "reference noun": _reference_nouns,
    "reference colour": _reference_colours,
}
