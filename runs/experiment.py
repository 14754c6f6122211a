"""Run one of the papers' experiments on a test bed and write its table.

python runs/experiment.py granularity --bed reelworld-tokens --out docs/results
python runs/experiment.py peers --bed msrvtt-features --features DIR --annotations DIR --out docs/results
python runs/experiment.py peers --bed reelworld-tokens --debug      # seconds, meaningless numbers
"""

from finereel.cli.experiment import bed_options, bed_parser, carry_out, typed_command
from finereel.experiments import EXPERIMENTS, Request, run_experiment


def main() -> None:
    given = bed_parser(__doc__, "experiment", tuple(EXPERIMENTS)).parse_args()
    request = Request(
        given.experiment,
        given.bed,
        bed_options(given),
        tuple(given.seeds),
        given.processes,
        typed_command("runs/experiment.py", given.experiment, given),
    )
    carry_out(
        given.experiment,
        given.out,
        f"{given.experiment}-{given.bed}",
        lambda on_done: run_experiment(request, on_done),
    )


if __name__ == "__main__":
    main()
