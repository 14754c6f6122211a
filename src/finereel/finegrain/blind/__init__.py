"""Text-only baselines: how well a scorer that sees no video can tell a caption from its negatives."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from finereel.data.base import Caption
from finereel.errors import unknown_name
from finereel.finegrain.blind.context import context_differences
from finereel.finegrain.blind.learned import FOLDS, Differences, differences, held_out_margins
from finereel.finegrain.blind.ngrams import NGrams
from finereel.finegrain.blind.others import blocks, captions_of_rows, parts_of
from finereel.finegrain.blind.pairs import (
    BlindResult,
    TextOnlyScores,
    group_numbers,
    measure,
    measure_groups,
)
from finereel.finegrain.types import Negative

__all__ = [
    "CLASSIFIERS",
    "SCORERS",
    "TEXT_SCORERS",
    "BlindResult",
    "NGrams",
    "TextOnlyScores",
    "Train",
    "blind_scores",
    "group_numbers",
    "measure",
    "measure_groups",
    "remembering",
    "score_pairs",
    "text_scorer",
]


@runtime_checkable
class TextScorer(Protocol):
    """Says of texts how likely each is to be true of some video; the higher, the likelier."""

    def score(self, texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        """A finite number per text."""
        ...


class Shortness:
    """Takes the shorter text, in characters, for the true one."""

    def __init__(self, captions: Iterable[str] = ()) -> None: ...

    def score(self, texts: Sequence[str]) -> Float64[np.ndarray, " N"]:
        """Minus the length."""
        return -np.fromiter(map(len, texts), np.float64, len(texts))


TEXT_SCORERS: dict[str, Callable[[Iterable[str]], TextScorer]] = {
    "unigram": partial(NGrams, order=1),
    "trigram": partial(NGrams, order=3),
    "length": Shortness,
}
CLASSIFIERS: dict[str, Callable[[Sequence[str], Sequence[str]], Differences]] = {
    "learned": differences,
    "context": context_differences,
}
"""What a classifier sees of captions and their negatives."""
SCORERS = (*TEXT_SCORERS, *CLASSIFIERS)
"""The text scorers learn from captions alone, the classifiers from negatives of other videos."""
Train = Callable[[str, Sequence[str]], TextScorer]
"""A scorer by its name that has read some captions."""


def text_scorer(name: str, captions: Iterable[str]) -> TextScorer:
    """A scorer that has read `captions`. Raises ConfigError for a name that TEXT_SCORERS lacks."""
    if name not in TEXT_SCORERS:
        raise unknown_name("text-only scorer", name, TEXT_SCORERS)
    return TEXT_SCORERS[name](captions)


def remembering(most: int = 16) -> Train:
    """`text_scorer` which keeps what it trained last, for portions of rows that learn from the same
    captions.
    """
    kept = lru_cache(maxsize=most)(text_scorer)
    return lambda name, captions: kept(name, tuple(captions))


def blind_scores(
    rows: Sequence[Negative],
    captions: Sequence[Caption] = (),
    names: Sequence[str] = ("trigram",),
    train: Train = text_scorer,
) -> dict[str, TextOnlyScores]:
    """What each scorer says of every row, having learned from other videos only (see
    `others.blocks`).

    captions: of the whole collection; without them the captions of the rows are all there is to
    learn from. Classifiers are trained on the rows themselves, five folds by video: give them one
    part of speech at a time. Raises ConfigError for a name that SCORERS lacks.
    """
    for name in names:
        if name not in SCORERS:
            raise unknown_name("text-only scorer", name, SCORERS)
    results = {name: TextOnlyScores(np.zeros(len(rows)), np.zeros(len(rows))) for name in names}
    texts = [name for name in names if name in TEXT_SCORERS]
    for block in blocks(rows, captions or captions_of_rows(rows)) if texts else ():
        for name in texts:
            scored = score_pairs(train(name, block.train), [rows[index] for index in block.rows])
            results[name].positive[block.rows] = scored.positive
            results[name].negative[block.rows] = scored.negative
    return results | {name: _classified(rows, name) for name in names if name in CLASSIFIERS}


def score_pairs(scorer: TextScorer, rows: Sequence[Negative]) -> TextOnlyScores:
    """One scorer's opinion of every row; a caption is read once."""
    places: dict[str, int] = {}
    which = np.fromiter(
        (places.setdefault(row.caption, len(places)) for row in rows), np.int64, len(rows)
    )
    return TextOnlyScores(
        scorer.score(list(places))[which], scorer.score([row.negative for row in rows])
    )


def _classified(rows: Sequence[Negative], name: str) -> TextOnlyScores:
    pairs = CLASSIFIERS[name]([row.caption for row in rows], [row.negative for row in rows])
    margins = held_out_margins(pairs, parts_of([row.video_id for row in rows], FOLDS))
    return TextOnlyScores(np.zeros(len(rows)), -margins)
