"""Workers as actors of a Ray cluster: one per core, each with a model and a decoding child.

Every machine must see the videos under the same paths (a shared file system). The model travels
with the actors, and need not be on their machines.
"""

import logging
from importlib import import_module
from typing import Any

from finereel.errors import ConfigError, LibraryError
from finereel.index.plan import EncodeJob
from finereel.index.pool import Returned, WorkerTask, returned
from finereel.io.atomic import first_line

EXTRA = "cluster"


class RayPool:
    """Actors on the cluster at `address`, or on this machine for `ray`. One that dies is
    replaced.
    """

    def __init__(self, address: str, task: WorkerTask) -> None:
        try:
            ray: Any = import_module("ray")
        except ImportError as error:
            raise ConfigError(
                f"`--workers {address}` needs Ray ({error}); run `pip install 'finereel[{EXTRA}]'`"
            ) from error
        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            try:
                ray.init(
                    address=address if "://" in address else None,
                    log_to_driver=False,
                    include_dashboard=False,
                    logging_level=logging.ERROR,
                )
            except Exception as error:
                raise ConfigError(
                    f"no Ray cluster answers at {address} ({first_line(error)}); start one with "
                    "`ray start --head`, and check the address"
                ) from error
        self._task = ray.put(task)
        self._kind: Any = ray.remote(num_cpus=1, max_restarts=0)(_EncodingActor)
        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._idle = [self._kind.remote(self._task) for _ in range(count)]
        self._busy: dict[Any, tuple[Any, EncodeJob]] = {}

    def free(self) -> int:
        """How many actors have no job."""
        return len(self._idle)

    def start(self, job: EncodeJob) -> None:
        """Give a job to an actor."""
        actor = self._idle.pop()
        self._busy[actor.encode.remote(job)] = (actor, job)

    def returned(self, seconds: float) -> list[Returned]:
        """What came back; an actor that died is replaced."""
        ready, _ = self._ray.wait(
            list(self._busy), num_returns=len(self._busy), timeout=seconds, fetch_local=True
        )
        found = []
        for reference in ready:
            actor, job = self._busy.pop(reference)
            try:
                found.append(self._ray.get(reference))
            except self._ray.exceptions.RayError as error:
                found.append(self._ended(job, error))
                actor = self._kind.remote(self._task)
            self._idle.append(actor)
        return found

    def _ended(self, job: EncodeJob, error: Exception) -> Returned:
        """A worker that died, or one that could not begin, which no other worker would do better."""
        died = isinstance(
            error, (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError)
        )
        if died and not getattr(error, "actor_init_failed", False):
            return Returned(job)
        return Returned(
            job,
            error=LibraryError(
                f"a worker could not begin on the cluster ({first_line(error)}); every machine "
                "needs this version of finereel and its packages"
            ),
        )

    def close(self) -> None:
        """End all actors; a cluster that was started here ends too."""
        for actor in [*self._idle, *(actor for actor, _ in self._busy.values())]:
            self._ray.kill(actor)
        if self._ours:
            self._ray.shutdown()


class _EncodingActor:
    """An actor."""

    def __init__(self, task: WorkerTask) -> None:
        import torch

        torch.set_num_threads(task.threads)
        self._task = task
        self._source = task.source()

    def encode(self, job: EncodeJob) -> Returned:
        """Encode a file."""
        return returned(self._task, self._source, job)
