"""Many readers while one process adds, removes and normalises: every answer must be that of one
committed state.
"""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from finereel.errors import FinereelError
from finereel.library import Library
from research.attacks.base import Result
from research.attacks.library_scenarios import ToyModel, ToySource, write_video

THREADS = 20
GROUPS = 4
PER_GROUP = 5
NEVER = "an answer that mixes two states, or an error"


@dataclass
class _Seen:
    """The answers that readers got, and the errors they met."""

    answers: int = 0
    torn: list[str] = field(default_factory=list)


def readers(scratch: Path, count: int, seed: int) -> list[Result]:
    """About `count` searches by THREADS threads while another process commits.

    The videos come in groups that are removed and added again as a whole, in one commit each, so an
    answer that holds a part of a group is torn. One group never goes away: its scores must stay.
    """
    del seed
    place = scratch / "readers"
    for group in range(GROUPS):
        for number in range(PER_GROUP):
            write_video(place / f"group{group}" / f"v{number}.toy", f"dog{group}{number}")
    library = Library.open(place / "library", ToyModel(), ToySource())
    library.add([place / f"group{group}" for group in range(GROUPS)])
    expected = {hit.clip_id: hit.score for hit in _search(library) if "group0" in hit.video}
    seen, lock = _Seen(), threading.Lock()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[2]), *sys.path]),
    }
    command = [sys.executable, "-m", "research.attacks.readers", str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as writer:
        try:
            threads = [
                threading.Thread(target=_read, args=(place, expected, count, seen, lock))
                for _ in range(THREADS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            assert writer.stdin is not None
            writer.stdin.close()
    torn = tuple(f"{number} times: {what}" for what, number in Counter(seen.torn).most_common(5))
    return [
        Result(
            f"searches by {THREADS} threads during commits",
            seen.answers,
            len(seen.torn),
            NEVER,
            torn,
        )
    ]


def _search(library: Library):  # type: ignore[no-untyped-def]
    return library.search("dog01 dog12", 1000, candidates=None, per_video=None)


def _read(
    place: Path, expected: dict[str, float], count: int, seen: _Seen, lock: threading.Lock
) -> None:
    library = Library.open(place / "library", ToyModel(), ToySource())
    while seen.answers < count:
        try:
            hits = _search(library)
            wrong = torn(Counter(Path(hit.video).parent.name for hit in hits))
            kept = {hit.clip_id: hit.score for hit in hits if "group0" in hit.video}
            if not wrong and (
                kept.keys() != expected.keys()
                or any(abs(kept[c] - expected[c]) > 1e-4 for c in kept)
            ):
                wrong = "the scores of videos that nobody changed are others"
        except FinereelError as error:
            wrong = f"{type(error).__name__}: {error}"[:300]
        with lock:
            seen.answers += 1
            if wrong:
                seen.torn.append(wrong)


def torn(found: Counter[str]) -> str:
    """What is torn in an answer with so many clips per group; empty for nothing.

    >>> torn(Counter({"group0": 5, "group1": 2}))
    'group1 has 2 of 5 clips'
    """
    parts = [
        f"{group} has {number} of {PER_GROUP} clips"
        for group, number in found.items()
        if number != PER_GROUP
    ]
    return ", ".join(sorted(parts))


def write(place: Path) -> None:
    """Remove and add groups, and tidy, until stdin is closed."""
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    library = Library.open(place / "library", ToyModel(), ToySource())
    turn = 0
    while not stop.is_set():
        group = place / f"group{1 + turn % (GROUPS - 1)}"
        library.remove([group])
        library.add([group])
        turn += 1
        time.sleep(0.01)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
