"""What an attack reports: how many inputs were tried, and how many of them ended in what must never
happen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


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
