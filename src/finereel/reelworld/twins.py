"""Counterfactual twins: the same scene with exactly one word's meaning changed, so that the new
caption is true of the twin and false of the scene.
"""

from dataclasses import dataclass, replace

from finereel.errors import ConfigError
from finereel.reelworld import vocabulary as words
from finereel.reelworld.captions import captions
from finereel.reelworld.factors import Scene, check_split, rng_of

PARTS_OF_SPEECH = ("noun", "adjective", "verb", "adverb", "preposition")


@dataclass(frozen=True)
class Twin:
    """One changed word: its part of speech, the twin's caption and scene, the old word and the new
    one.
    """

    pos: str
    caption: str
    scene: Scene
    source_word: str
    replacement: str


def changed_words(source: str, target: str) -> list[tuple[str, str]]:
    """Positions where two captions of the same length differ, as (old, new) without commas.

    >>> changed_words("slowly, a red car slides", "quickly, a red car slides")
    [('slowly', 'quickly')]
    """
    pairs = zip(source.split(), target.split(), strict=True)
    return [(old.strip(","), new.strip(",")) for old, new in pairs if old != new]


def noun_contrasts(scene: Scene, split: str) -> list[str]:
    """Nouns that could replace the main noun: nowhere else in the scene, and in training splits
    seen pairs.
    """
    present = {scene.noun, scene.reference.noun, *(thing.noun for thing in scene.distractors)}
    return [
        noun
        for noun in words.NOUNS
        if noun not in present
        and words.verb_fits(noun, scene.look, scene.verb, scene.adverb)
        and (split == "test" or words.unseen_pairs(noun, scene.colour, scene.verb) == 0)
    ]


def colour_contrasts(scene: Scene, split: str) -> list[str]:
    """Colours that could replace the main colour: on nothing else in the scene, and in training
    splits a seen pair.
    """
    present = {scene.colour, scene.reference.colour, *(thing.colour for thing in scene.distractors)}
    return [
        colour
        for colour in words.COLOURS
        if colour not in present and (split == "test" or words.seen_colour(scene.noun, colour))
    ]


def verb_contrasts(scene: Scene, split: str) -> list[str]:
    """Verbs that could replace the scene's verb: same kind, same adverb, and in training splits a
    seen pair.
    """
    travels = words.VERBS[scene.verb].travels
    return [
        verb
        for verb, facts in words.VERBS.items()
        if verb != scene.verb
        and facts.travels == travels
        and words.verb_fits(scene.noun, scene.look, verb, scene.adverb)
        and (split == "test" or words.seen_verb(scene.noun, verb))
    ]


def look_contrasts(scene: Scene) -> list[str]:
    """Looks of the same kind (size or pattern)."""
    kind = words.SIZES if scene.look in words.SIZES else words.PATTERNS
    return [look for look in kind if look != scene.look]


def changed_scenes(scene: Scene, split: str) -> dict[str, Scene]:
    """The twin scene for every part of speech that has one, in the order of PARTS_OF_SPEECH."""
    rng = rng_of("twins", scene.split, scene.seed)
    rolls = {pos: rng.random() for pos in PARTS_OF_SPEECH}
    by_look = scene.look is not None and rng.random() < 0.5
    options: dict[str, list[Scene]] = {
        "noun": [replace(scene, noun=noun) for noun in noun_contrasts(scene, split)],
        "adjective": [replace(scene, look=look) for look in look_contrasts(scene)]
        if by_look
        else [replace(scene, colour=colour) for colour in colour_contrasts(scene, split)],
        "verb": [replace(scene, verb=verb) for verb in verb_contrasts(scene, split)],
        "adverb": [replace(scene, adverb=words.OPPOSITE[scene.adverb])] if scene.adverb else [],
        "preposition": [
            replace(scene, preposition=other)
            for other in words.PREPOSITIONS[scene.preposition].contrasts
        ],
    }
    return {pos: found[int(rolls[pos] * len(found))] for pos, found in options.items() if found}


def twins(scene: Scene, template: int = 0, split: str | None = None) -> tuple[Twin, ...]:
    """One twin for every part of speech the scene allows: noun, adjective, verb, adverb,
    preposition.

    `template` says which paraphrase of `captions(scene)` is changed. `split` (default: the scene's
    own) is the split the twins are for: outside `test`, twins stay within the pairs seen in
    training. A scene without an adverb, or whose preposition no single word replaces ("out of", "in
    front of"), has no twin for that part. Raises ConfigError for an unknown template or split.

    >>> from finereel.reelworld.scenes import sample_scene
    >>> [twin.pos for twin in twins(sample_scene(0, "train"))]
    ['noun', 'adjective', 'verb', 'adverb', 'preposition']
    """
    split = scene.split if split is None else split
    check_split(split)
    paraphrases = captions(scene)
    if not 0 <= template < len(paraphrases):
        raise ConfigError(
            f"template is one of 0..{len(paraphrases) - 1} (a paraphrase), got {template}"
        )
    found = []
    for pos, other in changed_scenes(scene, split).items():
        caption = captions(other)[template]
        ((source_word, replacement),) = changed_words(paraphrases[template], caption)
        found.append(Twin(pos, caption, other, source_word, replacement))
    return tuple(found)
