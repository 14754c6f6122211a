"""Compute what a library of many videos costs, from unit costs that other commands measured.

    python -m research.benchmarks.million
    python -m research.benchmarks.million --videos 100000 --seconds 60 --workers 4 16 64

Arithmetic only, in no time: core hours and days with N workers, bytes in each format of tokens,
requests to the store, how often compaction copies the table, and what a query needs. The unit costs
and the commands that measured them stand in docs/dev/million.md.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from finereel.codecs import CODECS
from finereel.codecs.clips import clip_bytes
from finereel.index.events import CLIP_SECONDS, AddSettings
from finereel.index.store import ROWS_PER_FRAGMENT, SMALL_FRAGMENTS

WHOLE_FRAGMENT = 1 << 20
"""Rows from which on compaction leaves a fragment of the table alone (Lance's own number)."""
NETWORK = 1.25e8
"""Bytes a second of a network card of 1 Gbit/s."""


@dataclass(frozen=True)
class Work:
    """Processor seconds for a clip of 10 s, by a model and what it reads. tokens, dim: of a clip."""

    name: str
    core_seconds: float
    tokens: int
    dim: int


WORKS = (
    Work("everyday, keyframes every 2.5 s", 10 / 23.9, 30, 256),
    Work("everyday, keyframes every 5 s", 10 / 6.9, 30, 256),
    Work("CLIP B/32, int8, keyframes every 2.5 s", 12 * 0.0329 + 0.18, 48, 512),
)


@dataclass(frozen=True)
class Units:
    """What was measured, per clip unless told otherwise.

    driver_ms: processor time of the one driver. sent: bytes from a worker to it. requests: to the
    store, for a commit. pictures, row: bytes of thumbnail and strip, and of all else in a
    row. scan_ms: processor time of the exact first look at 10,000 clips. scored: candidates of a query.
    """

    driver_ms: float = 1.67
    sent: float = 73.2e3
    requests: float = 16.6
    pictures: float = 2.7e3 + 7e3
    row: float = 300.0
    scan_ms: float = 1.5
    scored: int = 200


def clips_of(videos: int, seconds: float) -> int:
    """Number of clips.

    >>> clips_of(1_000_000, 30)
    3000000
    """
    return videos * max(1, math.ceil(seconds / CLIP_SECONDS))


def days(clips: int, work: Work, workers: int, units: Units) -> tuple[float, str]:
    """Days of the clock with some workers, and what takes that long: they, or the driver."""
    encoding = clips * work.core_seconds / workers
    bounds = {
        "workers": encoding,
        "driver": clips * units.driver_ms / 1000,
        "network": clips * units.sent / NETWORK,
    }
    slowest = max(bounds, key=lambda name: bounds[name])
    return bounds[slowest] / 86_400, slowest


def most_workers(work: Work, units: Units) -> int:
    """How many workers one driver can serve."""
    return int(work.core_seconds / max(units.driver_ms / 1000, units.sent / NETWORK))


def copies(clips: int, per_commit: int) -> float:
    """How often compaction writes a clip again, on average.

    It copies all fragments below WHOLE_FRAGMENT rows, each time that SMALL_FRAGMENTS of them, and one
    for every ROWS_PER_FRAGMENT rows, have come.

    >>> copies(3_000_000, 64) > 5 * copies(3_000_000, 2048)
    True
    """
    rows = growing = copied = 0
    while rows < clips:
        fresh = per_commit * (1 + SMALL_FRAGMENTS + rows // ROWS_PER_FRAGMENT)
        rows, growing = rows + fresh, growing + fresh
        copied += growing
        if growing >= WHOLE_FRAGMENT:
            growing = 0
    return copied / rows


def commit_clips(work: Work, workers: int) -> int:
    """How many clips a commit of a run with these workers holds."""
    settings = AddSettings(workers=str(workers))
    arriving = settings.commit_seconds * workers / work.core_seconds
    return max(1, min(settings.clips_together, int(arriving)))


def page(videos: int, seconds: float, workers: Sequence[int], units: Units = Units()) -> str:
    """All tables, in Markdown."""
    clips = clips_of(videos, seconds)
    lines = [f"{videos:,} videos of {seconds:g} s are {clips:,} clips.", ""]
    lines += [
        "| work | core hours | " + " | ".join(f"{n} workers" for n in workers) + " | one driver |"
    ]
    lines += ["|---|---|" + "---|" * len(workers) + "---|"]
    for work in WORKS:
        cells = [_days(*days(clips, work, count, units)) for count in workers]
        hours = f"{clips * work.core_seconds / 3600:,.0f}"
        limit = f"up to {most_workers(work, units)}"
        lines.append(f"| {' | '.join([work.name, hours, *cells, limit])} |")
    lines += ["", "| tokens | " + " | ".join(name for name in _models()) + " |"]
    lines += ["|---|" + "---|" * len(_models())]
    for name in CODECS:
        cells = [_bytes(clips * clip_bytes(CODECS[name], *size)) for size in _models().values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        f"| pictures, beside them | {' | '.join([_bytes(clips * units.pictures)] * len(_models()))} |"
    ]
    lines += [f"| rows, beside them | {' | '.join([_bytes(clips * units.row)] * len(_models()))} |"]
    lines += ["", "| writing | " + " | ".join(f"{n} workers" for n in workers) + " |"]
    lines += ["|---|" + "---|" * len(workers)]
    each = [commit_clips(WORKS[0], count) for count in workers]
    lines.append(f"| clips a commit | {' | '.join(f'{one:,}' for one in each)} |")
    lines.append(f"| commits | {' | '.join(f'{clips // one:,}' for one in each)} |")
    asked = [clips / one * units.requests for one in each]
    lines.append(f"| requests | {' | '.join(f'{one:,.0f}' for one in asked)} |")
    copied = [copies(clips, one) for one in each]
    lines.append(f"| copies by compaction | {' | '.join(f'{one:.1f}' for one in copied)} |")
    size = clip_bytes(CODECS["fp16"], WORKS[0].tokens, WORKS[0].dim) + units.pictures + units.row
    moved = " | ".join(_bytes(clips * size * (1 + one)) for one in copied)
    lines.append(f"| written in all, `everyday`, fp16 | {moved} |")
    waits = " | ".join(f"{clips * size * 2 * one / NETWORK / 3600:.1f}" for one in copied)
    lines.append(f"| hours that these copies take at 1 Gbit/s | {waits} |")
    lines += ["", "| a query | |", "|---|---|"]
    lines.append(f"| vectors in memory, fp16, 512 numbers | {_bytes(clips * 1024)} |")
    lines.append(f"| vectors in memory, int8 | {_bytes(clips * 512)} |")
    scan = clips / 10_000 * units.scan_ms
    lines.append(f"| exact first look at all, one core | {scan:,.0f} ms |")
    for name in CODECS:
        read = units.scored * clip_bytes(CODECS[name], 48, 512)
        lines.append(
            f"| tokens of {units.scored} candidates, {name}, 48 of 512 numbers | {_bytes(read)} |"
        )
    return "\n".join(lines)


def _models() -> dict[str, tuple[int, int]]:
    """Tokens and numbers of a clip of each model."""
    return {work.name.split(",")[0]: (work.tokens, work.dim) for work in WORKS}


def _days(value: float, slowest: str) -> str:
    told = f"{value:.1f} days" if value >= 1 else f"{24 * value:.1f} hours"
    return told if slowest == "workers" else f"{told} ({slowest})"


def _bytes(value: float) -> str:
    """
    >>> _bytes(1.4e6), _bytes(4.66e10)
    ('1.4 MB', '46.6 GB')
    """
    units = ("MB", "GB", "TB")
    power = min(2, max(0, int(math.log10(max(1e6, value)) - 6) // 3))
    return f"{value / 10 ** (6 + 3 * power):.1f} {units[power]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 16, 50, 200])
    given = parser.parse_args()
    print(page(given.videos, given.seconds, given.workers))


if __name__ == "__main__":
    main()
