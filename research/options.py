"""What the scripts in runs/ that carry out experiments share: options, the command on the page, and
how they end.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from finereel.cli.guard import guarded
from finereel.cli.progress import bar
from finereel.io.atomic import write_file

if TYPE_CHECKING:
    from research.benchmark_sets import BenchmarkOptions

OnDone = Callable[[int, int], None]
"""Runs finished, runs in all."""


def benchmark_parser(about: str, subject: str, choices: tuple[str, ...]) -> argparse.ArgumentParser:
    """Options of every experiment. about: the script's docstring; subject: what is chosen first,
    among `choices`.
    """
    from research.benchmark_sets import BENCHMARKS

    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(subject, choices=choices)
    parser.add_argument("--benchmark", choices=BENCHMARKS, default="reelworld-tokens")
    parser.add_argument("--features", type=Path, help="folder with tokens and split.json")
    parser.add_argument("--annotations", type=Path, help="folder with annotation files")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/out/experiments"),
        help="models and records of every run",
    )
    parser.add_argument("--out", type=Path, help="folder for the page; printed where not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--debug", action="store_true")
    return parser


def benchmark_options(
    given: argparse.Namespace, negatives: tuple[tuple[str, Path], ...] = ()
) -> "BenchmarkOptions":
    """The part of the options that the benchmark takes."""
    from research.benchmark_sets import BenchmarkOptions

    return BenchmarkOptions(given.work, given.features, given.annotations, given.debug, negatives)


def typed_command(
    module: str, subject: str, given: argparse.Namespace, own: tuple[str, ...] = ()
) -> str:
    """What a reader types; folders stand by the names of their options. own: options of this script
    alone.

    >>> given = argparse.Namespace(benchmark="tokens", features=Path("x"), annotations=None, seeds=[1, 2])
    >>> typed_command("research.scripts.experiment", "peers", given)
    'python -m research.scripts.experiment peers --benchmark tokens --features FEATURES --seeds 1 2 --out docs/results'
    """
    folders = [
        f"--{name} {name.upper()}" for name in ("features", "annotations") if getattr(given, name)
    ]
    seeds = " ".join(map(str, given.seeds))
    return " ".join(
        [
            "python -m",
            module,
            subject,
            f"--benchmark {given.benchmark}",
            *folders,
            *own,
            f"--seeds {seeds}",
            "--out docs/results",
        ]
    )


def carry_out(title: str, out: Path | None, name: str, work: Callable[[OnDone], str]) -> None:
    """Run an experiment under a bar; its page goes to `out`/`name`.md, or to stdout without a
    folder.

    Ends the process where it is stopped (128 + the signal's number) or where a user's mistake ends
    it (1), with one message.
    """
    from finereel.io.signals import Stopped

    signal.signal(signal.SIGTERM, _terminated)
    try:
        with guarded(), bar() as progress:
            task = progress.add_task(title, total=None, note="")
            text = work(lambda done, total: progress.update(task, completed=done, total=total))
            _write(text, out, name)
    except Stopped as stopped:
        typer.echo(str(stopped), err=True)
        sys.exit(128 + stopped.signum)
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _write(text: str, out: Path | None, name: str) -> None:
    if out is None:
        print(text)
        return
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.md"
    write_file(path, text)
    print(path)


def _terminated(signum: int, frame: FrameType | None) -> None:
    typer.echo(f"stopped by {signal.Signals(signum).name}; the same command goes on", err=True)
    sys.exit(128 + signum)
