"""Decide what to do with each file before any is decoded. Compares size and modification time;
hashes a file only when it may be a rename or a copy.
"""

import errno
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from finereel.errors import (
    BrokenVideoError,
    DataError,
    NotAVideoError,
    StalledVideoError,
    VideoError,
    VideoLimitError,
)
from finereel.index.folders import is_below, vanished
from finereel.index.journal import Failure, Journal
from finereel.index.protocols import VideoSource
from finereel.index.schema import FileRecord
from finereel.video.files import FileState, shown

UNREADABLE = FileState(-1, -1)
"""Stands for the state of a file whose state is not available (a broken link, no permission)."""

CONTENT = (NotAVideoError, BrokenVideoError, VideoLimitError)
"""Errors that say the content itself is bad (but see StalledVideoError); every other one is trouble
that passes.
"""


@dataclass(frozen=True)
class EncodeJob:
    """A file to decode and encode.

    video_id: None until hashed. replaces: file id of the rows it takes over from. continues: file
    id of the rows of an unfinished file of the same content, `done` where its clips begin
    (seconds).
    """

    path: str
    state: FileState
    video_id: str | None
    replaces: str | None
    continues: str | None = None
    done: tuple[float, ...] = ()

    @property
    def rows(self) -> str | None:
        """The file id of the rows that the library holds under this path."""
        return self.continues or self.replaces


@dataclass(frozen=True)
class CopyJob:
    """A file whose content is in the library, or will be, under `source`; its rows are copied."""

    path: str
    state: FileState
    source: str
    replaces: str | None


@dataclass
class AddPlan:
    """The decisions of one `add`.

    changes: the new records of renamed, returned and touched files. failed: files that cannot be
    read. forgotten: paths whose line in the journal no longer holds. removed: file ids of rows
    whose file is known to be bad by now.
    folders: where the files lie; when one of them goes away, its files are not at fault.
    """

    unchanged: list[str] = field(default_factory=list)
    known_bad: list[str] = field(default_factory=list)
    changes: list[FileRecord] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    copies: list[CopyJob] = field(default_factory=list)
    encode: list[EncodeJob] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    missing: list[FileRecord] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


class Planner:
    """Compares files on disk with the files of the library.

    The rules: same path, size and time = unchanged. Otherwise the content decides: known here =
    only touched; known elsewhere and gone from there = renamed; known elsewhere and still there = a
    copy; unknown = encode. A content can be known only if some file has the same size, so only
    those files are hashed here; the rest when they are decoded. A file of which only the first
    clips are known is never unchanged, and never the source of a copy.
    """

    def __init__(
        self, source: VideoSource, files: Mapping[str, FileRecord], journal: Journal, retry: bool
    ) -> None:
        self._source = source
        self._files = journal.with_warnings(files)
        self._failures = journal.current(files)
        self._retry = retry
        self._by_content: dict[str, list[FileRecord]] = {}
        for record in sorted(self._files.values(), key=lambda record: not record.finished):
            self._by_content.setdefault(record.video_id, []).append(record)
        self._planned: dict[str, str] = {}
        self._plan = AddPlan(
            forgotten=[path for path in journal.paths() if path not in self._failures]
        )

    def plan(self, found: Iterable[Path], roots: Iterable[str]) -> AddPlan:
        """Decide for every found file, and for the library's files below `roots` that are gone."""
        pending = [
            (path, state) for path in map(str, found) if (state := self._quick(path)) is not None
        ]
        sizes = Counter(record.state.size for record in self._files.values())
        sizes.update(state.size for _, state in pending)
        # Unfinished files first: another path of the same content then becomes a copy of what is
        # finished here.
        for path, state in sorted(pending, key=lambda file: not self._is_unfinished(file[0])):
            own = self._files.get(path)
            if sizes[state.size] - (
                own is not None and own.state.size == state.size
            ) > 1 or self._touched(own, state):
                self._by_hash(path, state)
            else:
                self._plan.encode.append(EncodeJob(path, state, None, own.file_id if own else None))
        self._find_missing(list(roots))
        return self._plan

    def _is_unfinished(self, path: str) -> bool:
        return path in self._files and not self._files[path].finished

    def _quick(self, path: str) -> FileState | None:
        """The state of a file that needs a closer look, None when its state alone settles it."""
        try:
            state = self._source.state(Path(path))
        except (VideoError, OSError) as error:
            self._fail(path, UNREADABLE, error)
            return None
        known, failure = self._files.get(path), self._failures.get(path)
        if known is not None and known.finished and known.state == state:
            if known.warning and self._retry:
                self._plan.encode.append(EncodeJob(path, state, known.video_id, known.file_id))
                return None
            if known.missing:
                self._plan.changes.append(replace(known, missing=False))
            self._settle(path)
            self._plan.unchanged.append(path)
            return None
        if failure is not None and self._holds(failure, state):
            self._plan.known_bad.append(path)
            self._plan.removed.extend([known.file_id] if known is not None else [])
            return None
        if failure is not None and failure.passing and not failure.concerns(state):
            self._plan.forgotten.append(path)
        return state

    def _holds(self, failure: Failure, state: FileState) -> bool:
        return (
            failure.concerns(state)
            and not failure.partial
            and not failure.passing
            and not self._retry
        )

    def _settle(self, path: str) -> None:
        """What the journal says about a file that is known to be good no longer holds."""
        failure = self._failures.get(path)
        if failure is not None and not failure.partial:
            self._plan.forgotten.append(path)

    @staticmethod
    def _touched(own: FileRecord | None, state: FileState) -> bool:
        return own is not None and own.state.size == state.size

    def _by_hash(self, path: str, state: FileState) -> None:
        try:
            content = self._source.content_hash(Path(path))
        except (VideoError, OSError) as error:
            self._fail(path, state, error)
            return
        own = self._files.get(path)
        replaces = own.file_id if own else None
        if own is not None and own.video_id == content:
            self._keep(own, path, state)
        elif own is None and (gone := self._gone(content)) is not None:
            self._plan.renamed.append((gone.path, path))
            self._keep(gone, path, state)
        elif (twin := self._known_at(content)) is not None:
            self._settle(path)
            self._plan.copies.append(CopyJob(path, state, twin, replaces))
        else:
            self._planned[content] = path
            self._plan.encode.append(EncodeJob(path, state, content, replaces))

    def _keep(self, record: FileRecord, path: str, state: FileState) -> None:
        """The rows of `record` are those of the file at `path`; what an unfinished one lacks is
        still to be encoded.
        """
        content = record.video_id
        self._planned[content] = path
        if not record.finished:
            moved = replace(record, path=path, missing=False)
            self._plan.changes.extend([moved] if moved != record else [])
            self._plan.encode.append(
                EncodeJob(path, state, content, None, continues=record.file_id)
            )
            return
        self._settle(path)
        self._plan.changes.append(replace(record, path=path, state=state, missing=False))
        if path == record.path:
            self._plan.unchanged.append(path)

    def _gone(self, content: str) -> FileRecord | None:
        """A library file of this content that is no longer where it was; each serves one rename."""
        for record in self._by_content.get(content, []):
            if vanished(record.path):
                self._by_content[content].remove(record)
                return record
        return None

    def _known_at(self, content: str) -> str | None:
        """The path of a library file of this content that stays, or of one that has it once this
        run's plan is done.
        """
        for record in self._by_content.get(content, []):
            if self._stays(record):
                return record.path
        return self._planned.get(content)

    def _stays(self, record: FileRecord) -> bool:
        try:
            return self._source.state(Path(record.path)) == record.state
        except (VideoError, OSError):
            return False

    def _find_missing(self, roots: list[str]) -> None:
        moved = {old for old, _ in self._plan.renamed}
        for record in self._files.values():
            if (
                not record.missing
                and record.path not in moved
                and _vanished_below(record.path, roots)
            ):
                self._plan.missing.append(replace(record, missing=True))
        self._plan.forgotten += [path for path in self._failures if _vanished_below(path, roots)]

    def _fail(self, path: str, state: FileState, error: Exception) -> None:
        failure, own = self._failures.get(path), self._files.get(path)
        if failure is not None and self._holds(failure, state):
            self._plan.known_bad.append(path)
        else:
            self._plan.failed.append(failure_of(path, state, error, own.file_id if own else None))


def failure_of(path: str, state: FileState, error: Exception, rows: str | None) -> Failure:
    """The journal's line about a file: bad content, or trouble that passes."""
    passing = is_passing(error)
    reason = _passing_reason(path, error) if passing else describe(error)
    return Failure(path, state.size, state.mtime_ns, reason, passing=passing, replaces=rows)


def is_passing(error: Exception) -> bool:
    """Whether an error of a file is trouble that passes, and no fault of its content or of the
    model.
    """
    if isinstance(error, OSError):
        return error.errno != errno.ELOOP
    return isinstance(error, StalledVideoError) or not isinstance(error, (*CONTENT, DataError))


def _passing_reason(path: str, error: Exception) -> str:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        reason = cause.strerror.lower()
    else:
        reason = describe(error).removeprefix(f"{shown(path)}: ")
    return f"could not be read this time: {reason}; it will be tried again"


def _vanished_below(path: str, roots: list[str]) -> bool:
    return any(is_below(path, root) for root in roots) and vanished(path)


def describe(error: Exception) -> str:
    """An error as `doctor` shows it, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def new_file_id(video_id: str, path: str, taken: Iterable[str]) -> str:
    """16 hex digits from content and path; the next in line when a renamed file keeps that id
    already.

    >>> new_file_id("ab", "/a.mp4", []) != new_file_id("ab", "/b.mp4", [])
    True
    """
    used = set(taken)
    salt = 0
    while True:
        text = f"{video_id}\0{salt}\0{path}".encode("utf-8", "surrogateescape")
        file_id = hashlib.blake2b(text, digest_size=8).hexdigest()
        if file_id not in used:
            return file_id
        salt += 1
