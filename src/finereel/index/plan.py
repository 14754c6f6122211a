"""What to do with each file, decided before any is decoded. Reads file states, and hashes only where it may pay."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from finereel.errors import VideoError
from finereel.index.journal import Failure, Journal
from finereel.index.ports import VideoSource
from finereel.index.schema import FileRecord
from finereel.video.identity import FileState

UNREADABLE = FileState(-1, -1)
"""Stands for the state of a file whose state cannot be had (a broken link, no permission)."""


@dataclass(frozen=True)
class EncodeJob:
    """A file to decode and encode. video_id: None until hashed. replaces: file id of the rows it takes over from."""

    path: str
    state: FileState
    video_id: str | None
    replaces: str | None


@dataclass(frozen=True)
class CopyJob:
    """A file whose content is in the library, or will be, under `source`; its rows are copied."""

    path: str
    state: FileState
    source: str
    replaces: str | None


@dataclass
class AddPlan:
    """The decisions of one `add`. `changes` carry the new records of renamed, returned and touched
    files; `forgotten` are bad files that are gone."""

    unchanged: list[str] = field(default_factory=list)
    known_bad: list[str] = field(default_factory=list)
    changes: list[FileRecord] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    copies: list[CopyJob] = field(default_factory=list)
    encode: list[EncodeJob] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    missing: list[FileRecord] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)


class Planner:
    """Compares files on disk with the files of the library.

    The rules: same path, size and time = unchanged. Otherwise the content decides: known here = only touched; known
    elsewhere and gone from there = renamed; known elsewhere and still there = a copy; unknown = encode. A content can
    be known only if some file has the same size, so only those files are hashed here; the rest when they are decoded.
    """

    def __init__(self, source: VideoSource, files: Mapping[str, FileRecord], journal: Journal, retry: bool) -> None:
        self._source = source
        self._files = files
        self._journal = journal
        self._retry = retry
        self._by_content: dict[str, list[FileRecord]] = {}
        for record in files.values():
            self._by_content.setdefault(record.video_id, []).append(record)
        self._planned: dict[str, str] = {}
        self._plan = AddPlan()

    def plan(self, found: Iterable[Path], roots: Iterable[Path]) -> AddPlan:
        """Decide for every found file, and for the library's files below `roots` that are gone."""
        pending = [(path, state) for path in map(str, found) if (state := self._quick(path)) is not None]
        sizes = Counter(record.state.size for record in self._files.values())
        sizes.update(state.size for _, state in pending)
        for path, state in pending:
            own = self._files.get(path)
            if sizes[state.size] - (own is not None and own.state.size == state.size) > 1 or self._touched(own, state):
                self._by_hash(path, state)
            else:
                self._plan.encode.append(EncodeJob(path, state, None, own.file_id if own else None))
        self._find_missing([str(root) for root in roots])
        return self._plan

    def _quick(self, path: str) -> FileState | None:
        """The state of a file that needs a closer look, None when its state alone settles it."""
        try:
            state = self._source.state(Path(path))
        except (VideoError, OSError) as error:
            self._fail(path, UNREADABLE, error)
            return None
        known, failure = self._files.get(path), self._journal.get(path)
        if known is not None and known.state == state:
            if known.missing:
                self._plan.changes.append(replace(known, missing=False))
            self._plan.unchanged.append(path)
            return None
        if failure is not None and failure.concerns(state) and not self._retry:
            self._plan.known_bad.append(path)
            return None
        return state

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
            self._plan.changes.append(replace(own, state=state, missing=False))
            self._plan.unchanged.append(path)
            self._planned[content] = path
        elif (gone := self._gone(content)) is not None and own is None:
            self._plan.changes.append(replace(gone, path=path, state=state, missing=False))
            self._plan.renamed.append((gone.path, path))
            self._planned[content] = path
        elif (twin := self._known_at(content)) is not None:
            self._plan.copies.append(CopyJob(path, state, twin, replaces))
        else:
            self._planned[content] = path
            self._plan.encode.append(EncodeJob(path, state, content, replaces))

    def _gone(self, content: str) -> FileRecord | None:
        """A library file of this content that is no longer where it was; each serves one rename."""
        for record in self._by_content.get(content, []):
            if not os.path.lexists(record.path):
                self._by_content[content].remove(record)
                return record
        return None

    def _known_at(self, content: str) -> str | None:
        """The path of a library file of this content that stays, or of one that has it once this run's plan is done."""
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
            if not record.missing and record.path not in moved and _gone_below(record.path, roots):
                self._plan.missing.append(replace(record, missing=True))
        self._plan.forgotten = [bad.path for bad in self._journal.all() if _gone_below(bad.path, roots)]

    def _fail(self, path: str, state: FileState, error: Exception) -> None:
        known = self._journal.get(path)
        if known is not None and known.concerns(state) and not self._retry:
            self._plan.known_bad.append(path)
        else:
            self._plan.failed.append(Failure(path, state.size, state.mtime_ns, describe(error)))


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or lies in it.

    >>> is_below("/a/b.mp4", "/a"), is_below("/ab.mp4", "/a")
    (True, False)
    """
    return path == root or path.startswith(root.rstrip("/") + "/")


def _gone_below(path: str, roots: list[str]) -> bool:
    return any(is_below(path, root) for root in roots) and not os.path.lexists(path)


def describe(error: Exception) -> str:
    """An error as `doctor` shows it, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def new_file_id(video_id: str, path: str, taken: Iterable[str]) -> str:
    """16 hex digits from content and path; the next in line when a renamed file keeps that id already.

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
