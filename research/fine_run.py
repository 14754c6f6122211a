"""Carry out the fine-grained experiment: train every row of a head's table with every seed, test,
write the page.

Three questions. Does training with negatives help on negatives it has not seen? Is it seen or
memorised: how far does the same model get with the same texts against another clip? What does it
cost in retrieval?
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from finereel.evaluation.evaluate import BenchmarkSettings, evaluate
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record, save_record
from finereel.finegrain.evaluate.groups import Group
from finereel.finegrain.evaluate.measure import FineSettings, measure, twin_pairs
from finereel.finegrain.evaluate.record_files import load_fine_record, save_fine_record
from finereel.finegrain.evaluate.results import FineRecord
from finereel.finegrain.evaluate.towers import TowerScorer
from research.benchmark_sets import Benchmark, BenchmarkOptions
from research.clips import OneClip
from research.fine_page import fine_page
from research.fine_sets import prepare_sets, test_sets, with_negatives
from research.fine_variants import ROWS, FineVariant, fine_variants
from research.jobs import Job, in_processes, opened_benchmark, towers_of
from research.training import folder_of, shared_towers, source_for, train_variant

OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class FineRequest:
    """Which head and rows, where, with which seeds, in how many processes, and the command to print
    on the page.
    weights: weights of the fine-grained loss; each adds a row, see `fine_variants`.
    """

    head: str
    benchmark: str
    options: BenchmarkOptions
    rows: tuple[str, ...] = tuple(ROWS)
    seeds: tuple[int, ...] = (1, 2, 3)
    processes: int = 2
    command: str = ""
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class FineResult:
    """What one model of one seed reached: fine-grained by test set, and retrieval."""

    fine: Mapping[str, FineRecord]
    coarse: RunRecord


def run_fine(request: FineRequest, on_done: OnDone = lambda done, total: None) -> str:
    """The page of a head as Markdown; what is finished is not done again."""
    rows = fine_results(request, on_done)
    fine = {row: [result.fine for result in found] for row, found in rows.items()}
    coarse = {row: [result.coarse for result in found] for row, found in rows.items()}
    return fine_page(
        f"Fine-grained training of {request.head}: {request.benchmark}",
        request.command,
        fine,
        coarse,
        opened_benchmark(request.benchmark, request.options).start,
    )


def fine_results(
    request: FineRequest, on_done: OnDone = lambda done, total: None
) -> dict[str, list[FineResult]]:
    """Every row's results, a seed each; what is finished is read."""
    made = opened_benchmark(request.benchmark, request.options)
    prepare_sets(made, request.options)
    variants = fine_variants(made, request.head, request.rows, request.weights)
    jobs = {
        row: [Job(request.benchmark, request.options, variant, seed) for seed in request.seeds]
        for row, variant in variants.items()
    }
    every = [job for found in jobs.values() for job in found]
    for _ in in_processes(towers_of, every[: len(request.seeds)], request.processes):
        pass
    results: dict[Job, FineResult] = {}
    for job, result in in_processes(result_of, every, request.processes):
        results[job] = result
        on_done(len(results), len(every))
    return {row: [results[job] for job in found] for row, found in jobs.items()}


def result_of(job: Job) -> FineResult:
    """A job's result: read where it exists, else the model is trained and tested, once."""
    torch.set_num_threads(1)
    assert isinstance(job.variant, FineVariant)
    made = job.opened()
    folder = folder_of(job.options.work, made, job.variant.name, job.seed)
    sets = _sets(job.benchmark, job.options)
    places = {name: folder / f"fine-{name.replace(' ', '-')}" for name in sets}
    if not all(place.exists() for place in (folder / "test-coarse", *places.values())):
        towers_of(job)
        _measure(job, with_one_clip(made) if job.variant.blind else made, sets)
    return FineResult(
        {name: load_fine_record(place) for name, place in places.items()},
        load_record(folder / "test-coarse"),
    )


def with_one_clip(made: Benchmark) -> Benchmark:
    """The benchmark with one average training clip in place of every clip."""
    source = OneClip(made.data.source, made.dataset.split("train").videos)
    return replace(made, data=replace(made.data, source=source))


@lru_cache(maxsize=1)
def _sets(name: str, options: BenchmarkOptions) -> dict[str, tuple[Group, ...]]:
    return test_sets(opened_benchmark(name, options), options)


@lru_cache(maxsize=2)
def _with_negatives(name: str, options: BenchmarkOptions, levels: tuple[str, ...]) -> Benchmark:
    return with_negatives(opened_benchmark(name, options), options, levels)


def _measure(job: Job, made: Benchmark, sets: Mapping[str, tuple[Group, ...]]) -> None:
    assert isinstance(job.variant, FineVariant)
    work = job.options.work
    towers = shared_towers(job.opened(), job.seed, work)
    fine = _with_negatives(job.benchmark, job.options, job.variant.levels)
    optim = fine.recipe.training.optim
    optim = replace(optim, freeze=(*optim.freeze, *job.variant.freeze))
    training = replace(fine.recipe.training, fine=job.variant.loss, optim=optim)
    data = replace(made.data, negatives=fine.data.negatives)
    trained = replace(fine, data=data, recipe=replace(fine.recipe, training=training))
    model = train_variant(trained, job.variant, job.seed, work, towers)
    source, folder = source_for(made, model), folder_of(work, made, job.variant.name, job.seed)
    scorer = TowerScorer(model, source)  # one for all sets, so that every clip is encoded once
    for name, groups in sets.items():
        twins = (
            twin_pairs(made.dataset.split("test"))
            if made.dataset.name.startswith("reelworld")
            else ()
        )
        settings = FineSettings(job.variant.name, name, twins=twins, reload_verified=True)
        save_fine_record(
            measure(scorer, groups, settings),
            folder / f"fine-{name.replace(' ', '-')}",
        )
    coarse = BenchmarkSettings(name=job.variant.name, training_seed=job.seed, reload_verified=True)
    save_record(evaluate(model, made.dataset, source, coarse), folder / "test-coarse")
