"""Attack `finereel serve`, measure it under load, and print the scoreboard.

python -m research.serving [--short] [--out FILE]
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from finereel.io.atomic import write_file
from research.attacks.serving import attack_site
from research.attacks.serving_load import READERS, LoadReport, serving_load
from research.reliability import scoreboard

CLIPS, COMMITS, EVERY, PAUSE = 10_000, 200, 1.0, 5.0
"""Clips of the library, commits, seconds from one to the next, and seconds that a reader looks at an
answer before the next search.
"""


def main() -> int:
    """Run it; the exit status is 1 when anything happened that must never happen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="few inputs, in a minute")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the page to this Markdown file")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        results = attack_site(Path(scratch) / "site", options.short, options.seed)
        print(f"attacks: {time.monotonic() - began:.0f} s", file=sys.stderr)
        clips, commits = (500, 10) if options.short else (CLIPS, COMMITS)
        load = serving_load(Path(scratch) / "load", clips, commits, PAUSE, EVERY)
    results += load.results
    page = f"{scoreboard(results)}\n\n{latency(load)}"
    print(page)
    if options.out:
        command = "python -m research.serving" + (" --short" if options.short else "")
        title = f"# Server\n\n`{command}` on {datetime.now(UTC):%Y-%m-%d}:\n\n"
        write_file(options.out, f"{title}{page}\n")
    return int(any(result.failed for result in results))


def latency(load: LoadReport) -> str:
    """What was measured under load, in words and a table."""
    cores = len(os.sched_getaffinity(0))
    lines = [
        f"## {READERS} readers",
        "",
        f"{READERS} clients search a library of {load.clips:,} clips for ten moments and look at each "
        f"answer for {PAUSE:g} s on average, on {cores} cores that also run the clients and the "
        f"writer; other processes used {100 * load.others:.0f} % of the cores meanwhile. "
        "Milliseconds from request to answer:",
        "",
        "| meanwhile | median | 95 % within |",
        "|---|---:|---:|",
        f"| nobody writes | {load.quiet[0]:,.0f} | {load.quiet[1]:,.0f} |",
        f"| {load.commits} commits, one every {load.every:g} s | {load.busy[0]:,.0f} | "
        f"{load.busy[1]:,.0f} |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
