"""Files that could not be indexed: one JSON line each, appended and forced to disk.

The journal is allowed to lose its last line in a crash: the file is then simply tried again. The clip table never
depends on it.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from finereel.index.durable import replace_file
from finereel.index.faults import storage_errors
from finereel.video.identity import FileState

NAME = "failures.jsonl"


@dataclass(frozen=True)
class Failure:
    """What is wrong with a file. `partial`: some clips of it decode and are searchable; `coarse`: all of it does, and
    `error` only says that it was read by keyframes."""

    path: str
    size: int
    mtime_ns: int
    error: str
    partial: bool = False
    coarse: bool = False

    def concerns(self, state: FileState) -> bool:
        """Whether the file is still the one that failed; a changed file is tried again."""
        return (self.size, self.mtime_ns) == (state.size, state.mtime_ns)


class Journal:
    """The failures of the library whose index folder is `folder`; the last line about a path holds."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._failures = {failure.path: failure for failure in _read(self._path)}

    def __len__(self) -> int:
        return sum(not failure.partial for failure in self._failures.values())

    def get(self, path: str) -> Failure | None:
        """What is known to be wrong with the file at `path`."""
        return self._failures.get(path)

    def all(self) -> list[Failure]:
        """Every failure, by path."""
        return [self._failures[path] for path in sorted(self._failures)]

    def record(self, failure: Failure) -> None:
        """Note a failure so that it survives this process."""
        self._failures[failure.path] = failure
        with storage_errors(self._path.parent, "written"), self._path.open("ab") as stream:
            # A line torn by a crash must not swallow this one: every record begins on a fresh line.
            stream.write(b"\n" + json.dumps(asdict(failure)).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def move(self, old: str, new: str) -> None:
        """A renamed file takes what is known about it along."""
        known = self._failures.get(old)
        if known is not None:
            self.record(replace(known, path=new))
            self.forget({old})

    def forget(self, paths: set[str]) -> None:
        """Drop what is known about `paths` (indexed by now, removed, or gone)."""
        if paths & set(self._failures):
            self._failures = {path: failure for path, failure in self._failures.items() if path not in paths}
            lines = (json.dumps(asdict(failure)).encode() + b"\n" for failure in self._failures.values())
            with storage_errors(self._path.parent, "written"):
                replace_file(self._path, b"".join(lines))


def _read(path: Path) -> list[Failure]:
    if not path.exists():
        return []
    failures = []
    for line in path.read_bytes().splitlines():
        try:
            failures.append(Failure(**json.loads(line)))
        except (ValueError, TypeError):  # blank, or torn by a crash: that file is tried again
            continue
    return failures
