"""A run record as a folder, written whole and read back strictly.

    record.json     facts, metrics, and the SHA-256 of the other files
    ranks.npz       <direction>/ids, <direction>/videos, <direction>/<granularity>: expected, optimistic, pessimistic
    scores.npz      optional: <direction>/queries, gallery, right, matrix

Reading refuses another format version, a file that differs from its hash, metrics that do not follow from the ranks,
and pickles. This finds accidents and careless edits; it is no signature.
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from finereel.config import from_dict, to_dict
from finereel.errors import DataError
from finereel.evaluation.archive import RECORD, packed, read_description, read_packed, write_archive
from finereel.evaluation.metrics import Ranks, summarise
from finereel.evaluation.provenance import Environment
from finereel.evaluation.record import DatasetFacts, GalleryScores, ModelFacts, QueryRanks, RunRecord
from finereel.normalization import DIRECTIONS

FORMAT = "finereel-run"
FORMAT_VERSION = 1
RANKS, SCORES = "ranks.npz", "scores.npz"
_NOT_METRICS = frozenset({"intervals", "protocol"})


def save_record(record: RunRecord, folder: Path) -> None:
    """Write a record's files; `record.json` last, so that a folder without it is no record."""
    contents = {RANKS: packed(_rank_arrays(record))}
    if record.scores is not None:
        contents[SCORES] = packed(_score_arrays(record.scores))
    write_archive(folder, described_record(record), contents)
    if record.scores is None:
        (folder / SCORES).unlink(missing_ok=True)


def described_record(record: RunRecord) -> dict[str, Any]:
    """What `record.json` holds, without the hashes: JSON values."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "name": record.name,
        "dataset": to_dict(record.dataset),
        "model": to_dict(record.model),
        "source": dict(record.source),
        "normalization": dict(record.normalization),
        "seeds": dict(record.seeds),
        "results": {way: {name: dict(row) for name, row in rows.items()} for way, rows in record.results.items()},
        "environment": to_dict(record.environment),
        "seconds": record.seconds,
        "reload_verified": record.reload_verified,
    }


def load_record(folder: Path) -> RunRecord:
    """The record in a folder; DataError says what is wrong with it."""
    described = read_description(folder, "finereel evaluate --out")
    if described.get("format") != FORMAT or described.get("version") != FORMAT_VERSION:
        raise DataError(
            f"{folder / RECORD}: expected {FORMAT} of version {FORMAT_VERSION}, got {described.get('format')!r} of "
            f"version {described.get('version')!r}; evaluate again, or read it with the program that wrote it"
        )
    try:
        hashes: dict[str, str] = dict(described["sha256"])
        record = RunRecord(
            name=str(described["name"]),
            dataset=from_dict(DatasetFacts, described["dataset"]),
            model=from_dict(ModelFacts, described["model"]),
            source=dict(described["source"]),
            normalization=dict(described["normalization"]),
            seeds=dict(described["seeds"]),
            results={way: dict(described["results"][way]) for way in DIRECTIONS},
            queries=_queries(read_packed(folder, RANKS, hashes)),
            environment=from_dict(Environment, described["environment"]),
            seconds=float(described["seconds"]),
            reload_verified=described["reload_verified"] is True,
            scores=_scores(read_packed(folder, SCORES, hashes)) if SCORES in hashes else None,
        )
        _check_metrics(record)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{folder / RECORD} lacks something or holds the wrong kind of it ({error!r})") from error
    return record


def _check_metrics(record: RunRecord) -> None:
    """The metrics of every row follow from its ranks."""
    for direction, asked in record.queries.items():
        if set(asked.ranks) != set(record.results[direction]):
            raise DataError(f"{direction}: {RECORD} and {RANKS} name other granularities")
        for name, found in asked.ranks.items():
            row, expected = record.results[direction][name], summarise(found).as_dict()
            stated = {key: value for key, value in row.items() if key not in _NOT_METRICS}
            same = stated.keys() == expected.keys() and all(
                math.isclose(stated[key], value, rel_tol=1e-9, abs_tol=1e-9) for key, value in expected.items()
            )
            if not same:
                raise DataError(
                    f"{direction} {name}: the metrics in {RECORD} are not those of {RANKS} (R@1 {row.get('R@1')} "
                    f"stated, {expected['R@1']} found); it was changed after it was written: evaluate again"
                )
            ordered = all(low <= high for low, high in row["intervals"].values())
            if not ordered or not isinstance(row["protocol"], str):
                raise DataError(f"{direction} {name}: expected a protocol, and intervals [low, high] with low <= high")


def _rank_arrays(record: RunRecord) -> dict[str, np.ndarray]:
    arrays = {}
    for direction, asked in record.queries.items():
        arrays[f"{direction}/ids"] = np.array(asked.ids, dtype=str)
        arrays[f"{direction}/videos"] = np.array(asked.videos, dtype=str)
        for name, found in asked.ranks.items():
            arrays[f"{direction}/{name}"] = np.stack([found.expected, found.optimistic, found.pessimistic])
    return arrays


def _queries(arrays: Mapping[str, np.ndarray]) -> dict[str, QueryRanks]:
    found = {}
    for direction in DIRECTIONS:
        own = {name.removeprefix(f"{direction}/"): a for name, a in arrays.items() if name.startswith(f"{direction}/")}
        ids, videos = (tuple(map(str, own.pop(name))) for name in ("ids", "videos"))
        for name, ranks in own.items():
            if ranks.dtype != np.float64 or ranks.shape != (3, len(ids)) or not (ranks >= 1).all():
                raise DataError(f"{RANKS}: {direction}/{name} must hold three ranks of {len(ids)} queries, from 1")
        found[direction] = QueryRanks(
            ids, videos, {name: Ranks(r[0], r[1].astype(np.int64), r[2].astype(np.int64)) for name, r in own.items()}
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
        if matrix.dtype != np.float32 or matrix.ndim != 2 or right.dtype != np.int64 or right.ndim != 1:
            raise DataError(f"{SCORES}: expected float32 scores and int64 answers, got {matrix.dtype}, {right.dtype}")
        queries, gallery = (tuple(map(str, arrays[f"{direction}/{name}"])) for name in ("queries", "gallery"))
        found[direction] = GalleryScores(queries, gallery, right, matrix)
    return found
