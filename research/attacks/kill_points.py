"""`kill -9` at every write of every command that changes a library, and at random times."""

from pathlib import Path

from research.attacks.base import Result
from research.attacks.library_scenarios import SCENARIOS
from research.attacks.write_points import (
    COUNT,
    KILL_AFTER,
    KILL_BEFORE,
    KILL_LATER,
    Job,
    build,
    running,
    sample,
)

NEVER = (
    "a committed clip lost or doubled, doctor incomplete, answers that are neither old nor "
    "new, or reopening over 2 s"
)
TIMED = 40
"""Moments of a run at which it is killed by the clock, so that Lance's own threads are hit
anywhere.
"""


def kill_points(scratch: Path, count: int, seed: int) -> list[Result]:
    """Kill `count` runs, spread over all scenarios and their writes."""
    library = build(scratch)
    if library is None:
        return [Result("kill -9 at a write (no C compiler: skipped)", 0, 0, NEVER)]
    results = []
    with running(library, scratch) as runner:
        for number, scenario in enumerate(SCENARIOS):
            points = runner.ask(Job(scenario, COUNT, 0))["points"]
            jobs = [
                Job(scenario, mode, nth)
                for nth in range(1, points + 1)
                for mode in (KILL_BEFORE, KILL_AFTER)
            ]
            jobs += [Job(scenario, KILL_LATER, nth * 1000 // TIMED) for nth in range(TIMED)]
            tried, wrong = 0, []
            for job in sample(jobs, max(1, count // len(SCENARIOS)), seed + number):
                answer = runner.ask(job)
                tried += 1
                if answer["wrong"] or answer["ended"].startswith("Traceback"):
                    wrong.append(f"{job}: {answer['wrong'][-500:] or answer['ended'][-500:]}")
            results.append(
                Result(
                    f"kill -9 at a write of {scenario}", tried, len(wrong), NEVER, tuple(wrong[:5])
                )
            )
    return results
