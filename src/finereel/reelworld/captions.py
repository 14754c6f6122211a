"""Generate captions of a scene with a grammar: full paraphrases and shorter captions, in the
present tense.
"""

from finereel.reelworld import vocabulary as words
from finereel.reelworld.factors import Scene

NAMED_BACKGROUND = 4
"""Index of the paraphrase that also names the background."""


def noun_phrase(scene: Scene) -> str:
    """Look, colour and noun without an article: "small red car"."""
    return " ".join(word for word in (scene.look, scene.colour, scene.noun) if word)


def join(*parts: str | None) -> str:
    """Words with single spaces; absent parts leave no gap."""
    return " ".join(part for part in parts if part)


def captions(scene: Scene) -> tuple[str, ...]:
    """Six paraphrases, each naming every factor except (in all but one) the background. The first
    is canonical.

    >>> from finereel.reelworld.scenes import sample_scene
    >>> len(captions(sample_scene(0, "train")))
    6
    """
    main, verb, adverb = noun_phrase(scene), scene.verb, scene.adverb
    progressive = words.VERBS[verb].progressive
    preposition = words.PREPOSITIONS[scene.preposition].surface
    reference = f"{scene.reference.colour} {scene.reference.noun}"
    late = adverb is None or adverb in words.LATE_ADVERBS
    after = (verb, adverb) if late else (adverb, verb)
    opening = (
        join("a", main, verb, preposition, "a", reference, adverb)
        if late
        else join(f"{adverb},", "the", main, verb, preposition, "a", reference)
    )
    if words.PREPOSITIONS[scene.preposition].path:
        placed = join("the video shows a", main, "that", *after, preposition, "a", reference)
    else:
        placed = join(preposition, "a", f"{reference},", "a", main, verb, adverb)
    setting = join("against a", scene.background, "background")
    return (
        join("a", main, verb, adverb, preposition, "a", reference),
        join("the", main, *after, preposition, "the", reference),
        opening,
        placed,
        join(
            "a video of a", main, "that", verb, adverb, preposition, "a", f"{reference},", setting
        ),
        join("a", main, "is", progressive, adverb, preposition, "a", reference),
    )


def short_captions(scene: Scene) -> tuple[str, ...]:
    """True captions that leave factors out; "moves" stands for any verb of travel, "away from" for
    "from".
    """
    facts = words.VERBS[scene.verb]
    preposition = {"from": "away from"}.get(
        scene.preposition, words.PREPOSITIONS[scene.preposition].surface
    )
    coloured, reference = f"{scene.colour} {scene.noun}", scene.reference
    general = ("moves", "moving") if facts.travels else (scene.verb, facts.progressive)
    short = [
        f"a {coloured}",
        f"a {scene.noun} and a {reference.noun}",
        f"a {scene.noun} {scene.verb}",
        f"a {coloured} {facts.progressive}",
        join("a", scene.noun, scene.verb, scene.adverb),
        f"a {scene.noun} {general[1]} {preposition} a {reference.noun}",
        f"a {coloured} {general[0]} {preposition} a {reference.colour} {reference.noun}",
        join(
            "something",
            general[1],
            scene.adverb,
            preposition,
            "a",
            reference.colour,
            reference.noun,
        ),
        f"a {scene.background} background with a {coloured} and a {reference.colour} "
        f"{reference.noun}",
    ]
    if scene.look:
        short.append(f"a {scene.look} {scene.noun}")
        short.append(f"a {noun_phrase(scene)} {scene.verb}")
    everything = captions(scene)
    return tuple(caption for caption in short if caption not in everything)
