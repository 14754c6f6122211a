r"""Run one of the papers' experiments on a benchmark and write its tables.

    python -m research.scripts.experiment granularity --benchmark reelworld-tokens \
        --out docs/results
    python -m research.scripts.experiment peers --benchmark msrvtt-features --features DIR \
        --annotations DIR --out docs/results
    python -m research.scripts.experiment peers --benchmark reelworld-tokens --debug

`--debug` takes seconds; its numbers are meaningless.
"""

from research import EXPERIMENTS, ExperimentRequest, run_experiment
from research.options import benchmark_options, benchmark_parser, carry_out, typed_command


def main() -> None:
    parser = benchmark_parser(__doc__, "experiment", tuple(EXPERIMENTS))
    parser.add_argument("--rows", nargs="+", default=[], help="these and the reference alone")
    given = parser.parse_args()
    own = ("--rows", *given.rows) if given.rows else ()
    request = ExperimentRequest(
        given.experiment,
        given.benchmark,
        benchmark_options(given),
        tuple(given.seeds),
        given.processes,
        typed_command("research.scripts.experiment", given.experiment, given, own),
        tuple(given.rows),
    )
    carry_out(
        given.experiment,
        given.out,
        f"{given.experiment}-{given.benchmark}",
        lambda on_done: run_experiment(request, on_done),
    )


if __name__ == "__main__":
    main()
