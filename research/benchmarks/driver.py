"""Measure what a clip costs the driver of `finereel index --workers`, which alone writes.

    python -m research.benchmarks.driver --clips 1260 --tokens fp16 int8

Features are synthetic (12 frames, 48 patches, 512 numbers), three clips a video, committed to SeaweedFS
on this machine (moto where it is not installed). Per format of tokens, in milliseconds a clip: the
processor time of receiving what a worker sends (unpickling), of bringing it into the stored form and
into rows, and of commits (with Lance's own threads); the clock time of commits; and how many clips a
second one driver can write. `workers` is how many workers keep it busy where each encodes
`--worker-clips` clips a second.
"""

import argparse
import json
import os
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from research.attacks.stores import SERVERS, installed, proxied
from research.benchmarks.query_latency import SyntheticModel, random_clips

from finereel.codecs import CODECS
from finereel.index.events import AddSettings
from finereel.index.manifest import Manifest
from finereel.index.opening import described, kind_of_store
from finereel.index.schema import ClipRecord, FileRecord, in_stored_form, to_rows
from finereel.io.storage.places import Place, StorePath
from finereel.types import Window
from finereel.video.files import FileState
from support.object_store import BUCKET, known

CLIPS_PER_VIDEO = 3
THUMBNAIL, STRIP = 2700, 7000
"""Bytes of the pictures of a clip, which are random here."""


class Spent:
    """How many seconds each step took: by the processor, on all threads together, and by the clock."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.clock: dict[str, float] = {}
        self._began = (time.process_time(), time.perf_counter())

    def lap(self, name: str) -> None:
        """Count what was spent since the last lap, under a name."""
        now = (time.process_time(), time.perf_counter())
        for counted, before, after in zip((self.cpu, self.clock), self._began, now, strict=True):
            counted[name] = counted.get(name, 0.0) + after - before
        self._began = (time.process_time(), time.perf_counter())


def sent(video: int) -> bytes:
    """What a worker sends of a video."""
    records = [
        ClipRecord(
            Window(10.0 * i, 10.0 * i + 10),
            10 * i + np.arange(12.0),
            os.urandom(THUMBNAIL),
            os.urandom(STRIP),
        )
        for i in range(CLIPS_PER_VIDEO)
    ]
    return pickle.dumps((records, random_clips(CLIPS_PER_VIDEO, video).to(torch.float16)))


def driven(place: Place, clips: int, tokens: str, commit_clips: int) -> dict[str, float]:
    """What `clips` clips cost a driver, in milliseconds a clip."""
    model = SyntheticModel()
    store = kind_of_store(place).create(place, Manifest(described(model, tokens)))
    store.prepare()
    spent, waiting, size = Spent(), [], 0
    videos = clips // CLIPS_PER_VIDEO
    at_once = commit_clips // CLIPS_PER_VIDEO
    for number in range(videos):
        content = sent(number)
        size += len(content)
        spent.lap("making")
        records, features = pickle.loads(content)
        spent.lap("receive")
        features = in_stored_form(features, model, store.manifest.model)
        spent.lap("form")
        name = f"{number:016x}"
        record = FileRecord(name, f"{number:032x}", f"/videos/{name}.mp4", FileState(1, 1))
        waiting.append(to_rows(record, records, features, None, store.schema))
        spent.lap("rows")
        if len(waiting) == at_once or number + 1 == videos:
            store.commit(waiting)
            waiting = []
            spent.lap("commit")
    store.tidy()
    per_clip = 1000 / (videos * CLIPS_PER_VIDEO)
    found = {f"{name}_ms": spent.cpu[name] * per_clip for name in ("receive", "form", "rows")}
    found |= {"commit_ms": spent.cpu["commit"] * per_clip}
    found |= {"commit_clock_ms": spent.clock["commit"] * per_clip, "sent_bytes": size / videos}
    found["sent_bytes"] /= CLIPS_PER_VIDEO
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=1260)
    parser.add_argument("--tokens", nargs="+", choices=CODECS, default=["fp16"])
    parser.add_argument("--worker-clips", type=float, default=1.0, help="a worker's clips a second")
    parser.add_argument("--commit-clips", type=int, default=AddSettings().commit_clips)
    parser.add_argument(
        "--delay", type=float, help="count requests by a proxy, which waits so many seconds"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    name = next(name for name in SERVERS if installed(name))
    with (
        tempfile.TemporaryDirectory() as folder,
        SERVERS[name](Path(folder)) as url,
        proxied(url, given.delay or 0.0) as (address, proxy),
        known(url if given.delay is None else address),
    ):
        for tokens in given.tokens:
            found = driven(
                StorePath(f"s3://{BUCKET}/{tokens}/index"), given.clips, tokens, given.commit_clips
            )
            found["requests"] = len(proxy.requests) / given.clips
            proxy.requests.clear()
            busy = sum(found[f"{step}_ms"] for step in ("receive", "form", "rows", "commit"))
            line = {"server": name, "tokens": tokens, "clips": given.clips}
            line |= {"commit_clips": given.commit_clips, "delay_s": given.delay}
            line |= {step: round(value, 3) for step, value in found.items()}
            line |= {"driver_ms": round(busy, 2), "clips_per_s": round(1000 / busy)}
            line |= {"workers": round(1000 / busy / given.worker_clips)}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
