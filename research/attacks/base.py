"""What an attack reports: how many inputs were tried, and how many of them ended in what must never
happen.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from finereel.cli.progress import bar

LINES = 20
"""Plain lines of progress where there is no terminal for a bar."""


@dataclass(frozen=True)
class Result:
    """One line of the scoreboard.

    Args:
        name: What was tried, for instance `kill -9 at a write of add`.
        tried: Number of inputs, kill points or faults.
        failed: How many ended in what must never happen.
        never: What must never happen, for instance `committed clips lost`.
        failures: A few failed inputs, enough to reproduce each of them.
    """

    name: str
    tried: int
    failed: int
    never: str
    failures: tuple[str, ...] = ()


Attack = Callable[[Path, int, int], list[Result]]
"""`attack(scratch, count, seed)`: an empty folder to work in, about how many inputs to try, and the
random seed.
"""


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[], None]]:
    """What is called once for each of `total` things that are done, and shows how many they are."""
    with bar() as progress:
        task, done = progress.add_task(title, total=total, note=""), 0

        def advance() -> None:
            nonlocal done
            done += 1
            progress.update(task, completed=done)
            if progress.disable and done % max(1, total // LINES) == 0:
                print(f"{title}: {done:,} of {total:,}", file=sys.stderr, flush=True)

        yield advance
