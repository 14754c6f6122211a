"""Run one of the papers' experiments on a test bed and write its table.

python runs/experiment.py granularity --bed reelworld-tokens --out docs/results
python runs/experiment.py peers --bed msrvtt-features --features DIR --annotations DIR --out docs/results
python runs/experiment.py peers --bed reelworld-tokens --debug      # seconds, meaningless numbers
"""

import argparse
from pathlib import Path

from finereel.cli.progress import bar
from finereel.experiments import EXPERIMENTS, Request, run_experiment
from finereel.experiments.beds import BEDS, BedOptions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--bed", choices=BEDS, default="reelworld-tokens")
    parser.add_argument("--features", type=Path, help="folder with tokens and split.json")
    parser.add_argument("--annotations", type=Path, help="folder with annotation files")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/out/experiments"), help="models and records of every run"
    )
    parser.add_argument("--out", type=Path, help="folder for the page; printed where not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--debug", action="store_true")
    given = parser.parse_args()
    request = Request(
        given.experiment,
        given.bed,
        BedOptions(given.work, given.features, given.annotations, given.debug),
        tuple(given.seeds),
        given.processes,
        _command(given),
    )
    with bar() as progress:
        task = progress.add_task(given.experiment, total=None, note="")
        text = run_experiment(request, lambda done, total: progress.update(task, completed=done, total=total))
    if given.out is None:
        print(text)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{given.experiment}-{given.bed}.md"
    path.write_text(text, encoding="utf-8")
    print(path)


def _command(given: argparse.Namespace) -> str:
    """What a reader types; folders stand by the names of their options."""
    folders = [f"--{name} {name.upper()}" for name in ("features", "annotations") if getattr(given, name)]
    seeds = " ".join(map(str, given.seeds))
    parts = [given.experiment, f"--bed {given.bed}", *folders, f"--seeds {seeds}", "--out docs/results"]
    return " ".join(["python runs/experiment.py", *parts])


if __name__ == "__main__":
    main()
