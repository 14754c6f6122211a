"""Measure what confidence costs: per query, and for clips that are added.

    python -m research.scripts.confidence_speed --model everyday --clips 10000 --added 1000

The library holds random features of the model's sizes. Times are of one thread.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from finereel.index.confidence import keep_up, p_value
from finereel.index.facts import FileFacts
from finereel.index.manifest import Manifest
from finereel.index.protocols import IndexedModel
from finereel.index.schema import ClipRecord, FileRecord, in_stored_form, to_rows
from finereel.index.store import ClipStore
from finereel.models.features import VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import Window
from finereel.video.files import FileState

PER_FILE = 500


def random_features(model: RetrievalModel, count: int, seed: int) -> VideoFeatures:
    """Noise of the sizes of a model's features."""
    draw = torch.Generator().manual_seed(seed)

    def noise(*sizes: int) -> torch.Tensor:
        return torch.randn(count, *sizes, model.dim, generator=draw)

    return VideoFeatures(
        normalize(noise(), dim=-1),
        noise(model.num_frames),
        noise(model.num_patches),
        torch.ones(count, model.num_frames, dtype=torch.bool),
        torch.ones(count, model.num_patches, dtype=torch.bool),
        noise(model.num_contextual),
    )


def add(store: ClipStore, model: RetrievalModel, number: int, count: int) -> None:
    """A file of `count` clips."""
    times = np.arange(model.num_frames, dtype=np.float64)
    clips = [
        ClipRecord(Window(10.0 * place, 10.0 * place + 10), 10.0 * place + times, b"")
        for place in range(count)
    ]
    name = f"{number:016x}"
    record = FileRecord(name, name, f"/{name}.mp4", FileState(1, 1), facts=FileFacts())
    raw = random_features(model, count, number)
    features = in_stored_form(raw, model, store.manifest.model)
    store.commit([to_rows(record, clips, features, None, store.schema, 0)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--added", type=int, default=1000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = load(given.model)
    with tempfile.TemporaryDirectory() as folder:
        store = ClipStore.create(Path(folder) / "index", Manifest(IndexedModel.of(model)))
        for number in range(given.clips // PER_FILE):
            add(store, model, number, PER_FILE)
        times = {}
        began = time.perf_counter()
        keep_up(store.snapshot(), model, None)
        times[f"null bank of {given.clips} clips, s"] = time.perf_counter() - began
        for number in range(given.added // PER_FILE):
            add(store, model, 1_000_000 + number, PER_FILE)
        snapshot = store.snapshot()
        began, used = time.perf_counter(), time.process_time()
        keep_up(snapshot, model, None)
        times[f"{given.added} clips added, s"] = time.perf_counter() - began
        times["of that, s of this process"] = time.process_time() - used
        began = time.perf_counter()
        null = keep_up(snapshot, model, None)
        times["reading it, ms"] = 1000 * (time.perf_counter() - began)
        began = time.perf_counter()
        for _ in range(1000):
            p_value(1.0, null.maxima)
        times["one p-value, ms"] = time.perf_counter() - began
    for name, value in times.items():
        print(f"| {name} | {value:.3f} |")


if __name__ == "__main__":
    main()
