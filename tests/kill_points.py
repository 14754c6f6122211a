"""Processes that are killed (SIGKILL) at a chosen write of the library: before it, in its middle,
or after it.
"""

import os
import signal
from pathlib import Path
from typing import Any

from finereel.index.events import AddSettings
from finereel.index.journal import Journal
from finereel.index.store import ClipStore
from finereel.library import Library
from index.doubles import ToyModel, ToySource
from support.processes import FORK

SMALL = AddSettings(commit_clips=1, batch_clips=1)
"""A commit for every clip."""


class Points:
    """Counts the moments at which this process may be killed, and kills it at number `fatal`."""

    def __init__(self, fatal: int) -> None:
        self.count = 0
        self.fatal = fatal

    def pass_one(self) -> None:
        if self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1

    def around(self, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.pass_one()
            result = real(*args, **kwargs)
            self.pass_one()
            return result

        setattr(owner, name, watched)


def _watch(points: Points) -> None:
    for name in ("commit", "change", "tidy"):
        points.around(ClipStore, name)
    points.around(Journal, "forget")
    record = Journal.record

    def torn(self: Journal, failure: Any) -> None:
        if points.count == points.fatal:
            with self._path.open("ab") as stream:
                stream.write(b'\n{"path": "/a", "si')
        points.pass_one()
        record(self, failure)
        points.pass_one()

    Journal.record = torn  # type: ignore[method-assign]


def _add(library: Path, videos: Path, fatal: int, out: Any) -> None:
    points = Points(fatal)
    _watch(points)
    Library.open(library, ToyModel(), ToySource()).add([videos], settings=SMALL)
    out.send(points.count)


def add_and_kill(library: Path, videos: Path, fatal: int) -> int | None:
    """Index in a process that is killed at its write point `fatal`; the number of points when it
    comes to its end.
    """
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=_add, args=(library, videos, fatal, sender))
    child.start()
    sender.close()
    child.join(600)
    if child.exitcode == -signal.SIGKILL:
        return None
    assert child.exitcode == 0
    return int(receiver.recv())
