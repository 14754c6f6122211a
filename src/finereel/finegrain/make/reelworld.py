"""False captions of ReelWorld as negatives, split into two generators that share no pair of words."""

import itertools
from typing import get_args

from finereel.data.base import Caption
from finereel.finegrain.types import Negative, PartOfSpeech
from finereel.reelworld.contrasts import LEVELS, Contrast, Side, contrasts
from finereel.reelworld.factors import Scene

GENERATOR = "reelworld-contrasts 1"


def scene_negatives(
    row: Caption,
    scene: Scene,
    template: int = 0,
    side: Side = "any",
    levels: tuple[str, ...] = LEVELS,
) -> list[Negative]:
    """The negatives of one caption, `captions(scene)[template]`. Raises ValueError where `row` says
    something else.

    >>> from finereel.reelworld import captions, sample_scene
    >>> scene = sample_scene(0, "train")
    >>> row = scene_negatives(Caption("c", "train/0", captions(scene)[0]), scene, side="training")[0]
    >>> row.caption[row.start : row.end] == row.source
    True
    """
    found = contrasts(scene, template, side, levels)
    return [_negative(row, contrast, number) for number, contrast in enumerate(found)]


def _negative(row: Caption, contrast: Contrast, number: int) -> Negative:
    if len(contrast.caption.split()) != len(row.text.split()):
        raise ValueError(f"{row.text!r} is not the caption that {contrast.caption!r} was made of")
    before, old, new = _difference(row.text.split(), contrast.caption.split())
    start = len(" ".join(before)) + bool(before)
    source, replacement = " ".join(old).strip(","), " ".join(new).strip(",")
    assert contrast.pos in get_args(PartOfSpeech)
    return Negative.of(
        row,
        start,
        start + len(source),
        id=f"{row.id}/{number}",
        negative=contrast.caption,
        pos=contrast.pos,
        replacement=replacement,
        method=f"reelworld:{contrast.kind}",
        lemma=source,
        replacement_lemma=replacement,
        generator=GENERATOR,
    )


def _difference(old: list[str], new: list[str]) -> tuple[list[str], list[str], list[str]]:
    """The words before the first change, and from there to the last change the words of either
    text.
    """
    differs = [one != other for one, other in zip(old, new, strict=True)]
    first, last = differs.index(True), len(differs) - differs[::-1].index(True)
    return (
        old[:first],
        list(itertools.islice(old, first, last)),
        list(itertools.islice(new, first, last)),
    )
