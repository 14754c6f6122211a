"""Measure how long a search takes in a library of N clips, and the size of a clip on disk.

    python research/benchmarks/query_latency.py --clips 1000 10000
    python research/benchmarks/query_latency.py --clips 100000 --folder /big/disk
    python research/benchmarks/query_latency.py --clips 1000000 --tokens int8 --repeated

The features are synthetic, the store is real; 100,000 clips need about 7 GB while it runs, a million
26 GB with `--tokens int8`. `--repeated` gives every file the tokens of the first one, and every clip
a video vector of its own: nothing but the table is made a million times. What stands in every row is
kept in memory, as in a server or after some searches.

Reported per size: clips per second written to the table, bytes per clip, and milliseconds (median
and 95th percentile over `--queries` searches) for the coarse candidates, for reading their features,
for the model's score, for the whole search, and for searches with moments, with NOT and with THEN;
then the ratio of the whole to the smallest size of the same run. The score is UCoFiA's head with its
usual sizes: 512 dimensions, 12 frames, 48 patches, 32 words.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch.nn.functional import normalize

from finereel.codecs import CODECS
from finereel.config import ModelConfig
from finereel.index.checksums import with_checksums
from finereel.index.events import AddSettings
from finereel.index.hits import find_hits
from finereel.index.manifest import Manifest
from finereel.index.opening import described, kind_of_store
from finereel.index.query import Query
from finereel.index.schema import ClipRecord, FileRecord, copy_rows, in_stored_form, to_rows
from finereel.index.search import Searcher
from finereel.index.sidecar import refresh_vectors
from finereel.index.store import ClipStore
from finereel.io.storage.places import Place
from finereel.models.features import Scores, StoredFeatures, TextFeatures, VideoFeatures
from finereel.models.heads import make_head
from finereel.types import Frames, Window
from finereel.video.files import FileState

DIM, FRAMES, PATCHES, WORDS = 512, 12, 48, 32
CLIPS_PER_FILE = 50
THUMBNAIL = 4000
"""Bytes of a thumbnail, which are random."""
FILES_PER_COMMIT, MOST_FILES_PER_COMMIT = 20, 500


class SyntheticModel:
    """Random texts, the real head."""

    name, fingerprint = "synthetic", "0" * 16
    dim, num_frames, num_patches, num_contextual = DIM, FRAMES, PATCHES, 0
    raw_tokens, tokens_per_frame = frozenset[str](), PATCHES // FRAMES

    def __init__(self) -> None:
        self._head = make_head(ModelConfig(), DIM).eval()
        self._scale = torch.tensor(100.0)

    def encode_text(self, texts: list[str]) -> TextFeatures:
        generator = torch.Generator().manual_seed(zlib.crc32(texts[0].encode()))
        words = torch.randn(len(texts), WORDS, DIM, generator=generator)
        return TextFeatures(words[:, 0], words, torch.ones(len(texts), WORDS, dtype=torch.bool))

    def encode_video(self, clips: list[Frames]) -> VideoFeatures:
        raise NotImplementedError("the benchmark writes features, it encodes no video")

    def stored(self, video: VideoFeatures) -> StoredFeatures:
        return self._head.stored(video)

    @torch.no_grad()
    def score(self, text: TextFeatures, video: VideoFeatures, budget_mib: int = 256) -> Scores:
        return self._head.score(text, video, self._scale, budget_mib)

    @torch.no_grad()
    def coarse_query(self, text: TextFeatures) -> torch.Tensor:
        return self._scale * self._head.coarse_query(text)


def random_clips(count: int, seed: int) -> VideoFeatures:
    """Features of one file."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    every = (
        torch.ones(count, FRAMES, dtype=torch.bool),
        torch.ones(count, PATCHES, dtype=torch.bool),
    )
    video = normalize(noise(count, DIM), dim=-1)
    patches = noise(count, PATCHES, DIM)
    return VideoFeatures(video, patches[:, :: PATCHES // FRAMES], patches, *every)


def build(
    folder: Place, clips: int, tokens: str = "fp16", repeated: bool = False
) -> tuple[ClipStore, float]:
    """A store of `clips` clips, and the seconds that writing took (making the features not
    counted). repeated: with the tokens of the first file in all of them.
    """
    model = SyntheticModel()
    store = kind_of_store(folder).create(folder, Manifest(described(model, tokens)))
    seconds, rows = 0.0, []
    files_per_commit = MOST_FILES_PER_COMMIT if repeated else FILES_PER_COMMIT
    pattern: pa.Table | None = None
    for number in range(clips // CLIPS_PER_FILE):
        record = FileRecord(
            f"{number:016x}", f"{number:032x}", f"/videos/{number}.mp4", FileState(1, 1)
        )
        if pattern is not None:
            began = time.perf_counter()
            rows.append(_with_vectors(copy_rows(pattern, record, None), number, store.schema))
        else:
            pictures = np.random.default_rng(number)
            records = [
                ClipRecord(
                    Window(10 * i, 10 * i + 10), 10 * i + np.arange(12.0), pictures.bytes(THUMBNAIL)
                )
                for i in range(CLIPS_PER_FILE)
            ]
            made = random_clips(CLIPS_PER_FILE, number)
            features = in_stored_form(made, model, store.manifest.model)
            began = time.perf_counter()
            rows.append(to_rows(record, records, features, None, store.schema))
            pattern = rows[0] if repeated else None
        if len(rows) == files_per_commit or number == clips // CLIPS_PER_FILE - 1:
            store.commit(rows)
            rows = []
        seconds += time.perf_counter() - began
    began = time.perf_counter()
    store.refresh_ann(AddSettings().ann_threshold)
    refresh_vectors(store)
    return store, seconds + time.perf_counter() - began


def _with_vectors(rows: pa.Table, seed: int, schema: pa.Schema) -> pa.Table:
    """The rows with other video vectors."""
    generator = torch.Generator().manual_seed(seed)
    vectors = normalize(torch.randn(len(rows), DIM, generator=generator), dim=-1)
    column = schema.field("vector")
    values = pa.array(vectors.half().numpy().reshape(-1), column.type.value_type)
    lists = pa.FixedSizeListArray.from_arrays(values, DIM)
    rows = rows.set_column(rows.schema.get_field_index("vector"), column, lists)
    return with_checksums(rows, schema)


def measure(store: ClipStore, queries: int) -> dict[str, list[float]]:
    """Milliseconds of every step for every query; the first two queries warm up."""
    model, query = SyntheticModel(), Query("query", per_video=None)
    searcher = Searcher.of(store.snapshot(), None)
    searcher.snapshot.keep_rows()
    ways = {
        "moments": replace(query, per_video=1, moments=True),
        "not": replace(query, none_of=("something else",)),
        "then": replace(query, then=("something else",)),
    }
    steps: dict[str, list[float]] = {
        step: [] for step in ("coarse", "read", "score", "search", *ways)
    }
    for number in range(queries + 2):
        text = model.encode_text([f"query {number}"])
        clock = Stopwatch()
        found = searcher.coarse.candidates(model.coarse_query(text)[0], query.candidates or 0)
        coarse = clock.lap()
        clips = searcher.snapshot.take(found, half=True)
        read = clock.lap()
        model.score(text, clips.features)
        score = clock.lap()
        searcher.search(model, replace(query, text=f"again {number}"))
        laps = {"coarse": coarse, "read": read, "score": score, "search": clock.lap()}
        for step, way in ways.items():
            find_hits(searcher, model, replace(way, text=f"again {number}"))
            laps[step] = clock.lap()
        if number >= 2:
            for step, lap in laps.items():
                steps[step].append(lap)
    return steps


class Stopwatch:
    """Milliseconds since the last lap."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        elapsed, self._last = 1e3 * (now - self._last), now
        return elapsed


def report(store: ClipStore, clips: int, seconds: float, queries: int) -> dict[str, object]:
    """One line of the result."""
    size = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    began = time.perf_counter()
    Searcher.of(store.snapshot(), None)
    opened = 1e3 * (time.perf_counter() - began)
    line: dict[str, object] = {
        "clips": clips,
        "written_clips_per_s": round(clips / seconds),
        "bytes_per_clip": round(size / clips),
        "first_open_ms": round(opened, 1),
    }
    for step, laps in measure(store, queries).items():
        p95 = statistics.quantiles(laps, n=20)[-1]
        line[step] = {"p50_ms": round(statistics.median(laps), 2), "p95_ms": round(p95, 2)}
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--tokens", choices=CODECS, default="fp16")
    parser.add_argument("--repeated", action="store_true", help="the same tokens in every file")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the temporary libraries go"
    )
    arguments = parser.parse_args()
    first = None
    for clips in arguments.clips:
        folder = Path(tempfile.mkdtemp(prefix="query-latency-", dir=arguments.folder))
        try:
            store, seconds = build(folder, clips, arguments.tokens, arguments.repeated)
            line = report(store, clips, seconds, arguments.queries)
        finally:
            shutil.rmtree(folder)
        total = line["search"]["p50_ms"]  # type: ignore[index]
        first = first or total
        print(json.dumps({**line, "times_the_first": round(total / first, 2)}), flush=True)


if __name__ == "__main__":
    main()
