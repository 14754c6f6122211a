"""Save a run record as a folder and read it back with validation.

    record.json     facts, metrics, and the SHA-256 of the other files
    ranks.npz       <direction>/ids, <direction>/videos, <direction>/<granularity>: expected, optimistic, pessimistic
    scores.npz      optional: <direction>/queries, gallery, right, matrix

Version 1 counted an expected rank of at most k for R@k; its metrics are computed again from its
ranks, by the rule of today. Reading refuses another format version, a file that differs from its
hash, metrics that do not follow from the ranks, and pickles. This finds accidents and careless
edits; it is no signature.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from finereel.config import from_dict, to_dict
from finereel.errors import DataError
from finereel.evaluation.archive import (
    RECORD,
    ArchiveFormat,
    packed,
    read_archive,
    read_packed,
    write_archive,
)
from finereel.evaluation.record import (
    DatasetFacts,
    Environment,
    GalleryScores,
    ModelFacts,
    QueryRanks,
    RunFacts,
    RunRecord,
)
from finereel.evaluation.retrieval import metric_intervals
from finereel.io.atomic import writes
from finereel.normalization import DIRECTIONS
from finereel.statistics.metrics import Ranks, summarise

FORMAT = ArchiveFormat("finereel-run", version=2, maker="finereel evaluate --out", older=(1,))
RANKS, SCORES = "ranks.npz", "scores.npz"
_NOT_METRICS = frozenset({"intervals", "protocol"})


@writes("folder")
def save_record(record: RunRecord, folder: Path | str) -> None:
    """Write a record's files; `record.json` last, so that a folder without it is no record."""
    folder = Path(folder)
    contents = {RANKS: packed(_rank_arrays(record))}
    if record.scores is not None:
        contents[SCORES] = packed(_score_arrays(record.scores))
    write_archive(folder, described_record(record), contents)
    if record.scores is None:
        (folder / SCORES).unlink(missing_ok=True)


def described_record(record: RunRecord) -> dict[str, Any]:
    """What `record.json` holds, without the hashes: JSON values."""
    return {
        **FORMAT.stated,
        **described_run(record),
        "dataset": to_dict(record.dataset),
        "normalization": dict(record.normalization),
        "scoring": dict(record.scoring),
        "results": {
            way: {name: dict(row) for name, row in rows.items()}
            for way, rows in record.results.items()
        },
    }


def described_run(record: RunFacts) -> dict[str, Any]:
    """The fields of `RunFacts` as JSON values."""
    return {
        "name": record.name,
        "model": to_dict(record.model),
        "source": dict(record.source),
        "seeds": dict(record.seeds),
        "environment": to_dict(record.environment),
        "seconds": record.seconds,
        "reload_verified": record.reload_verified,
    }


def run_facts(described: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `RunFacts` from what `described_run` made."""
    return {
        "name": str(described["name"]),
        "model": from_dict(ModelFacts, described["model"]),
        "source": dict(described["source"]),
        "seeds": dict(described["seeds"]),
        "environment": from_dict(Environment, described["environment"]),
        "seconds": float(described["seconds"]),
        "reload_verified": described["reload_verified"] is True,
    }


def load_record(folder: Path) -> RunRecord:
    """The record in a folder; DataError says what is wrong with it."""
    return read_archive(folder, FORMAT, lambda described: _checked(folder, described))


def _checked(folder: Path, described: dict[str, Any]) -> RunRecord:
    hashes: dict[str, str] = dict(described["sha256"])
    record = RunRecord(
        **run_facts(described),
        dataset=from_dict(DatasetFacts, described["dataset"]),
        normalization=dict(described["normalization"]),
        scoring=dict(described.get("scoring", {"kind": "exact"})),
        results={way: dict(described["results"][way]) for way in DIRECTIONS},
        queries=_queries(read_packed(folder, RANKS, hashes)),
        scores=_scores(read_packed(folder, SCORES, hashes)) if SCORES in hashes else None,
    )
    if described["version"] == 1:
        record = replace(record, results=_by_the_rule_of_today(record))
    _check_metrics(record)
    return record


def _by_the_rule_of_today(record: RunRecord) -> dict[str, dict[str, dict[str, Any]]]:
    """The results of a record of version 1: metrics and intervals of its ranks."""
    results: dict[str, dict[str, dict[str, Any]]] = {}
    for direction, asked in record.queries.items():
        stated = record.results[direction]
        for name, found in asked.ranks.items():
            intervals = metric_intervals(found, np.array(asked.videos)) if name in stated else {}
            kept = {key: [value.low, value.high] for key, value in intervals.items()}
            results.setdefault(direction, {})[name] = {
                **summarise(found).as_dict(),
                "intervals": kept if stated[name]["intervals"] else {},
                "protocol": stated[name]["protocol"],
            }
    return results


def _check_metrics(record: RunRecord) -> None:
    """The metrics of every row follow from its ranks."""
    for direction, asked in record.queries.items():
        if set(asked.ranks) != set(record.results[direction]):
            raise DataError(f"{direction}: {RECORD} and {RANKS} name other granularities")
        for name, found in asked.ranks.items():
            row, expected = record.results[direction][name], summarise(found).as_dict()
            stated = {key: value for key, value in row.items() if key not in _NOT_METRICS}
            same = stated.keys() == expected.keys() and all(
                math.isclose(stated[key], value, rel_tol=1e-9, abs_tol=1e-9)
                for key, value in expected.items()
            )
            if not same:
                raise DataError(
                    f"{direction} {name}: the metrics in {RECORD} are not those of {RANKS} (R@1 "
                    f"{row.get('R@1')} "
                    f"stated, {expected['R@1']} found); it was changed after it was written: "
                    "evaluate again"
                )
            ordered = all(low <= high for low, high in row["intervals"].values())
            if not ordered or not isinstance(row["protocol"], str):
                raise DataError(
                    f"{direction} {name}: expected a protocol, and intervals [low, high] with low "
                    "<= high"
                )


def _rank_arrays(record: RunRecord) -> dict[str, np.ndarray]:
    arrays = {}
    for direction, asked in record.queries.items():
        arrays[f"{direction}/ids"] = np.array(asked.ids, dtype=str)
        arrays[f"{direction}/videos"] = np.array(asked.videos, dtype=str)
        for name, found in asked.ranks.items():
            arrays[f"{direction}/{name}"] = np.stack(
                [found.expected, found.optimistic, found.pessimistic]
            )
    return arrays


def _queries(arrays: Mapping[str, np.ndarray]) -> dict[str, QueryRanks]:
    found = {}
    for direction in DIRECTIONS:
        own = {
            name.removeprefix(f"{direction}/"): a
            for name, a in arrays.items()
            if name.startswith(f"{direction}/")
        }
        ids, videos = (tuple(map(str, own.pop(name))) for name in ("ids", "videos"))
        for name, ranks in own.items():
            if ranks.dtype != np.float64 or ranks.shape != (3, len(ids)) or not (ranks >= 1).all():
                raise DataError(
                    f"{RANKS}: {direction}/{name} must hold three ranks of {len(ids)} queries, "
                    "from 1"
                )
        found[direction] = QueryRanks(
            ids,
            videos,
            {
                name: Ranks(r[0], r[1].astype(np.int64), r[2].astype(np.int64))
                for name, r in own.items()
            },
        )
    return found


def _score_arrays(scores: Mapping[str, GalleryScores]) -> dict[str, np.ndarray]:
    return {
        f"{direction}/{part.name}": np.asarray(getattr(ranked, part.name))
        for direction, ranked in scores.items()
        for part in fields(GalleryScores)
    }


def _scores(arrays: Mapping[str, np.ndarray]) -> dict[str, GalleryScores]:
    found = {}
    for direction in DIRECTIONS:
        matrix, right = arrays[f"{direction}/matrix"], arrays[f"{direction}/right"]
        if (
            matrix.dtype != np.float32
            or matrix.ndim != 2
            or right.dtype != np.int64
            or right.ndim != 1
        ):
            raise DataError(
                f"{SCORES}: expected float32 scores and int64 answers, got {matrix.dtype}, "
                f"{right.dtype}"
            )
        queries, gallery = (
            tuple(map(str, arrays[f"{direction}/{name}"])) for name in ("queries", "gallery")
        )
        also = arrays.get(f"{direction}/also_right", np.zeros((0, 2), dtype=np.int64))
        found[direction] = GalleryScores(queries, gallery, right, matrix, also)
    return found
