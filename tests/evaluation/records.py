"""Run records made from score matrices, for tests of what is done with records."""

from dataclasses import replace

import numpy as np

from finereel.data.base import Caption, Dataset, Split
from finereel.evaluation.gallery import Coverage, ScoredSplit
from finereel.evaluation.record import (
    DatasetFacts,
    Environment,
    ModelFacts,
    RunRecord,
    gallery_scores,
    query_ranks,
)
from finereel.evaluation.retrieval import (
    FUSED,
    EvaluationSettings,
    corrected_scores,
    evaluate_scores,
)
from finereel.normalization import DIRECTIONS
from finereel.statistics.intervals import DEFAULT_CONFIDENCE


def make_split(videos: int, captions: int = 1) -> Split:
    ids = tuple(f"v{number}" for number in range(videos))
    return Split(
        "test",
        ids,
        tuple(
            Caption(f"{video} #{k}", video, f"{video} {k}")
            for video in ids
            for k in range(captions)
        ),
    )


def make_record(
    scores: np.ndarray, name: str = "run", split: Split | None = None, protocol: str = "none"
) -> RunRecord:
    """The record of a (T, V) matrix; captions per video follow from its shape."""
    texts, videos = scores.shape
    split = split or make_split(videos, texts // videos)
    scored = ScoredSplit(
        split,
        {"video_sentence": scores.astype(np.float32)},
        {"video_sentence": 1.0},
        Coverage(split.hash, videos, texts, {}, 0),
    )
    settings = EvaluationSettings({}, DEFAULT_CONFIDENCE, scored.weights)
    result = evaluate_scores(scored.scores, scored.relation, settings)
    fused = {way: corrected_scores(scored.scores, way, settings)[FUSED] for way in DIRECTIONS}
    rows = {
        way: {part: {**row, "protocol": protocol} for part, row in found.items()}
        for way, found in result.as_dict().items()
    }
    return RunRecord(
        name=name,
        dataset=DatasetFacts.of(Dataset("toy", {"test": split}, selection=None), scored),
        model=ModelFacts(name, f"fingerprint of {name}", "ucofia", 32, 12, scored.weights, {}),
        source={"source": "toy"},
        normalization={"name": protocol},
        seeds={"bank": 0},
        results=rows,
        queries=query_ranks(scored, result),
        environment=Environment("1", "2", "3", "4", "toy", "cpu", 1, ""),
        seconds=1.0,
        reload_verified=True,
        scores=gallery_scores(scored, fused),
    )


def random_scores(texts: int, videos: int, seed: int, skill: float = 1.5) -> np.ndarray:
    """Random scores, the right ones `skill` higher."""
    scores = np.random.default_rng(seed).standard_normal((texts, videos))
    scores[np.arange(texts), np.arange(texts) // (texts // videos)] += skill
    return scores


def renamed(record: RunRecord, name: str) -> RunRecord:
    return replace(record, name=name)
