"""A full, broken, read-only or exhausted disk at every write of every command that changes a
library.
"""

import errno
from pathlib import Path

from research.attacks.base import Result
from research.attacks.library_scenarios import SCENARIOS
from research.attacks.write_points import COUNT, FAIL_ALL, FAIL_ONE, Job, build, running, sample

ERRORS = (
    *(errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES, errno.EDQUOT),
    *(errno.ENAMETOOLONG, errno.ESTALE, errno.ETIMEDOUT),
)
NEVER = (
    "an error without a type, path, cause or advice, or a state that is neither the one before "
    "nor the one after"
)


def disk_errors(scratch: Path, count: int, seed: int) -> list[Result]:
    """Make `count` calls fail, spread over all scenarios, writes and errors."""
    library = build(scratch)
    if library is None:
        return [Result("an error at a write (no C compiler: skipped)", 0, 0, NEVER)]
    results = []
    with running(library, scratch) as runner:
        for number, scenario in enumerate(SCENARIOS):
            points = runner.ask(Job(scenario, COUNT, 0))["points"]
            jobs = [
                Job(scenario, mode, nth, error)
                for nth in range(1, points + 1)
                for mode in (FAIL_ONE, FAIL_ALL)
                for error in ERRORS
            ]
            tried, wrong = 0, []
            for job in sample(jobs, max(1, count // len(SCENARIOS)), seed + number):
                answer = runner.ask(job)
                tried += 1
                if complaint := answer["wrong"] or untyped(answer["ended"], scratch):
                    wrong.append(f"{job}: {complaint[-500:]}")
            results.append(
                Result(
                    f"an error at a write of {scenario}", tried, len(wrong), NEVER, tuple(wrong[:5])
                )
            )
    return results


def untyped(ended: str, scratch: Path) -> str:
    """What a person misses in how a run ended; empty for a run that went well or ended in a good
    message.
    """
    if ended == "done":
        return ""
    if not ended.startswith("Library"):
        return ended[-300:]
    if "\n" in ended:
        return f"more than one line: {ended!r}"
    named, advised = str(scratch) in ended, "same command" in ended or "read-only" in ended
    return "" if named and advised else f"without its path or advice: {ended}"
