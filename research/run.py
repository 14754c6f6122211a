"""Carry out an experiment: towers first, then every variant and seed, then the page. What is
finished is not redone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from finereel.errors import DataError, unknown_name
from finereel.evaluation.record import QueryRanks, RunRecord
from finereel.reelworld import captions, sample_scene
from research.benchmark_sets import Benchmark, BenchmarkOptions, open_benchmark
from research.jobs import Job, in_processes, record_of, towers_of
from research.normalizations import LEARNED, NAMES, robustness
from research.report import About, page, run_card
from research.variants import EXPERIMENTS as TRAINED
from research.variants import Variant, chosen_rows, reference

OnDone = Callable[[int, int], None]
_OTHER_CAPTIONS = 1500


@dataclass(frozen=True)
class ExperimentRequest:
    """Which experiment, where, with which seeds, in how many processes, and the command to print on
    the page. rows: of a trained experiment those to make, beside the reference; all where none is
    named.
    """

    experiment: str
    benchmark: str
    options: BenchmarkOptions
    seeds: tuple[int, ...] = (1, 2, 3)
    processes: int = 2
    command: str = ""
    rows: tuple[str, ...] = ()

    def jobs(self, variants: Sequence[Variant], normalization: str = "none") -> list[Job]:
        """Every variant of every seed."""
        return [
            Job(self.benchmark, self.options, v, seed, normalization)
            for v in variants
            for seed in self.seeds
        ]


def run_experiment(request: ExperimentRequest, on_done: OnDone = lambda done, total: None) -> str:
    """The experiment's page as Markdown; on_done(runs finished, runs in all)."""
    if request.experiment not in EXPERIMENTS:
        raise unknown_name("experiment", request.experiment, EXPERIMENTS)
    return EXPERIMENTS[request.experiment](
        request, open_benchmark(request.benchmark, request.options), on_done
    )


def _trained(request: ExperimentRequest, made: Benchmark, on_done: OnDone) -> str:
    """An experiment of trained variants: one row each."""
    plan = chosen_rows(TRAINED[request.experiment](made), request.rows)
    records = _records(request, made, request.jobs(plan.variants), on_done)
    about = About(
        f"{plan.title}: {made.dataset.name}", plan.question, request.command, plan.reference
    )
    return _page(
        about, {v.name: [records[job] for job in request.jobs([v])] for v in plan.variants}
    )


def _normalization(request: ExperimentRequest, made: Benchmark, on_done: OnDone) -> str:
    """(c) One row per normalisation of the full model."""
    jobs = {name: request.jobs([reference(made)], name) for name in (*NAMES, LEARNED)}
    records = _records(request, made, [job for found in jobs.values() for job in found], on_done)
    question = (
        "What does each normalisation give, settings chosen on validation? `transductive` "
        "and `dsl` see the other "
    )
    about = About(
        f"Normalisation: {made.dataset.name}", question + "test queries.", request.command, "none"
    )
    return _page(about, {name: [records[job] for job in found] for name, found in jobs.items()})


def _robustness(request: ExperimentRequest, made: Benchmark, on_done: OnDone) -> str:
    """(d) One row per bank."""
    jobs = request.jobs([reference(made)])
    records = _records(request, made, jobs, on_done)
    rows: dict[str, list[dict[str, QueryRanks]]] = {}
    for job in jobs:
        for name, found in robustness(job.model(), made, _other_captions(made)).items():
            rows.setdefault(name, []).append(found)
    question = (
        "Does a Sinkhorn bank survive captions of another domain, and videos that came "
        "after it was fitted?"
    )
    about = About(f"Robustness of the bank: {made.dataset.name}", question, request.command, "none")
    protocols = ("none", "bank of the captions that a row names")
    return page(about, rows, run_card([records[job] for job in jobs], protocols))


EXPERIMENTS: dict[str, Callable[[ExperimentRequest, Benchmark, OnDone], str]] = {
    **dict.fromkeys(TRAINED, _trained),
    "normalization": _normalization,
    "robustness": _robustness,
}


def _records(
    request: ExperimentRequest, made: Benchmark, jobs: Sequence[Job], on_done: OnDone
) -> dict[Job, RunRecord]:
    """The record of every job. Towers come first, and raw scores before normalised ones, so that no
    two processes train the same model.
    """
    for _ in in_processes(towers_of, request.jobs([reference(made)]), request.processes):
        pass
    raw = [job for job in jobs if job.normalization == "none"]
    found: dict[Job, RunRecord] = {}
    for part in (raw, [job for job in jobs if job.normalization != "none"]):
        for job, record in in_processes(record_of, part, request.processes):
            found[job] = record
            on_done(len(found), len(jobs))
    return found


def _page(about: About, records: dict[str, list[RunRecord]]) -> str:
    rows = {name: [record.queries for record in found] for name, found in records.items()}
    return page(about, rows, run_card([record for found in records.values() for record in found]))


def _other_captions(made: Benchmark) -> list[str]:
    """Captions of another domain: of drawn scenes for real videos, of real videos for drawn
    ones.
    """
    if made.other_captions:
        return list(made.other_captions[:_OTHER_CAPTIONS])
    if made.dataset.name.startswith("reelworld"):
        raise DataError(
            "the robustness of drawn videos needs captions of real ones: give --annotations"
        )
    return [captions(sample_scene(number, "train"))[0] for number in range(_OTHER_CAPTIONS)]
