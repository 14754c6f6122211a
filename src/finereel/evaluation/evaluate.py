"""Evaluate a model on a split of a data set, from encoding to the finished record."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from finereel.config import ModelConfig
from finereel.data.base import ClipSource, Dataset, Split
from finereel.errors import ConfigError, DataError
from finereel.evaluation.gallery import (
    Coverage,
    EncodedSplit,
    GalleryModel,
    ScoredSplit,
    encode_split,
)
from finereel.evaluation.normalizing import (
    DEFAULT_BANKS,
    RAW,
    BankSettings,
    FittedNormalization,
    Fitter,
    FittingData,
    fitting_data,
    method_of,
    training_splits,
)
from finereel.evaluation.record import (
    DatasetFacts,
    ModelFacts,
    RunRecord,
    environment,
    gallery_scores,
    query_ranks,
)
from finereel.evaluation.retrieval import (
    FUSED,
    EvaluationSettings,
    corrected_scores,
    evaluate_scores,
)
from finereel.evaluation.scoring import EXACT, Cheap, Scoring, score_cheaply
from finereel.normalization import DIRECTIONS
from finereel.statistics.intervals import DEFAULT_CONFIDENCE, Confidence
from finereel.statistics.metrics import checked_scores
from finereel.types import OnProgress, no_progress


@runtime_checkable
class BenchmarkModel(GalleryModel, Protocol):
    """A model that can be evaluated, such as `finereel.models.retrieval.RetrievalModel`.

    Attributes:
        name: Name of the model in tables.
        config: Its settings.
        card: What it was trained on.
    """

    name: str
    config: ModelConfig
    card: dict[str, Any]


@dataclass(frozen=True)
class BenchmarkSettings:
    """What to evaluate and how.

    Attributes:
        split: Name of the split.
        normalization: A name of `finereel.evaluation.normalizing.NORMALIZATIONS`.
        banks: How banks of captions and videos are chosen for normalization.
        confidence: Level and method of the intervals.
        cache: Folder for encoded features; None caches nothing.
        name: Name of the run in tables; empty means the model's name.
        training_seed: Seed the model was trained with, if known.
        reload_verified: Whether the model was read back from its files.
        keep_scores: Whether the record keeps all scores (4 bytes per pair and direction).
        doubled_right: Whether a caption is right for every video that has a caption of its words.
        fixed: Settings of the normalization that are applied as given, instead of fitted.
        scoring: How pairs are scored; all of them in single precision unless it says otherwise.
    """

    split: str = "test"
    normalization: str = "none"
    banks: BankSettings = DEFAULT_BANKS
    confidence: Confidence = DEFAULT_CONFIDENCE
    cache: Path | None = None
    name: str = ""
    training_seed: int | None = None
    reload_verified: bool = False
    keep_scores: bool = True
    doubled_right: bool = False
    fixed: Mapping[str, float] = field(default_factory=dict)
    scoring: Scoring = EXACT


GIVEN = "given"
"""The granularity of scores that another program computed."""
DEFAULT_BENCHMARK = BenchmarkSettings()


def evaluate(
    model: BenchmarkModel,
    dataset: Dataset,
    source: ClipSource,
    settings: BenchmarkSettings = DEFAULT_BENCHMARK,
    on_progress: OnProgress = no_progress,
) -> RunRecord:
    """Evaluate a model on a split of a data set.

    Args:
        model: The model.
        dataset: The data set; `finereel.data.load` opens one.
        source: Where the clips come from; `finereel.data.sources.open_source` opens one.
        settings: What to evaluate and how.
        on_progress: Called with what is being done, how much is done, and how much there is.

    Returns:
        The record: metrics with intervals in both directions, ranks, coverage and provenance.

    Raises:
        ConfigError: If a name is unknown, or the model or normalization does not go with the
            scoring.
        DataError: If no video of the split can be read.
    """
    started = time.monotonic()
    method_of(settings.normalization)
    split = dataset.split(settings.split)
    encoded = encode_split(model, split, source, on_progress, settings.cache)
    cheap = _scored(model, (dataset, source), settings, encoded, on_progress)
    scored, fitted = cheap.scored, RAW
    if cheap.cascades:
        fitted = FittedNormalization("none", cheap.cascades, {})
    if settings.normalization != "none":
        data = _data(dataset, settings, model.card)
        fitter = Fitter(model, source, data, on_progress, settings.fixed)
        fitted = fitter.fit(settings.normalization, encoded)
    made = ScoredBy(
        model_facts(model, scored.weights), source.description, str(encoded.video.video.device)
    )
    seconds = time.monotonic() - started
    record = record_scores(dataset, scored, made, settings, fitted, seconds)
    return replace(record, scoring=dict(cheap.facts))


def _scored(
    model: BenchmarkModel,
    where: tuple[Dataset, ClipSource],
    settings: BenchmarkSettings,
    encoded: EncodedSplit,
    on_progress: OnProgress,
) -> Cheap:
    """The scores of a split, with a cascade's share chosen on the data set's validation split."""
    dataset, source = where
    scoring, validation = settings.scoring, None
    if scoring.kind != "exact" and settings.normalization != "none":
        raise ConfigError(f"--normalization {settings.normalization} needs exact scores")
    if scoring.kind == "cascade" and scoring.share is None:
        held_out = fitting_data(dataset, settings.split, settings.banks, model.card).validation
        if held_out is None:
            raise ConfigError(
                "a cascade chooses its share on captions that the model has not seen, and the "
                "model's card names none: give the share, such as --cascade 10"
            )
        validation = encode_split(model, held_out, source, on_progress, settings.cache)
    return score_cheaply(model, encoded, scoring, validation, on_progress)


@dataclass(frozen=True)
class ScoredBy:
    """Where scores come from.

    Attributes:
        model: Who scored.
        source: Where the clips came from.
        device: The torch device.
    """

    model: ModelFacts
    source: Mapping[str, str]
    device: str = "cpu"


def record_scores(
    dataset: Dataset,
    scored: ScoredSplit,
    made: ScoredBy,
    settings: BenchmarkSettings = DEFAULT_BENCHMARK,
    fitted: FittedNormalization = RAW,
    seconds: float = 0.0,
) -> RunRecord:
    """Make the record of scores, whoever made them.

    Args:
        dataset: The data set.
        scored: The scores of a split of it.
        made: Where they come from.
        settings: What was asked; its split, normalization and cache are not read.
        fitted: The normalization that is applied.
        seconds: How long it took.

    Returns:
        The record.
    """
    doubled = settings.doubled_right
    evaluation = EvaluationSettings(
        fitted.normalizers,
        settings.confidence,
        scored.weights,
        scored.sentences if doubled else None,
    )
    result = evaluate_scores(scored.scores, scored.relation, evaluation)
    fused = {way: corrected_scores(scored.scores, way, evaluation)[FUSED] for way in DIRECTIONS}
    return RunRecord(
        name=settings.name or made.model.name,
        dataset=DatasetFacts.of(dataset, scored, doubled),
        model=made.model,
        source=dict(made.source),
        normalization=fitted.as_dict(),
        seeds=_seeds(settings),
        results=result.as_dict(),
        queries=query_ranks(scored, result),
        environment=environment(torch.device(made.device)),
        seconds=round(seconds, 3),
        reload_verified=settings.reload_verified,
        scores=gallery_scores(scored, fused, doubled) if settings.keep_scores else None,
    )


def given_scores(split: Split, matrix: np.ndarray, name: str) -> tuple[ScoredSplit, ScoredBy]:
    """Scores that another program computed, ready for `record_scores`.

    Args:
        split: What was scored.
        matrix: (T, V) scores, captions and videos in the order of the split; higher is better.
        name: Who scored.

    Returns:
        The scores, and where they come from: a hash of the matrix.

    Raises:
        DataError: For another shape and for NaN.
    """
    expected = (len(split.captions), len(split.videos))
    scores = checked_scores(matrix)
    if scores.shape != expected:
        raise DataError(
            f"expected scores of {expected[0]} captions (rows) and {expected[1]} videos (columns) "
            f"in the order of split {split.name}, got {scores.shape}"
        )
    parts, weights = {GIVEN: scores.astype(np.float32)}, {GIVEN: 1.0}
    digest = hashlib.sha256(np.ascontiguousarray(parts[GIVEN]).tobytes()).hexdigest()[:12]
    facts = ModelFacts(name, f"scores {digest}", "given", 0, 0, weights, {})
    coverage = Coverage(split.hash, len(split.videos), len(split.captions), {}, 0)
    return ScoredSplit(split, parts, weights, coverage), ScoredBy(facts, {"source": "scores"})


def _data(
    dataset: Dataset, settings: BenchmarkSettings, card: Mapping[str, Any]
) -> FittingData | None:
    """What banks and settings come from; None where a method without a bank has to do without."""
    method = method_of(settings.normalization)
    if (
        method is not None
        and not method.needs_bank
        and not training_splits(dataset, settings.split)
    ):
        return None
    return fitting_data(dataset, settings.split, settings.banks, card)


def model_facts(model: BenchmarkModel, weights: Mapping[str, float]) -> ModelFacts:
    """Describe a model for a record.

    Args:
        model: The model.
        weights: The weights of the granularities that were scored.

    Returns:
        Its name, fingerprint, settings and card.
    """
    return ModelFacts(
        name=model.name,
        fingerprint=model.fingerprint,
        head=model.config.head,
        words=model.config.max_words,
        frames=model.config.max_frames,
        weights=dict(weights),
        card=dict(model.card),
    )


def _seeds(settings: BenchmarkSettings) -> dict[str, int]:
    seeds = {"bank": settings.banks.seed}
    return (
        seeds if settings.training_seed is None else {"training": settings.training_seed, **seeds}
    )
