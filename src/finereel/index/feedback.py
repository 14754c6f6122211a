"""What people said about hits, and what follows from it: how often an answer of some confidence is
right in this library.

A judgement is one line of `feedback.jsonl` in the library's folder, which no index is needed to read
and no rebuild removes. It stays on this machine. Once there are enough judgements, a Platt scaling
turns p-values into probabilities; it is used only where it predicts queries that it has not seen
better than the p-values themselves.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from finereel.errors import ConfigError
from finereel.index.faults import storage_errors
from finereel.io.atomic import write_file
from finereel.io.lines import append_line, read_lines
from finereel.io.storage.places import Place
from finereel.statistics.binary import fit_logistic, sigmoid
from finereel.types import MatchConfidence

NAME = "feedback.jsonl"
LEARNT = "feedback-learnt.json"
FEWEST, FEWEST_QUERIES, FEWEST_OF_EACH = 50, 25, 10
BY = "feedback"
"""What tells the probability, see `MatchConfidence.by`."""
PENALTY = 1.0


@dataclass(frozen=True)
class HitJudgement:
    """What a person said about a clip as an answer.

    Attributes:
        query: The text that was asked.
        clip_id: The clip.
        right: Whether it shows what was asked.
        p: The p-value of the clip's score, see `MatchConfidence`.
        model: Fingerprint of the model that gave the score.

    Raises:
        ConfigError: Unless 0 < p <= 1.
    """

    query: str
    clip_id: str
    right: bool
    p: float
    model: str

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise ConfigError(f"a judgement needs 0 < p <= 1, got {self.p}")


def record(folder: Place, judgement: HitJudgement) -> None:
    """Append a judgement, so that it survives this process."""
    with storage_errors(folder, "written"):
        append_line(folder / NAME, asdict(judgement))


def judgements(folder: Place, model: str) -> list[HitJudgement]:
    """The judgements on a model's answers; the last one about a query and a clip holds."""
    found: dict[tuple[str, str], HitJudgement] = {}
    for line in read_lines(folder / NAME):
        try:
            read = HitJudgement(**json.loads(line))
        except (ValueError, TypeError, ConfigError):  # blank, or torn by a crash
            continue
        if read.model == model:
            found[read.query, read.clip_id] = read
    return list(found.values())


@dataclass(frozen=True)
class PlattScaling:
    """The probability that a hit is right, sigmoid(slope * x + offset), where x is the logit of
    1 - p.

    Attributes:
        slope: 1 leaves p-values as they are.
        offset: 0 leaves p-values as they are.
        judged: Number of judgements it was fitted on.

    Source: Platt, Probabilistic outputs for support vector machines, 1999.

    Example:
        >>> round(PlattScaling().right(0.25), 2)
        0.75
    """

    slope: float = 1.0
    offset: float = 0.0
    judged: int = 0

    def right(self, p: float) -> float:
        """The probability for a p-value."""
        return float(sigmoid(self.slope * _logits(np.array([p])) + self.offset)[0])

    def applied(self, confidence: MatchConfidence) -> MatchConfidence:
        """A confidence that also tells the probability."""
        return replace(confidence, right=self.right(confidence.p), by=BY)


@dataclass(frozen=True)
class Calibration:
    """What a library learnt from judgements.

    Attributes:
        scaling: None where there are too few judgements, or it predicts no better.
        judged: Number of judgements.
        before: Log loss of the p-values themselves, for queries that were left out; None where
            there are too few judgements.
        after: The same of Platt scaling.
    """

    scaling: PlattScaling | None
    judged: int
    before: float | None = None
    after: float | None = None


def learn(folder: Place, model: str) -> Calibration:
    """Calibrate by all judgements on a model's answers, and keep what is learnt for `load_scaling`."""
    learnt = calibrate(judgements(folder, model))
    kept = {"model": model, **asdict(learnt.scaling)} if learnt.scaling else {}
    with storage_errors(folder, "written"):
        write_file(folder / LEARNT, json.dumps(kept) + "\n")
    return learnt


def load_scaling(folder: Place, model: str) -> PlattScaling | None:
    """What was learnt about a model's answers; None for nothing, or what cannot be read."""
    try:
        kept = json.loads((folder / LEARNT).read_bytes())
        return PlattScaling(**kept) if kept.pop("model", None) == model else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def calibrate(said: Sequence[HitJudgement]) -> Calibration:
    """Fit Platt scaling where there are enough judgements, and keep it where it predicts better.

    Args:
        said: The judgements on the answers of one model.

    Returns:
        The scaling, and the log loss with and without it, each query predicted from the others.
    """
    right = np.array([judgement.right for judgement in said], dtype=bool)
    queries = np.array([judgement.query for judgement in said])
    names = np.unique(queries)
    few = len(said) < FEWEST or len(names) < FEWEST_QUERIES
    if few or min(int(right.sum()), int((~right).sum())) < FEWEST_OF_EACH:
        return Calibration(None, len(said))
    x = _logits(np.array([judgement.p for judgement in said]))
    before, after = _loss(x, right, 1.0, 0.0), np.empty(len(said))
    for name in names:
        out = queries == name
        after[out] = _loss(x[out], right[out], *_fit(x[~out], right[~out]))
    better = float(after.mean()) < float(before.mean())
    scaling = PlattScaling(*_fit(x, right), len(said)) if better else None
    return Calibration(scaling, len(said), float(before.mean()), float(after.mean()))


def _fit(x: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """Slope and offset, with an L2 penalty on what differs from 1 and 0."""
    inputs = np.stack([x, np.ones_like(x)], axis=1)
    slope, offset = fit_logistic(inputs, right, PENALTY, np.array([1.0, 0.0])).tolist()
    return slope, offset


def _loss(
    x: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"], slope: float, offset: float
) -> Float64[np.ndarray, " n"]:
    signed = np.where(right, 1.0, -1.0) * (slope * x + offset)
    loss: Float64[np.ndarray, " n"] = np.logaddexp(0.0, -signed)
    return loss


def _logits(p: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The log odds of 1 - p, kept finite."""
    kept = np.clip(p, 1e-4, 1 - 1e-4)
    found: Float64[np.ndarray, " n"] = np.log((1 - kept) / kept)
    return found
