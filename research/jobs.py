"""An experiment's runs as jobs that processes share: train, evaluate once, keep the record."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context
from typing import TypeVar

import torch

from finereel.evaluation.evaluate import BenchmarkSettings, evaluate
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record, save_record
from finereel.models.retrieval import RetrievalModel
from research.benchmark_sets import Benchmark, BenchmarkOptions, open_benchmark
from research.normalizations import BANK, LEARNED, with_learned_weights
from research.training import folder_of, shared_towers, source_for, train_variant
from research.variants import Variant

Made = TypeVar("Made")


@dataclass(frozen=True)
class Job:
    """One variant of one seed on one benchmark, evaluated with one normalisation (or with learned
    weights).
    """

    benchmark: str
    options: BenchmarkOptions
    variant: Variant
    seed: int
    normalization: str = "none"

    def opened(self) -> Benchmark:
        """The benchmark; a process opens it once."""
        return opened_benchmark(self.benchmark, self.options)

    def model(self) -> RetrievalModel:
        """The trained model, from its files where it was trained before."""
        return train_variant(self.opened(), self.variant, self.seed, self.options.work)


@lru_cache(maxsize=1)
def opened_benchmark(name: str, options: BenchmarkOptions) -> Benchmark:
    """The benchmark called `name`; a process opens it once, for real tokens are large."""
    return open_benchmark(name, options)


def record_of(job: Job) -> RunRecord:
    """The record of a job: read where it exists, else the model is trained and evaluated on the
    test split.
    """
    torch.set_num_threads(1)
    made = job.opened()
    folder = folder_of(
        job.options.work, made, job.variant.name, job.seed
    ) / f"test-{job.normalization}".replace(" ", "-")
    if folder.exists():
        return load_record(folder)
    model, normalization = job.model(), job.normalization
    if normalization == LEARNED:
        model, normalization = with_learned_weights(model, made), "none"
    settings = BenchmarkSettings(
        normalization=normalization,
        banks=BANK,
        name=job.variant.name,
        training_seed=job.seed,
        reload_verified=True,  # `train_variant` reads the best model back from its files
    )
    record = evaluate(model, made.dataset, source_for(made, model), settings)
    save_record(record, folder)
    return record


def towers_of(job: Job) -> None:
    """Train the towers of a job's seed, unless they are there."""
    torch.set_num_threads(1)
    shared_towers(job.opened(), job.seed, job.options.work)


def in_processes(
    work: Callable[[Job], Made], jobs: Sequence[Job], processes: int
) -> Iterator[tuple[Job, Made]]:
    """`work` of every job as it is finished, each process on one thread; with one process, here and
    in order.

    What ends one of them, or the caller, ends all: the others are asked to stop and save.
    """
    if processes == 1:
        yield from ((job, work(job)) for job in jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(work, job): job for job in jobs}
        try:
            for done in as_completed(pending):
                yield pending[done], done.result()
        except BaseException:
            for child in active_children():
                child.terminate()
            pool.shutdown(cancel_futures=True)
            raise
