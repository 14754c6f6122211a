"""Twenty readers search through `finereel serve` while another process commits: every answer must be
that of one committed state, and comes in time.

The library holds clips of random features of the size of the bundled model `everyday`, and a few
files whose clips are what the query `MARKED` looks for. Every commit puts new files in the place of
these, so an answer must hold exactly those of the commit that it names.

python -m research.attacks.serving_load LIBRARY COUNT SECONDS commits COUNT times (for the attack).
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from torch.nn.functional import normalize

from finereel.client import Client
from finereel.errors import FinereelError
from finereel.index.manifest import Manifest
from finereel.index.opening import begin_library, described, open_store
from finereel.index.schema import ClipRecord, FileRecord, in_stored_form, to_rows
from finereel.index.store import ClipStore, writer_lock
from finereel.models.features import VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import Window
from finereel.video.files import FileState
from research.attacks.base import Result
from research.attacks.served import served

MODEL = "everyday"
MARKED = "a man rides a bicycle"
OTHERS = ("a dog runs", "two people cook", "waves at the beach", "a child plays the piano")
CLIPS_PER_FILE, FILES_PER_COMMIT = 50, 20
MARKED_FILES = 5
READERS = 20
NEVER = "an answer that is not that of the commit it names, or an error"


@dataclass
class _Seen:
    """milliseconds: of every answer at its client. answers: (commit, generations of the marked
    clips) of every answer that looked for them.
    """

    milliseconds: list[float] = field(default_factory=list)
    answers: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LoadReport:
    """What was measured, beside whether answers were right. quiet: milliseconds of answers while
    nobody committed, busy: meanwhile; both (median, 95th percentile). others: share of all cores that
    processes other than those of this check used.
    """

    clips: int
    commits: int
    every: float
    quiet: tuple[float, float]
    busy: tuple[float, float]
    others: float
    results: tuple[Result, ...]


def noise(sizes: Any, count: int, seed: int) -> VideoFeatures:
    """Features of one file that fit no text well."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    return VideoFeatures(
        normalize(drawn(count, sizes.dim), dim=-1),
        drawn(count, sizes.frames, sizes.dim),
        drawn(count, sizes.patches, sizes.dim),
        torch.ones(count, sizes.frames, dtype=torch.bool),
        torch.ones(count, sizes.patches, dtype=torch.bool),
        drawn(count, sizes.contextual, sizes.dim),
    )


def marked(sizes: Any, sentence: torch.Tensor, seed: int) -> VideoFeatures:
    """Features of a clip that fits a sentence better than any noise."""
    plain = noise(sizes, 1, seed)
    vector = normalize(sentence.float(), dim=-1)
    return VideoFeatures(
        vector[None],
        vector.expand(1, sizes.frames, -1).clone(),
        plain.patches,
        plain.frame_mask,
        plain.patch_mask,
        plain.contextual,
    )


def rows_of(store: ClipStore, name: int, path: str, features: VideoFeatures) -> Any:
    """The rows of one file of so many clips."""
    record = FileRecord(f"{name:016x}", f"{name:032x}", path, FileState(1, 1))
    frames = features.frames.shape[1]
    clips = [
        ClipRecord(
            Window(10.0 * i, 10.0 * i + 10), 10.0 * i + np.arange(float(frames)), b"", b"", ""
        )
        for i in range(len(features.video))
    ]
    stored = in_stored_form(features, _model(), store.manifest.model)
    return to_rows(record, clips, stored, None, store.schema)


@cache
def _model() -> RetrievalModel:
    return load(MODEL)


def build(library: Path, clips: int) -> None:
    """A library of so many clips, and the marked files of generation 0."""
    model = _model()
    library.mkdir(parents=True)
    with writer_lock(library):
        store = begin_library(library, Manifest(described(model)))
        sizes, rows = store.manifest.model, []
        for number in range(clips // CLIPS_PER_FILE):
            features = noise(sizes, CLIPS_PER_FILE, number)
            rows.append(rows_of(store, number, f"/videos/{number}.mp4", features))
            if len(rows) == FILES_PER_COMMIT:
                store.commit(rows)
                rows = []
        store.commit([*rows, *_generation(store, model.encode_text([MARKED]).sentence[0], 0)])


def _generation(store: ClipStore, sentence: torch.Tensor, number: int) -> list[Any]:
    sizes = store.manifest.model
    return [
        rows_of(
            store,
            _name(number, file),
            f"/marked/{number}-{file}.mp4",
            marked(sizes, sentence, file),
        )
        for file in range(MARKED_FILES)
    ]


def _name(generation: int, file: int) -> int:
    return (1 << 60) + generation * MARKED_FILES + file


def commit_generations(library: Path, count: int, every: float) -> None:
    """Replace the marked files `count` times, about every so many seconds, and print each commit."""
    store = open_store(library)
    assert store is not None
    sentence = _model().encode_text([MARKED]).sentence[0]
    with writer_lock(library):
        store.prepare()
        print(json.dumps({"commit": store.version(), "generation": 0}), flush=True)
        for generation in range(1, count + 1):
            began = time.monotonic()
            gone = [f"{_name(generation - 1, file):016x}" for file in range(MARKED_FILES)]
            store.commit(_generation(store, sentence, generation), gone)
            told = {"commit": store.version(), "generation": generation}
            print(json.dumps(told), flush=True)
            time.sleep(max(0.0, every - (time.monotonic() - began)))


def serving_load(scratch: Path, clips: int, commits: int, pause: float, every: float) -> LoadReport:
    """READERS clients, each of which searches and then looks for `pause` seconds on average, for a
    while, and then during so many commits, one every `every` seconds.
    """
    library = scratch / "library"
    build(library, clips)
    before = _processor_seconds()
    with served(library) as server:
        _wait(server.url)
        quiet = _Seen()
        _read(server.url, quiet, pause, lambda began: time.monotonic() - began > 30)
        command = [sys.executable, "-m", __spec__.name, str(library), str(commits), str(every)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        log: dict[int, int] = {}

        def follow() -> None:
            for line in writer.stdout or ():
                told = json.loads(line)
                log[told["commit"]] = told["generation"]

        following = threading.Thread(target=follow)
        following.start()
        busy = _Seen()
        _read(server.url, busy, pause, lambda began: writer.poll() is not None)
        following.join()
        writer.wait()
        writer.stdout.close()
        ended = server.process.poll()
    ours, every_core, whole = (
        now - then for now, then in zip(_processor_seconds(), before, strict=True)
    )
    wrong = [
        f"commit {commit} is generation {log.get(commit)}, the answer has {', '.join(found)}"
        for commit, found in busy.answers
        if found != (str(log.get(commit)),) * MARKED_FILES
    ]
    bad = wrong + busy.errors + ([] if writer.returncode == 0 else ["the writer failed"])
    bad += [] if ended is None else [f"the server ended with status {ended}"]
    result = Result(
        f"searches by {READERS} readers during {len(log) - 1} commits",
        len(busy.milliseconds),
        len(bad),
        NEVER,
        tuple(bad[:5]),
    )
    return LoadReport(
        clips,
        len(log) - 1,
        every,
        _spread(quiet),
        _spread(busy),
        max(0.0, (every_core - ours) / whole),
        (result,),
    )


def _processor_seconds() -> tuple[float, float, float]:
    """Processor time of this process and its children that ended, of all processes, and of all
    cores, idle or not.
    """
    own = os.times()
    with Path("/proc/stat").open() as file:
        ticks = [int(part) / os.sysconf("SC_CLK_TCK") for part in file.readline().split()[1:9]]
    whole, idle = sum(ticks), ticks[3] + ticks[4]
    return sum(own[:4]), whole - idle, whole


def _wait(url: str) -> None:
    """Until the server says that searches are answered at once."""
    with Client(url) as client:
        while True:
            try:
                client.get("/readyz")
            except FinereelError:
                time.sleep(0.2)
            else:
                return


def _spread(seen: _Seen) -> tuple[float, float]:
    found = np.percentile(seen.milliseconds, [50, 95]).round(1).tolist()
    return found[0], found[1]


def _read(url: str, seen: _Seen, pause: float, done: Any) -> None:
    began, lock = time.monotonic(), threading.Lock()

    def reader(number: int) -> None:
        random = np.random.default_rng(number)
        with Client(url) as client:
            time.sleep(pause * number / READERS)
            while not done(began):
                text = MARKED if random.random() < 0.5 else OTHERS[number % len(OTHERS)]
                asked = time.perf_counter()
                try:
                    found = client.search(text, top=10)
                except (FinereelError, httpx.HTTPError) as error:
                    time.sleep(pause)
                    with lock:
                        seen.errors.append(f"{type(error).__name__}: {error}"[:200])
                    continue
                with lock:
                    seen.milliseconds.append(1000 * (time.perf_counter() - asked))
                    if text == MARKED:
                        generations = sorted(
                            Path(hit.video).stem.split("-")[0]
                            for hit in found.hits
                            if hit.video.startswith("/marked/")
                        )
                        seen.answers.append((found.commit, tuple(generations)))
                time.sleep(pause * float(random.uniform(0.5, 1.5)))

    threads = [threading.Thread(target=reader, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    commit_generations(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
