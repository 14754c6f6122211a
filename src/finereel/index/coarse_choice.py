"""How the first look of a large library is made: from which size on through Lance's approximate
index, and how many of its partitions are read.

Both are measured where the index is built and kept beside the table, in `coarse.json`.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float32
from torch import Tensor

from finereel.index.kept import RowIds
from finereel.index.quantized import Int8Vectors, scans, width_of
from finereel.index.snapshot import Snapshot
from finereel.io.atomic import read_stored_json, write_file
from finereel.io.storage.places import Place
from finereel.ranking import top_k

NAME = "coarse.json"
LEAST_APPROXIMATE = 100_000
"""Clips up to which no approximate index is worth its making, however slow the machine; in an
object store, from which all vectors would have to be read first, the number from which there is
one.
"""
LONGEST_SCAN = 0.03
"""Seconds of one core that an exact first look may take."""
TIMED = 131_072
"""Vectors of the timed look: more bytes than processors keep near."""
SHARE_OF_MEMORY = 4
"""All vectors take up at most this part (one in so many) of the machine's memory."""
RECALL, RECALLED, SAMPLES = 0.99, 200, 32
PROBES = (10, 20, 35, 50, 75, 100, 150, 200, 300, 500)


@dataclass(frozen=True)
class CoarseChoice:
    """What was measured.

    Attributes:
        clips: The size of the library then.
        exact_up_to: Clips up to which a look is exact, see `exact_up_to`, whether there is an index
            or not; 0 where an index was asked for.
        probes: Partitions that a query reads.
        recall: The share of the RECALLED nearest clips that this finds; None where it was not
            checked.
    """

    clips: int = 0
    exact_up_to: int = 0
    probes: int = 50
    recall: float | None = None

    @classmethod
    def load(cls, folder: Place) -> "CoarseChoice":
        """That of an index folder; as before there was one where there is none."""
        kept = read_stored_json(folder / NAME)
        try:
            return cls() if kept is None else cls(**kept)
        except TypeError:  # of another version
            return cls()

    def save(self, folder: Place) -> None:
        """Keep it."""
        write_file(folder / NAME, json.dumps(asdict(self), indent=1))

    def checked(self, snapshot: Snapshot) -> "CoarseChoice":
        """With the fewest probes that reach RECALL in a snapshot that has an approximate index."""
        probes, recall = fewest_probes(snapshot)
        return replace(self, clips=snapshot.count, probes=probes, recall=round(recall, 4))


def exact_up_to(dim: int) -> int:
    """How many clips this machine looks through exactly within LONGEST_SCAN and its memory."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(dim, generator=generator)
    if scans():
        numbers = np.random.default_rng(0).integers(
            -127, 128, (TIMED, width_of(dim)), dtype=np.int8
        )
        vectors = Int8Vectors(numbers, np.ones(TIMED, dtype=np.float32))
        seconds = min(_seconds(lambda: vectors.best(query, RECALLED)) for _ in range(5))
        bytes_each = width_of(dim)
    else:
        halves = torch.randn(TIMED, dim, generator=generator).half()
        seconds = min(_seconds(lambda: top_k(halves @ query.half(), RECALLED)) for _ in range(5))
        bytes_each = 2 * dim
    fits = _memory() // SHARE_OF_MEMORY // bytes_each
    most = min(int(LONGEST_SCAN / seconds * TIMED), fits)
    return max(most, LEAST_APPROXIMATE)


def fewest_probes(snapshot: Snapshot) -> tuple[int, float]:
    """The smallest of PROBES with which the approximate index finds RECALL of the RECALLED nearest
    clips, and the share that it finds; else the largest.

    Asked are vectors of the library, and the sum of two for every other one: a text lies between
    clips rather than on one.
    """
    table = snapshot.vectors()
    chosen = np.random.default_rng(0).integers(0, len(table.row_ids), (SAMPLES, 2))
    both = table.vectors[torch.from_numpy(chosen)].float()
    queries = torch.cat([both[::2, 0], both[1::2].sum(1)])
    wanted = []
    for query in queries:
        best = top_k((table.vectors @ query.half()).float(), 2 * RECALLED)
        exact = table.vectors[torch.from_numpy(best)].float() @ query
        wanted.append(set(table.row_ids[best[top_k(exact, RECALLED)]].tolist()))
    recall = 0.0
    for probes in PROBES:
        shares = [
            len(best & set(_found(snapshot, query, probes).tolist())) / max(1, len(best))
            for best, query in zip(wanted, queries, strict=True)
        ]
        recall = float(np.mean(shares))
        if recall >= RECALL:
            return probes, recall
    return PROBES[-1], recall


def nearest_rows(
    snapshot: Snapshot, query: Float32[Tensor, " D"], limit: int, probes: int, columns: list[str]
) -> pa.Table:
    """The rows that the approximate index takes for the nearest, with vector, clip_id, some more
    columns and `_rowid`; compared with their checksums.
    """
    return snapshot.read(
        snapshot.table.search(query.numpy(), vector_column_name="vector")
        .distance_type("dot")
        .where("missing = false", prefilter=True)
        .nprobes(probes)
        .limit(limit)
        .select(["vector", "clip_id", *columns, *snapshot.checksums_of(["vector", "clip_id"])])
        .with_row_id(True)
    )


def _found(snapshot: Snapshot, query: Float32[Tensor, " D"], probes: int) -> RowIds:
    """As `finereel.index.coarse.AnnCoarse` finds them: twice as many, of which the best stay."""
    rows = nearest_rows(snapshot, query, 2 * RECALLED, probes, [])
    scores = snapshot.vectors_in(rows).float() @ query
    ids: RowIds = rows["_rowid"].to_numpy().astype(np.int64)[top_k(scores, RECALLED)]
    return ids


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
