"""Save a fine-grained record as a folder and read it back.

    record.json     facts and results, and the SHA-256 of the other file
    scores.npz      groups (JSON of G groups with their texts, as bytes); score/<granularity>, baseline/<name> and same
                    (N,), candidates group by group, the true caption first; triple/<column> where there are any

Reading refuses another format version, a file that differs from its hash, metrics that do not
follow from the scores, and pickles.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from finereel.config import from_dict, to_dict
from finereel.errors import DataError
from finereel.evaluation.archive import (
    ArchiveFormat,
    packed,
    read_archive,
    read_packed,
    write_archive,
)
from finereel.evaluation.record_files import described_run, run_facts
from finereel.finegrain.evaluate.groups import Group
from finereel.finegrain.evaluate.results import (
    CoarseFacts,
    FineRecord,
    FineScores,
    NegativesFacts,
    Triples,
    group_ranks,
    point_metrics,
    selections,
)
from finereel.statistics.metrics import Ranks

FORMAT = ArchiveFormat("finereel-fine-run", version=1, maker="finereel finegrain evaluate --out")
SCORES = "scores.npz"
_TRIPLE = ("original", "negative", "positive", "caption")


def save_fine_record(record: FineRecord, folder: Path) -> None:
    """Write a record's files. Raises DataError for a record without scores."""
    if record.scores is None:
        raise DataError("this record has no scores; it was described and not measured here")
    write_archive(folder, described_fine_record(record), {SCORES: packed(_arrays(record.scores))})


def described_fine_record(record: FineRecord) -> dict[str, Any]:
    """What `record.json` holds, without the hashes: JSON values."""
    return {
        **FORMAT.stated,
        **described_run(record),
        "negatives": to_dict(record.negatives),
        "baselines": dict(record.baselines),
        "results": {pos: dict(row) for pos, row in record.results.items()},
        "coarse": None if record.coarse is None else to_dict(record.coarse),
        "twins": record.twins,
    }


def load_fine_record(folder: Path) -> FineRecord:
    """The record in a folder; DataError says what is wrong with it."""
    return read_archive(folder, FORMAT, lambda described: _checked(folder, described))


def _checked(folder: Path, described: dict[str, Any]) -> FineRecord:
    coarse = described["coarse"]
    record = FineRecord(
        **run_facts(described),
        negatives=from_dict(NegativesFacts, described["negatives"]),
        baselines=dict(described["baselines"]),
        results=dict(described["results"]),
        coarse=None if coarse is None else from_dict(CoarseFacts, coarse),
        twins=described["twins"],
        scores=_scores(read_packed(folder, SCORES, dict(described["sha256"]))),
    )
    _check_metrics(record)
    return record


def _check_metrics(record: FineRecord) -> None:
    """The metrics of every row follow from its scores."""
    assert record.scores is not None
    scores, chosen = record.scores, selections(record.scores.groups)
    if set(chosen) != set(record.results):
        raise DataError(
            f"the rows are {sorted(record.results)}, the scores are of {sorted(chosen)}"
        )
    for kind, columns in (("granularities", scores.granularities), ("baselines", scores.baselines)):
        ranks = {name: group_ranks(column, scores.sizes) for name, column in columns.items()}
        for pos, groups in chosen.items():
            rows = record.results[pos][kind]
            if set(rows) != set(ranks):
                raise DataError(
                    f"{pos}: the {kind} are {sorted(rows)}, the scores those of {sorted(ranks)}"
                )
            for name, found in ranks.items():
                part = Ranks(
                    found.expected[groups], found.optimistic[groups], found.pessimistic[groups]
                )
                for metric, value in point_metrics(part, scores.sizes[groups]).items():
                    if not math.isclose(rows[name][metric], value, rel_tol=1e-9, abs_tol=1e-9):
                        raise DataError(
                            f"{pos} {name}: {metric} is stated as {rows[name][metric]} and found "
                            f"to be {value}; it was "
                            "changed after it was written: evaluate again"
                        )


def _arrays(scores: FineScores) -> dict[str, np.ndarray]:
    listed = json.dumps(
        [astuple(group) for group in scores.groups]
    )  # numpy strings would drop NULs and pad all texts
    arrays = {"groups": np.frombuffer(listed.encode(), dtype=np.uint8), "same": scores.same}
    arrays |= {f"score/{name}": column for name, column in scores.granularities.items()}
    arrays |= {f"baseline/{name}": column for name, column in scores.baselines.items()}
    if scores.triples is not None:
        arrays |= {f"triple/{name}": getattr(scores.triples, name) for name in _TRIPLE}
    return arrays


def _scores(arrays: Mapping[str, np.ndarray]) -> FineScores:
    groups = tuple(
        Group(caption_id, video_id, pos, caption, tuple(negatives))
        for caption_id, video_id, pos, caption, negatives in json.loads(arrays["groups"].tobytes())
    )
    triples = [arrays[f"triple/{name}"] for name in _TRIPLE if f"triple/{name}" in arrays]
    return FineScores(
        groups=groups,
        granularities=_under(arrays, "score/"),
        baselines=_under(arrays, "baseline/"),
        same=arrays["same"],
        triples=Triples(*triples) if triples else None,
    )


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): column
        for name, column in arrays.items()
        if name.startswith(prefix)
    }
