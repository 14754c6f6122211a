"""Carry out the fine-grained experiment: train every row of a head's table with every seed, test, write the page.

Three questions. Does training with negatives help on negatives it has not seen? Is it seen or memorised: how far does
the same model get with the same texts against another clip? What does it cost in retrieval?
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from finereel.evaluation.benchmark import BenchmarkSettings, benchmark
from finereel.evaluation.finegrain.groups import Group
from finereel.evaluation.finegrain.measure import FineSettings, measure
from finereel.evaluation.finegrain.record import FineRecord
from finereel.evaluation.finegrain.record_files import load_fine_record, save_fine_record
from finereel.evaluation.finegrain.towers import TowerScorer
from finereel.evaluation.finegrain.twins import twin_pairs
from finereel.evaluation.record import RunRecord
from finereel.evaluation.record_files import load_record, save_record
from finereel.experiments.beds import Bed, BedOptions, bed
from finereel.experiments.clips import OneClip
from finereel.experiments.fine_page import fine_page
from finereel.experiments.fine_sets import prepare_sets, test_sets, with_negatives
from finereel.experiments.fine_variants import ROWS, FineVariant, fine_variants
from finereel.experiments.jobs import Job, in_processes, towers_of
from finereel.experiments.training import folder_of, source_for, train_variant
from finereel.training.fine import FineLoss

OnDone = Callable[[int, int], None]


@dataclass(frozen=True)
class FineRequest:
    """Which head and rows, where, with which seeds, in how many processes, and the command to print on the page.
    weights: of the fine-grained loss, each a row more, see `fine_variants`."""

    head: str
    bed: str
    options: BedOptions
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
    return fine_page(f"Fine-grained training of {request.head}: {request.bed}", request.command, fine, coarse)


def fine_results(request: FineRequest, on_done: OnDone = lambda done, total: None) -> dict[str, list[FineResult]]:
    """Every row's results, a seed each; what is finished is read."""
    made = bed(request.bed, request.options)
    prepare_sets(made, request.options)
    variants = fine_variants(made, request.head, request.rows, request.weights)
    jobs = {
        row: [Job(request.bed, request.options, variant, seed) for seed in request.seeds]
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
    sets = _sets(job.bed, job.options)
    places = {name: folder / f"fine-{name.replace(' ', '-')}" for name in sets}
    if not all(place.exists() for place in (folder / "test-coarse", *places.values())):
        towers_of(job)
        _measure(job, without_eyes(made) if job.variant.blind else made, sets)
    return FineResult(
        {name: load_fine_record(place) for name, place in places.items()}, load_record(folder / "test-coarse")
    )


def without_eyes(made: Bed) -> Bed:
    """The bed with one average training clip in place of every clip."""
    return replace(made, source=OneClip(made.source, made.data.split("train").videos))


@lru_cache(maxsize=1)
def _sets(name: str, options: BedOptions) -> dict[str, tuple[Group, ...]]:
    return test_sets(bed(name, options), options)


@lru_cache(maxsize=2)
def _material(name: str, options: BedOptions, levels: tuple[str, ...]) -> Bed:
    return with_negatives(bed(name, options), options, levels)


def _measure(job: Job, made: Bed, sets: Mapping[str, tuple[Group, ...]]) -> None:
    assert isinstance(job.variant, FineVariant)
    work = job.options.work
    fine = _material(job.bed, job.options, job.variant.levels).fine
    assert fine is not None
    fine = replace(fine, loss=FineLoss(weight=job.variant.weight))
    model = train_variant(replace(made, fine=fine), job.variant, job.seed, work)
    source, folder = source_for(made, model), folder_of(work, made, job.variant.name, job.seed)
    for name, groups in sets.items():
        twins = twin_pairs(made.data.split("test")) if made.data.name.startswith("reelworld") else ()
        settings = FineSettings(job.variant.name, name, twins=twins, reload_verified=True)
        save_fine_record(
            measure(TowerScorer(model, source), groups, settings), folder / f"fine-{name.replace(' ', '-')}"
        )
    coarse = BenchmarkSettings(name=job.variant.name, training_seed=job.seed, reload_verified=True)
    save_record(benchmark(model, made.data, source, coarse), folder / "test-coarse")
