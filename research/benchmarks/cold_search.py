"""Measure a search from the start of the process to the printed hits, and where the time goes.

    python research/benchmarks/cold_search.py --clips 1000 --runs 5
    python research/benchmarks/cold_search.py --model everyday

A library of N clips is made with random features of the model's sizes; the store and the model are
real. Then `finereel search` runs in fresh processes on one thread: seconds by the clock (the
shortest and the median run) and of the processor. The steps are those of one such process: starting
Python, importing the library, loading the model, its fingerprint (which a search computes beside
the last three), opening the table, encoding the query, and searching. The files are in the page
cache, and every module is compiled: as pip leaves them, whatever PYTHONDONTWRITEBYTECODE says here.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from finereel.index.manifest import Manifest
from finereel.index.opening import begin_library
from finereel.index.protocols import IndexedModel, SearchModel
from finereel.index.schema import ClipRecord, FileRecord, in_stored_form, to_rows
from finereel.models.features import VideoFeatures
from finereel.models.saving import load
from finereel.types import Window
from finereel.video.files import FileState

CLIPS_PER_FILE = 20
QUERY = "a big purple heart"
STEPS = """
import json, sys, time
began = time.perf_counter()
laps = {}

def lap(name):
    global began
    now = time.perf_counter()
    laps[name] = round(now - began, 3)
    began = now

import gc
gc.disable()  # as the command does
from pathlib import Path
import finereel.cli
from finereel.cli.opening import open_library
lap("command line")
library = open_library(Path(sys.argv[1]))
lap("imports")
model = library._load_model()
lap("model")
model.fingerprint
lap("fingerprint")
searcher = library._searcher(library._existing())
lap("table")
model.encode_text([sys.argv[2]])
lap("query")
library.search(sys.argv[2])
lap("search")
print(json.dumps(laps))
"""


def random_clips(model: SearchModel, count: int, seed: int) -> VideoFeatures:
    """Features of one file in the model's sizes."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return normalize(torch.randn(*shape, model.dim, generator=generator), dim=-1).half()

    return VideoFeatures(
        noise(count),
        noise(count, model.num_frames),
        noise(count, model.num_patches),
        torch.ones(count, model.num_frames, dtype=torch.bool),
        torch.ones(count, model.num_patches, dtype=torch.bool),
        noise(count, model.num_contextual),
    )


def build(library: Path, model: SearchModel, clips: int) -> None:
    """A library of `clips` clips."""
    library.mkdir()
    store = begin_library(library, Manifest(IndexedModel.of(model)))
    rows = []
    for number in range(clips // CLIPS_PER_FILE):
        record = FileRecord(
            f"{number:016x}", f"{number:032x}", f"/videos/{number}.mp4", FileState(1, 1)
        )
        records = [
            ClipRecord(
                Window(10.0 * i, 10.0 * i + 10), 10.0 * i + np.arange(float(model.num_frames)), b""
            )
            for i in range(CLIPS_PER_FILE)
        ]
        raw = random_clips(model, CLIPS_PER_FILE, number)
        features = in_stored_form(raw, model, store.manifest.model)
        rows.append(to_rows(record, records, features, None, store.schema))
    store.commit(rows)


def run(command: list[str]) -> tuple[float, float, str]:
    """Seconds by the clock and of the processor that a command took, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        | {"OMP_NUM_THREADS": "1"},
    )
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="reelworld-tiny")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cold-search-") as folder:
        library = Path(folder) / "library"
        build(library, load(arguments.model), arguments.clips)
        search = [sys.executable, "-m", "finereel", "search", QUERY, "--library", str(library)]
        run(search)  # compiles what is not compiled yet
        runs = [run(search) for _ in range(arguments.runs)]
        assert all(QUERY not in shown and ".mp4" in shown for _, _, shown in runs)
        steps = [
            json.loads(run([sys.executable, "-c", STEPS, str(library), QUERY])[2])
            for _ in range(arguments.runs)
        ]
        python = min(run([sys.executable, "-c", ""])[0] for _ in range(arguments.runs))
    print(
        json.dumps(
            {
                "model": arguments.model,
                "clips": arguments.clips,
                "seconds_shortest": round(min(seconds for seconds, _, _ in runs), 2),
                "seconds_median": round(statistics.median(seconds for seconds, _, _ in runs), 2),
                "processor_seconds": round(min(spent for _, spent, _ in runs), 2),
                "steps": {"python": round(python, 3)}
                | {name: min(step[name] for step in steps) for name in steps[0]},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
