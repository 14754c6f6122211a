"""Judge whether a run is worth continuing: is its validation score at chance, and what may be the
cause?
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from finereel.errors import ConfigError, TrainingError

_SURPRISE = 1e-3


@dataclass(frozen=True)
class Validation:
    """What the model is worth on the validation split.

    score: what selects the best model, higher is better; metrics: whatever else is worth keeping;
    chance: the most that guessing would score (see `chance_recall`), None where nobody knows;
    split: where it was measured, never "test".
    """

    score: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    chance: float | None = None
    split: str = "val"

    @property
    def at_chance(self) -> bool:
        """Whether guessing explains the score."""
        return self.chance is not None and self.score <= self.chance


def checked(validation: Validation, step: int) -> Validation:
    """The validation, if it may select a model.

    Raises ConfigError when it was measured on the test split, TrainingError when its score is not a
    number.
    """
    if validation.split == "test":
        raise ConfigError(
            "the split 'test' is refused for selection: choosing a model there makes its test "
            "numbers worthless; "
            "validate on 'val', or hold out a part of 'train'"
        )
    if math.isnan(validation.score):
        raise TrainingError(
            f"validation after step {step} gave nan instead of a score: look at the scores of "
            "single pairs, a clip "
            "without frames or a weight that is not finite makes them nan; the last checkpoint is "
            "kept"
        )
    return validation


def chance_recall(gallery: int, k: int, queries: int) -> float:
    """The most percent R@k that a random ranking of `gallery` items reaches over `queries` queries,
    but for one time in a thousand: the 99.9 % quantile of the binomial distribution.

    >>> chance_recall(gallery=1000, k=1, queries=1000)
    0.5
    >>> chance_recall(gallery=5, k=5, queries=3)
    100.0
    """
    if gallery < 1 or queries < 1 or k < 1:
        raise ConfigError(
            f"chance needs a gallery, queries and k of at least 1, got {gallery}, {queries} and {k}"
        )
    share = min(1.0, k / gallery)
    if share == 1.0:
        return 100.0
    hits, below = 0, _binomial(0, queries, share)
    while below < 1 - _SURPRISE and hits < queries:
        hits += 1
        below += _binomial(hits, queries, share)
    return 100.0 * hits / queries


def _binomial(hits: int, queries: int, share: float) -> float:
    ways = math.lgamma(queries + 1) - math.lgamma(hits + 1) - math.lgamma(queries - hits + 1)
    return math.exp(ways + hits * math.log(share) + (queries - hits) * math.log1p(-share))


def chance_alarm(validation: Validation, step: int) -> str:
    """What to say, once, of a run that still guesses after `step` steps."""
    return (
        f"retrieval is at chance after {step} steps (score {validation.score:.2f}, guessing "
        "reaches "
        f"{validation.chance:.2f}): look at whether texts and clips still belong together, at the "
        "learning rates, and "
        "at the loss in log.jsonl (near ln(batch size): nothing is learned)"
    )


def too_many_bad(skipped: int, limit: int, step: int) -> TrainingError:
    """The end of a run whose batches are not finite: how many, and where to look."""
    return TrainingError(
        f"{skipped} batches up to step {step} gave a loss or gradients that are not finite, the "
        f"limit is {limit}: look "
        "for clips without frames, a learning rate that is too high or a precision that overflows; "
        "the checkpoint of "
        "the last finite weights is kept"
    )
