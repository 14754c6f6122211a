"""Open the workers that `--workers` names."""

import os
from dataclasses import replace

from finereel.index.events import AddSettings
from finereel.index.pool import EncodePool, ProcessPool, WorkerTask
from finereel.index.protocols import SearchModel, VideoSource
from finereel.index.ray_pool import RayPool


def open_pool(
    workers: str, model: SearchModel, source: VideoSource, settings: AddSettings
) -> EncodePool:
    """The pool that `--workers` names: a number of processes, `ray`, or `ray://HOST:PORT`."""
    settings = replace(settings, workers="", transcriber=None)
    if workers.startswith("ray"):
        return RayPool(workers, WorkerTask(model, type(source), settings, 1))
    count = int(workers)
    threads = max(1, (os.cpu_count() or 1) // count)
    return ProcessPool(count, WorkerTask(model, type(source), settings, threads))
