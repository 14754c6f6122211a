"""Run every attack and print the scoreboard.

python -m research.reliability [--short] [--only NAME ...]
"""

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from finereel.io.atomic import write_file
from research.attacks import media, models, pickles
from research.attacks.base import Attack, Result
from research.attacks.bit_flips import bit_flips
from research.attacks.disk_errors import disk_errors
from research.attacks.far_kills import driver_kills, worker_kills
from research.attacks.kill_points import kill_points
from research.attacks.many_writers import many_writers
from research.attacks.power_cuts import power_cuts
from research.attacks.readers import readers

ATTACKS: dict[str, tuple[Attack, int, int]] = {
    "bit_flips": (bit_flips, 700, 40),
    "disk_errors": (disk_errors, 700, 21),
    "driver_kills": (driver_kills, 30, 2),
    "kill_points": (kill_points, 350, 21),
    "many_writers": (many_writers, 1000, 8),
    "media": (media.attack, 2400, 90),
    "models": (models.attack, 400, 30),
    "pickles": (pickles.attack, 150, 12),
    "power_cuts": (power_cuts, 250, 15),
    "readers": (readers, 5000, 300),
    "worker_kills": (worker_kills, 100, 2),
}
"""Name -> (attack, inputs of a full run, inputs of a short run)."""


def main() -> int:
    """Run the attacks; the exit status is 1 when anything happened that must never happen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="a small number of inputs of every kind, in minutes"
    )
    parser.add_argument(
        "--only", nargs="+", choices=sorted(ATTACKS), default=sorted(ATTACKS), metavar="NAME"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the scoreboard to this Markdown file")
    options = parser.parse_args()
    results: list[Result] = []
    for name in options.only:
        attack, full, short = ATTACKS[name]
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            results += attack(Path(scratch), short if options.short else full, options.seed)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    board = scoreboard(results)
    print(board)
    if options.out:
        command = "python -m research.reliability" + (" --short" if options.short else "")
        title = f"# Reliability\n\n`{command}` on {datetime.now(UTC):%Y-%m-%d}:\n\n"
        write_file(options.out, title + board + "\n")
    return int(any(result.failed for result in results))


def scoreboard(results: list[Result]) -> str:
    """The results as a Markdown table, failed inputs below it.

    >>> print(scoreboard([Result("kill -9 at a write of add", 100, 0, "committed clips lost")]))
    | tried | number | must never happen | happened |
    |---|---:|---|---:|
    | kill -9 at a write of add | 100 | committed clips lost | 0 |
    """
    lines = ["| tried | number | must never happen | happened |", "|---|---:|---|---:|"]
    lines += [
        f"| {line.name} | {line.tried:,} | {line.never} | {line.failed:,} |" for line in results
    ]
    lines += [f"\n{line.name}: {', '.join(line.failures)}" for line in results if line.failures]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
