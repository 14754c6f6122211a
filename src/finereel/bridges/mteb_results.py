"""MTEB's result files (`TaskResult` as JSON), read as rows of numbers and written from our records.

A result file has the means of a split and no ranks, so alone it is a row of a table. With the
predictions that MTEB writes beside it (`mteb.evaluate(..., prediction_folder=DIR)`) it becomes a
record, which `finereel compare` and `finereel report` take. MTEB itself is not needed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

import finereel
from finereel.data.base import Dataset, Split
from finereel.errors import ConfigError, DataError
from finereel.evaluation.gallery import Coverage, ScoredSplit
from finereel.evaluation.normalizing import RAW
from finereel.evaluation.record import (
    DatasetFacts,
    ModelFacts,
    RunRecord,
    environment,
    gallery_scores,
    query_ranks,
)
from finereel.evaluation.retrieval import FUSED, RetrievalResult, evaluate_scores
from finereel.io.atomic import write_file, writes
from finereel.io.foreign_files import MIB, read_text
from finereel.normalization import DIRECTIONS
from finereel.statistics.metrics import RetrievalMetrics

CUTOFFS = (1, 3, 5, 10, 20, 100, 1000)
MAIN_SCORE = "ndcg_at_10"
_MSRVTT = "MSRVTT"
_MSRVTT_VIDEOS = 879
_LARGEST = 1024 * MIB
_PART = "video_sentence"


@dataclass(frozen=True)
class MtebRow:
    """The numbers of one split and subset of a task.

    Attributes:
        task: The task's name.
        split: The split, such as `test`.
        subset: The subset, such as `default` or a language.
        revision: Revision of the data set.
        version: Version of MTEB that measured it; empty where MTEB did not.
        scores: Every number of the row by MTEB's name, 0 to 1.
    """

    task: str
    split: str
    subset: str
    revision: str
    version: str
    scores: Mapping[str, float]

    @property
    def label(self) -> str:
        """The task as a table may call it: MTEB's MSR-VTT is beta and has other videos than 1k-A.

        >>> MtebRow("MSRVTTT2V", "test", "default", "4661603c", "2.26.24", {}).label
        'MSRVTTT2V (MTEB, beta, 879 videos: not 1k-A)'
        """
        if not self.task.startswith(_MSRVTT):
            return f"{self.task} (MTEB)"
        return f"{self.task} (MTEB, beta, {_MSRVTT_VIDEOS} videos: not 1k-A)"

    @property
    def metrics(self) -> dict[str, float]:
        """R@1, R@5 and R@10 in percent: the share of queries with a right document that high."""
        found = {f"R@{k}": self.scores.get(f"hit_rate_at_{k}") for k in (1, 5, 10)}
        return {name: 100 * value for name, value in found.items() if value is not None}


def read_result(path: Path) -> tuple[MtebRow, ...]:
    """The rows of a result file. DataError where it is none."""
    try:
        described = json.loads(read_text(path, _LARGEST))
        task, revision = str(described["task_name"]), str(described["dataset_revision"])
        version = str(described["mteb_version"] or "")
        return tuple(
            MtebRow(task, str(split), str(row["hf_subset"]), revision, version, _numbers(row))
            for split, rows in described["scores"].items()
            for row in rows
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: expected a result file of MTEB with task_name, dataset_revision, "
            f"mteb_version and scores ({type(error).__name__}: {error})"
        ) from error


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    if "main_score" not in row:
        raise KeyError("main_score")
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


@dataclass(frozen=True)
class MtebRun:
    """What MTEB wrote about one task: its result file, and its predictions."""

    result: Path
    predictions: Path


def load_mteb_record(dataset: Dataset, split: str, runs: Mapping[str, MtebRun]) -> RunRecord:
    """A record of any model that MTEB measured in both directions on a split.

    Args:
        dataset: The data set, whose ids are those of the tasks (as `retrieval_task` makes them).
        split: Name of the split.
        runs: By direction, `text_to_video` and `video_to_text`.

    Returns:
        The record. Its `source` has the tasks with revisions and MTEB's version. Its one
        granularity, called video_sentence, is MTEB's score, whatever the model made of it.

    Raises:
        DataError: Predictions do not score every document for every query, are of two models, or do
            not give the recall of their result file.
    """
    part = dataset.split(split)
    if set(runs) != set(DIRECTIONS):
        raise DataError(f"expected runs of {' and '.join(DIRECTIONS)}, got {sorted(runs)}")
    rows = {way: _single_row(run.result) for way, run in runs.items()}
    told = {way: _predictions(run.predictions, rows[way]) for way, run in runs.items()}
    models = {described["model"] for described in told.values()}
    if len(models) > 1:
        raise DataError(f"predictions of two models: {models}")
    scores = {way: _matrix(part, way, told[way]["scores"], runs[way]) for way in DIRECTIONS}
    results = {way: evaluate_scores({_PART: scores[way]}, part.video_of_caption) for way in scores}
    result = RetrievalResult(
        results["text_to_video"].text_to_video, results["video_to_text"].video_to_text
    )
    for way, row in rows.items():
        _check_recall(way, row, getattr(result, way)[FUSED].metrics)
    coverage = Coverage(part.hash, len(part.videos), len(part.captions), {}, 0)
    weights = {_PART: 1.0}
    scored = ScoredSplit(part, {_PART: scores["text_to_video"]}, weights, coverage)
    name, revision = models.pop()
    versions = sorted({row.version for row in rows.values()})
    tasks = {way: f"{row.task}@{row.revision}" for way, row in rows.items()}
    return RunRecord(
        name=name,
        dataset=DatasetFacts.of(dataset, scored),
        model=ModelFacts(name, revision, "mteb", 0, 0, weights, {}),
        source={"source": "mteb", "mteb_version": ", ".join(versions), **tasks},
        normalization=RAW.as_dict(),
        seeds={},
        results=result.as_dict(),
        queries=query_ranks(scored, result),
        environment=environment(torch.device("cpu")),
        seconds=0.0,
        reload_verified=False,
        scores=gallery_scores(scored, scores),
    )


def _single_row(path: Path) -> MtebRow:
    rows = read_result(path)
    if len(rows) != 1:
        raise DataError(f"{path}: expected one split and subset, got {len(rows)}")
    return rows[0]


def _predictions(path: Path, row: MtebRow) -> dict[str, Any]:
    """The model's name and revision, and its scores: query -> document -> score."""
    try:
        described = json.loads(read_text(path, _LARGEST))
        meta = described["mteb_model_meta"]
        scores = {
            str(query): {str(name): float(score) for name, score in found.items()}
            for query, found in described[row.subset][row.split].items()
        }
        return {"model": (str(meta["model_name"]), str(meta["revision"])), "scores": scores}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: expected the predictions of MTEB for {row.subset}/{row.split} "
            f"({type(error).__name__}: {error}); mteb.evaluate writes them into its "
            "prediction_folder"
        ) from error


def _matrix(
    part: Split, way: str, scores: Mapping[str, Mapping[str, float]], run: MtebRun
) -> Float32[np.ndarray, "T V"]:
    """Scores of every caption and video."""
    captions, to_video = [caption.id for caption in part.captions], way == "text_to_video"
    queries, gallery = (captions, part.videos) if to_video else (part.videos, captions)
    try:
        found = np.array(
            [[scores[query][name] for name in gallery] for query in queries], dtype=np.float32
        )
    except KeyError as error:
        raise DataError(
            f"{run.predictions}: no score of {error.args[0]!r}; every document must be scored for "
            f"every query ({len(gallery)} for {len(queries)} here), MTEB keeps the best 1,000"
        ) from error
    return found if to_video else found.T


def _check_recall(way: str, row: MtebRow, found: RetrievalMetrics) -> None:
    """The predictions are those of the result: MTEB orders ties in one of the possible ways."""
    stated = row.metrics.get("R@1", -1.0)
    if not found.r1_pessimistic - 0.01 <= stated <= found.r1_optimistic + 0.01:
        raise DataError(
            f"{way}: the predictions have R@1 {found.r1:.1f}, the result of {row.task} says "
            f"{stated:.1f}; give files of one run"
        )


@writes("path")
def write_result(
    record: RunRecord, path: Path, task: str, direction: str = "text_to_video", revision: str = ""
) -> None:
    """Write one direction of a record in the form of MTEB's result files.

    Args:
        record: The record.
        path: The file.
        task: The task's name.
        direction: `text_to_video` or `video_to_text`.
        revision: Revision of the data set; empty for the hash of the split.

    Raises:
        ConfigError: The task is MTEB's MSR-VTT and the record has other videos; or several captions
            of a video are one item of the gallery, which MTEB counts one by one.
    """
    facts = record.dataset
    if task.startswith(_MSRVTT) and facts.videos != _MSRVTT_VIDEOS:
        raise ConfigError(
            f"{task} of MTEB has {_MSRVTT_VIDEOS} videos, this record of {facts.name}/{facts.split} "
            f"has {facts.videos}: give it a task name of its own"
        )
    if direction == "video_to_text" and facts.captions != facts.videos:
        raise ConfigError(
            f"{facts.captions} captions of {facts.videos} videos: here all captions of a video are "
            "one item of the gallery, in MTEB each is one; measure it with mteb.evaluate instead"
        )
    row = {
        **_scores(record.queries[direction].ranks[FUSED].expected),
        "hf_subset": "default",
        "languages": ["eng-Latn"],
        "finereel_version": finereel.__version__,
        "model_fingerprint": record.model.fingerprint,
        "protocol": record.row(direction)["protocol"],
        "coverage": facts.coverage,
    }
    described = {
        "dataset_revision": revision or facts.split_hash,
        "task_name": task,
        "mteb_version": None,
        "scores": {facts.split: [row]},
        "evaluation_time": record.seconds,
        "kg_co2_emissions": None,
        "date": None,
        "evaluation_phases": None,
    }
    write_file(path, json.dumps(described, indent=2))


def _scores(ranks: np.ndarray) -> dict[str, float]:
    """MTEB's numbers where every query has one right document, of its rank."""
    found: dict[str, float] = {}
    for k in CUTOFFS:
        within = ranks <= k
        gain = np.where(within, 1 / np.log2(1 + ranks), 0.0)
        reciprocal = np.where(within, 1 / ranks, 0.0)
        for name, values in (("ndcg", gain), ("map", reciprocal), ("mrr", reciprocal)):
            found[f"{name}_at_{k}"] = _rounded(values)
        for name in ("recall", "hit_rate"):
            found[f"{name}_at_{k}"] = _rounded(within)
        found[f"precision_at_{k}"] = _rounded(within / k)
    return {**found, "accuracy": found["recall_at_1"], "main_score": found[MAIN_SCORE]}


def _rounded(values: np.ndarray) -> float:
    """The mean to MTEB's five digits."""
    return round(float(np.mean(values)), 5)
