"""The journal of files that could not be indexed: one JSON line each, appended and synced.

What is in the clip table does not depend on the journal, and where both say something about a file
the table decides (`obsolete`), so that a crash between a commit and the journal never shows a wrong
line:

* clips are committed first, then the file's line goes; a line that stays behind is obsolete.
* the line of a file whose rows have to go is written first and names them (`replaces`); the next
  run removes the rows if this one is killed before it does.
* why a file was read only in part stands in its rows (`FileRecord.warning`). Journals of former
  versions say it in a line (`partial`), which is still read.

The journal is allowed to lose its last line in a crash: the file is then simply tried again.

In an object store every line is an object, named by the path that it is about: writers do not meet.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from finereel.index.faults import storage_errors
from finereel.index.schema import PARTLY, FileRecord
from finereel.io.atomic import write_file
from finereel.io.lines import read_lines
from finereel.io.storage.places import Place, StorePath
from finereel.video.files import FileState

NAME = "failures.jsonl"

_PASSING = ("cannot be opened (", "there is no such file", "Errno")
"""How former versions worded trouble that passes; they did not tell it from bad content."""


@dataclass(frozen=True)
class Failure:
    """What is wrong with a file.

    passing: trouble that passes (permissions, a dropped share): not the content's fault, tried
    again at every run.
    replaces: file id of the rows that the library holds of the file's former content. partial: a
    line of a former version about a file of which some clips are searchable.
    """

    path: str
    size: int
    mtime_ns: int
    error: str
    partial: bool = False
    passing: bool = False
    replaces: str | None = None

    def concerns(self, state: FileState) -> bool:
        """Whether the file is still the one that failed; a changed file is tried again."""
        return (self.size, self.mtime_ns) == (state.size, state.mtime_ns)

    def obsolete(self, record: FileRecord | None) -> bool:
        """Whether the table, which has `record` for the path, knows something newer about
        the file.
        """
        if self.partial:
            return record is None or record.warning is not None or not self.concerns(record.state)
        if record is None:
            return False
        return record.file_id != self.replaces or (record.finished and self.concerns(record.state))


class Journal:
    """The failures of the library whose index folder is `folder`; the last line about a
    path holds.
    """

    def __init__(self, folder: Place) -> None:
        self._path = folder / NAME
        self._failures = {failure.path: failure for failure in _read(self._path)}

    def current(self, files: Mapping[str, FileRecord]) -> dict[str, Failure]:
        """The failures that hold beside the table's `files`, by path, in the order of the paths."""
        failures = (self._failures[path] for path in sorted(self._failures))
        return {
            failure.path: failure
            for failure in failures
            if not failure.obsolete(files.get(failure.path))
        }

    def paths(self) -> list[str]:
        """Every path with a line."""
        return sorted(self._failures)

    def with_warnings(self, files: Mapping[str, FileRecord]) -> dict[str, FileRecord]:
        """The table's files with the warnings that former versions kept in the journal."""
        known = dict(files)
        for path, failure in self.current(files).items():
            if failure.partial:
                known[path] = replace(files[path], warning=PARTLY + failure.error)
        return known

    def record(self, failure: Failure) -> None:
        """Note a failure so that it survives this process."""
        if self._failures.get(failure.path) == failure:
            return
        self._failures[failure.path] = failure
        if isinstance(self._path, StorePath):
            _object_of(self._path, failure.path).write_bytes(json.dumps(asdict(failure)).encode())
            return
        with storage_errors(self._path.parent, "written"), self._path.open("ab") as stream:
            # A line torn by a crash must not swallow this one: every record begins on a fresh line.
            stream.write(b"\n" + json.dumps(asdict(failure)).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def forget(self, paths: Iterable[str]) -> None:
        """Drop what is known about `paths` (indexed by now, removed, or gone)."""
        gone = set(paths) & set(self._failures)
        if gone:
            self._failures = {
                path: failure for path, failure in self._failures.items() if path not in gone
            }
            if isinstance(self._path, StorePath):
                for path in gone:
                    _object_of(self._path, path).unlink()
                return
            lines = (
                json.dumps(asdict(failure)).encode() + b"\n" for failure in self._failures.values()
            )
            with storage_errors(self._path.parent, "written"):
                write_file(self._path, b"".join(lines))


def _object_of(journal: StorePath, path: str) -> StorePath:
    digest = hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return journal.parent / journal.stem / f"{digest}.json"


def _read(path: Place) -> list[Failure]:
    failures = []
    for line in read_lines(path):
        try:
            values = json.loads(line)
            failure = Failure(**values)
            if "passing" not in values:
                failure = replace(failure, passing=any(sign in failure.error for sign in _PASSING))
            failures.append(failure)
        except (ValueError, TypeError):  # blank, or torn by a crash: that file is tried again
            continue
    return failures
