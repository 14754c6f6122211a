"""How often an answer like this one was right on a data set whose right answers are known.

    P(the best hit is right) = sigmoid(a s_1 + b mean(s_1 .. s_10) + c log V + d)

s_1 to s_10 are the scores of the ten best videos and V is the number of clips. `finereel evaluate
--calibrate` fits a to d for one model and keeps them in its card, or, where it has none of its own,
in the user's cache. They hold for this model alone and without a normalisation.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from finereel.errors import ConfigError
from finereel.index.search import BEST
from finereel.io.atomic import write_file
from finereel.io.foreign_files import ForeignFileError, read_json_object
from finereel.io.user_cache import user_cache
from finereel.models.weights import FORMAT, refusals
from finereel.statistics.binary import (
    auroc,
    calibration_error,
    false_positive_rate,
    fit_logistic,
    sigmoid,
)

KEY = "calibration"
"""What a model's card calls it."""

SIZES = (50, 100, 200, 500)
"""Clips of the galleries it is fitted on, beside all clips there are."""
REPEATS, FOLDS, FEWEST, PENALTY = 20, 5, 50, 0.01


@dataclass(frozen=True)
class AnswerCalibration:
    """What a data set tells about the answers of a model.

    Attributes:
        weights: Of the best score, of the mean of the ten best ones, of the logarithm of the number
            of clips, and the offset.
        data: The data set and the split.
        videos: Number of videos of that split.
        auroc: How often a right answer has the higher probability than a wrong one.
        fpr95: Share of wrong answers above the limit that keeps 95 % of the right ones.
        ece: Expected calibration error, 0 to 1. These three are of queries that were left out of
            the fit.
    """

    weights: tuple[float, float, float, float]
    data: str
    videos: int
    auroc: float
    fpr95: float
    ece: float

    def right(self, scores: Sequence[float], clips: int) -> float:
        """The probability that the best hit is right.

        Args:
            scores: Of the ten best videos, best first.
            clips: Number of clips that were searched. More than `videos`, of which nothing was
                measured, count as `videos`.
        """
        inputs = _inputs(np.array([scores]), max(FEWEST, min(clips, self.videos)))
        return float(sigmoid(inputs @ np.array(self.weights))[0])

    @classmethod
    def read(cls, described: object) -> "AnswerCalibration | None":
        """As a card or a file has it; None for anything else."""
        try:
            assert isinstance(described, Mapping)
            weights = tuple(map(float, described["weights"]))
            found = cls(**{**described, "weights": weights})
        except (AssertionError, TypeError, ValueError, KeyError):
            return None
        sound = len(weights) == 4 and np.isfinite(weights).all() and isinstance(found.data, str)
        return found if sound else None


def fit_calibration(
    scores: Float[np.ndarray, "T V"],
    right: Int64[np.ndarray, " T"],
    data: str,
    seed: int = 0,
) -> AnswerCalibration:
    """Fit how often the best hit is right.

    Galleries of 50 to all clips are drawn. In each, one caption of every clip is asked twice: with
    its clip, and without it, where no hit is right. So half of the queries have no answer, and a
    hit that fits as well as the clip that the caption was written for counts as wrong.

    Args:
        scores: (T, V) scores of captions and clips, as a search without normalization gives them.
        right: (T,) the clip of each caption.
        data: Name of the data set and the split.
        seed: Of the galleries.

    Raises:
        ConfigError: If there are fewer than 50 clips, or no best hit is right, or all are.
    """
    if scores.shape[1] < FEWEST:
        raise ConfigError(f"calibration needs {FEWEST} videos or more, got {scores.shape[1]}")
    asked = _asked(scores.astype(np.float64), right, seed)
    if asked.right.all() or not asked.right.any():
        raise ConfigError("calibration needs right and wrong answers, got one kind only")
    predicted = np.empty(len(asked.right))
    for fold in range(FOLDS):
        out = asked.videos % FOLDS == fold
        predicted[out] = sigmoid(asked.inputs[out] @ asked.subset(~out).weights())
    a, b, c, d = (round(weight, 6) for weight in asked.weights().tolist())
    return AnswerCalibration((a, b, c, d), data, scores.shape[1], *asked.quality(predicted))


def measure_calibration(
    known: AnswerCalibration,
    scores: Float[np.ndarray, "T V"],
    right: Int64[np.ndarray, " T"],
    data: str,
    seed: int = 0,
) -> AnswerCalibration:
    """How good a calibration is on other data; the arguments are those of `fit_calibration`.

    Returns:
        The same weights, with the numbers of this data.
    """
    asked = _asked(scores.astype(np.float64), right, seed)
    predicted = sigmoid(asked.inputs @ np.array(known.weights))
    return AnswerCalibration(known.weights, data, scores.shape[1], *asked.quality(predicted))


@dataclass(frozen=True)
class _Asked:
    """Queries of many galleries: inputs, whether the best hit is right, and the query's video."""

    inputs: Float64[np.ndarray, "n 4"]
    right: Bool[np.ndarray, " n"]
    videos: Int64[np.ndarray, " n"]

    def subset(self, chosen: Bool[np.ndarray, " n"]) -> "_Asked":
        return _Asked(self.inputs[chosen], self.right[chosen], self.videos[chosen])

    def quality(self, predicted: Float64[np.ndarray, " n"]) -> tuple[float, float, float]:
        """AUROC, FPR95 and ECE of probabilities."""
        split = predicted[self.right], predicted[~self.right]
        return (
            round(auroc(*split), 4),
            round(false_positive_rate(*split), 4),
            round(calibration_error(predicted, self.right), 4),
        )

    def weights(self) -> Float64[np.ndarray, " 4"]:
        """Fitted on standard scores, so that the penalty weighs alike, then in the units given."""
        middle, spread = self.inputs[:, :3].mean(0), self.inputs[:, :3].std(0)
        spread = np.where(spread > 0, spread, 1.0)
        standard = np.c_[(self.inputs[:, :3] - middle) / spread, self.inputs[:, 3]]
        fitted = fit_logistic(standard, self.right, PENALTY)
        slopes = fitted[:3] / spread
        return np.append(slopes, fitted[3] - slopes @ middle)


def _asked(scores: Float64[np.ndarray, "T V"], right: Int64[np.ndarray, " T"], seed: int) -> _Asked:
    random = np.random.default_rng(seed)
    count = scores.shape[1]
    inputs, answers, videos = [], [], []
    for size in sorted({min(size, count) for size in (*SIZES, count)}):
        for _ in range(REPEATS):
            library = random.permutation(count)[:size]
            texts = _one_caption_each(right, library, random)
            here = scores[np.ix_(texts, library)]
            own = np.arange(len(texts))
            clips = np.searchsorted(np.sort(library), right[texts])
            column = np.argsort(library)[clips]
            inputs.append(_inputs(here, size))
            answers.append(here.argmax(1) == column)
            without = here.copy()
            without[own, column] = -np.inf
            inputs.append(_inputs(without, size - 1))
            answers.append(np.zeros(len(texts), dtype=bool))
            videos += [right[texts]] * 2
    return _Asked(np.concatenate(inputs), np.concatenate(answers), np.concatenate(videos))


def _one_caption_each(
    right: Int64[np.ndarray, " T"], library: Int64[np.ndarray, " V"], random: np.random.Generator
) -> Int64[np.ndarray, " n"]:
    """A caption of each clip of a library that has any, drawn at random."""
    order = random.permutation(len(right))
    order = order[np.isin(right[order], library)]
    _, first = np.unique(right[order], return_index=True)
    chosen: Int64[np.ndarray, " n"] = order[first]
    return chosen


def _inputs(scores: Float64[np.ndarray, "n V"], clips: int) -> Float64[np.ndarray, "n 4"]:
    """The best score, the mean of the best ten, the logarithm of the number of clips, and 1."""
    best = -np.sort(-scores, axis=1)[:, : min(BEST, clips)]
    rest = np.broadcast_to([np.log(clips), 1.0], (len(best), 2))
    return np.column_stack([best[:, 0], best.mean(axis=1), rest])


# Where it is kept.
def keep_calibration(fitted: AnswerCalibration, model: str, fingerprint: str) -> Path:
    """Write a calibration into the card of a model, or, where `model` is no folder of a model of
    this program, such as a bundled name, into the user's cache. Returns the file.
    """
    told = {**asdict(fitted), "weights": list(fitted.weights)}
    config = Path(model) / "config.json"
    with refusals(config):
        described = read_json_object(config) if config.is_file() else {}
    if described.get("format") == FORMAT:
        card = {**(described.get("card") or {}), KEY: told}
        write_file(config, json.dumps({**described, "card": card}, indent=2) + "\n")
        return config
    path = _cached(fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps(told, indent=2) + "\n")
    return path


def load_calibration(card: Mapping[str, Any], fingerprint: str) -> AnswerCalibration | None:
    """What is known about a model's answers: by the user's cache, else by its card."""
    with suppress(OSError, ForeignFileError):
        kept = AnswerCalibration.read(read_json_object(_cached(fingerprint)))
        if kept is not None:
            return kept
    return AnswerCalibration.read(card.get(KEY))


def _cached(fingerprint: str) -> Path:
    return user_cache() / "calibrations" / f"{fingerprint}.json"
