"""Measure the first look of a search: which of N clips are worth reading.

    python -m research.benchmarks.candidates --clips 10000 100000
    python -m research.benchmarks.candidates --clips 1000000 --folder /big/disk

The library is real, its vectors are synthetic: 1,000 topics, a clip within .6 of its topic's cosine
and a query as far from it. Clips have one frame and no patches, so that a million of them take 4 GB
while it runs. Reported per size and way of looking, over `--queries` queries: milliseconds of the
clock (median) and of the processor (least), the share of the 200 nearest clips that is found,
seconds from the table to the first answer (in a process of its own), and what that process then
holds in memory. Ways: `product`, all vectors in half precision; `look`, what a search does;
`index`, Lance's IVF_SQ with the probes that its recall check chose.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from finereel.index import sidecar
from finereel.index.coarse import AnnCoarse, Coarse, ExactCoarse, first_look
from finereel.index.coarse_choice import CoarseChoice
from finereel.index.manifest import Manifest
from finereel.index.protocols import IndexedModel, StoredTokens
from finereel.index.schema import ClipRecord, FileRecord, to_rows
from finereel.index.store import ClipStore
from finereel.models.features import StoredFeatures
from finereel.types import Window
from finereel.video.files import FileState

DIM, TOPICS, CLIPS_PER_FILE, FILES_PER_COMMIT = 512, 1000, 500, 40
WANTED, SCALE = 200, 100.0


def topics() -> torch.Tensor:
    """Unit vectors (TOPICS, DIM)."""
    return normalize(torch.randn(TOPICS, DIM, generator=torch.Generator().manual_seed(0)), dim=-1)


def near_topics(count: int, seed: int) -> torch.Tensor:
    """Unit vectors, each at a cosine of about .6 with its topic."""
    generator = torch.Generator().manual_seed(seed)
    own = topics()[torch.randint(0, TOPICS, (count,), generator=generator)]
    noise = normalize(torch.randn(count, DIM, generator=generator), dim=-1)
    return normalize(0.6 * own + 0.8 * noise, dim=-1)


def build(folder: Path, clips: int) -> ClipStore:
    """A library of `clips` clips."""
    tokens = StoredTokens(prepared=True)
    store = ClipStore.create(
        folder, Manifest(IndexedModel("synthetic", "0" * 16, 1, 0, DIM, 0, tokens))
    )
    rows = []
    files = clips // CLIPS_PER_FILE
    for number in range(files):
        record = FileRecord(
            f"{number:016x}", f"{number:032x}", f"/videos/{number}.mp4", FileState(1, 1)
        )
        records = [
            ClipRecord(Window(10 * i, 10 * i + 10), np.array([10.0 * i]), b"")
            for i in range(CLIPS_PER_FILE)
        ]
        vectors = near_topics(CLIPS_PER_FILE, number + 1)
        mask = torch.ones(CLIPS_PER_FILE, 1, dtype=torch.bool)
        none = torch.empty(CLIPS_PER_FILE, 0, DIM)
        features = StoredFeatures(vectors, vectors[:, None], none, mask, mask[:, :0])
        rows.append(to_rows(record, records, features, None, store.schema))
        if len(rows) == FILES_PER_COMMIT or number == files - 1:
            store.commit(rows)
            rows = []
    return store


def cost(work: Callable[[torch.Tensor], object], queries: torch.Tensor) -> tuple[float, float]:
    """Milliseconds of the clock (median) and of the processor (least)."""
    clock, processor = [], []
    for number, query in enumerate(queries):
        began, spent = time.perf_counter(), time.process_time()
        work(query)
        if number >= 2:
            clock.append(time.perf_counter() - began)
            processor.append(time.process_time() - spent)
    return 1e3 * statistics.median(clock), 1e3 * min(processor)


def recall(look: Coarse, queries: torch.Tensor, nearest: list[set[int]]) -> float:
    """The share of the nearest clips that a look finds."""
    found = [set(look.candidates(query, WANTED).tolist()) for query in queries]
    return float(np.mean([len(a & b) / len(b) for a, b in zip(found, nearest, strict=True)]))


def opening(folder: Path) -> dict[str, float]:
    """Seconds until the first candidates in a process of its own that has its modules, and the
    memory that it holds.
    """
    command = [sys.executable, "-m", "research.benchmarks.candidates", "--open", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # type: ignore[no-any-return]


def opened(folder: Path) -> dict[str, float]:
    """The measurement that `opening` runs in a process of its own."""
    base, began, spent = _memory_mb(), time.perf_counter(), time.process_time()
    look = first_look(ClipStore.open(folder).snapshot(), None)
    found, processor = time.perf_counter() - began, time.process_time() - spent
    look.candidates(SCALE * near_topics(1, 0)[0], WANTED)
    first = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "open_s": round(found, 3),
        "open_cpu_s": round(processor, 3),
        "first_candidates_s": round(first, 3),
        "own_memory_mb": round(_memory_mb() - base),
        "peak_mb": round(peak),
    }


def _memory_mb() -> float:
    """Memory that no file stands behind."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measured(
    folder: Path, clips: int, queries: int, approximate: bool
) -> Iterator[dict[str, object]]:
    """One line per way of looking."""
    store = build(folder, clips)
    asked = SCALE * near_topics(queries + 2, 0)
    table = store.snapshot().vectors()
    product = ExactCoarse(table, None)
    nearest = [
        set(table.row_ids[places].tolist()) for places in product.best(asked, WANTED)[0].numpy()
    ]
    table_only = opening(folder)

    def line(way: str, look: Coarse, **more: object) -> dict[str, object]:
        clock, processor = cost(lambda query: look.candidates(query, WANTED), asked)
        found = recall(look, asked, nearest)
        return {
            "clips": clips,
            "way": way,
            "clock_ms": round(clock, 2),
            "cpu_ms": round(processor, 2),
            "recall": round(found, 4),
            **more,
        }

    yield line("product", product, **table_only)
    del product, table
    began = time.perf_counter()
    sidecar.refresh_vectors(store)
    written = time.perf_counter() - began
    yield line(
        "look",
        first_look(store.snapshot(), None),
        **opening(folder),
        file_written_s=round(written, 2),
    )
    if approximate:
        began = time.perf_counter()
        store.refresh_ann(1)
        took = time.perf_counter() - began
        choice = CoarseChoice.load(folder)
        snapshot = store.snapshot()
        for probes in sorted({50, choice.probes}):
            yield line(
                "index",
                AnnCoarse(snapshot, None, probes),
                probes=probes,
                checked_recall=choice.recall if probes == choice.probes else None,
                built_and_checked_s=round(took, 1),
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--approximate", action="store_true", help="Lance's IVF_SQ too")
    parser.add_argument("--folder", type=Path, help="where the temporary libraries go")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.open is not None:
        print(json.dumps(opened(given.open)))
        return
    for clips in given.clips:
        folder = Path(tempfile.mkdtemp(prefix="candidates-", dir=given.folder))
        try:
            for line in measured(folder, clips, given.queries, given.approximate):
                print(json.dumps(line | {"load": round(os.getloadavg()[0], 1)}), flush=True)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
