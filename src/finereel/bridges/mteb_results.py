"""MTEB's result files (`TaskResult` as JSON), read as rows of numbers and written from our records.

A file of MTEB has the means of a split and no ranks: it can be read as a row of a table, and
written from a record, but it does not become a record. MTEB itself is not needed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import finereel
from finereel.errors import ConfigError, DataError
from finereel.evaluation.record import RunRecord
from finereel.evaluation.retrieval import FUSED
from finereel.io.atomic import write_file, writes
from finereel.io.foreign_files import MIB, read_text

CUTOFFS = (1, 3, 5, 10, 20, 100, 1000)
MAIN_SCORE = "ndcg_at_10"
_MSRVTT = "MSRVTT"
_MSRVTT_VIDEOS = 879
_LARGEST = 64 * MIB


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
