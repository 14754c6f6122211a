"""Bring a library of a former version to the newest schema of its table: read what its files are and
what is said in them, without decoding their clips or encoding anything.

The columns come in one commit, the facts and words in further ones, so that a run that is killed
leaves a library that answers, and the same command goes on where it stopped.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finereel.errors import VideoError
from finereel.index.facts import FileFacts
from finereel.index.manifest import TOKENS_SINCE, write_manifest
from finereel.index.protocols import VideoSource
from finereel.index.schema import FileRecord
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from finereel.index.words import cues_of, said_changes, said_in_files
from finereel.io.signals import StopFlag
from finereel.io.storage.places import Place
from finereel.types import OnProgress
from finereel.video.subtitles import FileCues

PROBE_SECONDS = 0.04
"""What it takes to read what a file is; measured on 14 real videos on one core of a busy machine:
0.033 s.
"""

REWRITE_SECONDS = 0.001
"""What it takes to write a clip's row again with its facts; measured on 10,000 clips of 60 KB on
one core: 0.0007 s.
"""

WITH_FACTS = 2
"""The version of the schema that has columns for facts and words."""

COMMIT_SECONDS, COMMIT_SHARE = 30.0, 4.0
"""A commit reads the whole table, so that there is one after so many seconds, and not before reading
videos took so many times as long as the commit before it.
"""


@dataclass(frozen=True)
class MigrationSettings:
    """commit_videos: videos whose facts are committed together; None leaves it to the time that a
    commit takes. ann_threshold: as in `finereel.index.events.AddSettings`.
    """

    commit_videos: int | None = None
    ann_threshold: int | None = None


@dataclass(frozen=True)
class MigrationReport:
    """What a migration did.

    Attributes:
        videos: Videos whose facts were read by this run.
        clips: Clips whose tokens were stored anew, as the model reads them.
        skipped: Videos whose facts could not be read: gone, changed since they were indexed, or
            not readable now. The next `finereel index` or `finereel migrate` tries again.
        seconds: Seconds the run took.
        interrupted: Whether Ctrl-C stopped the run; everything counted here is committed.
    """

    videos: int = 0
    skipped: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    clips: int = 0


def migrate(
    library: Place,
    store: ClipStore,
    source: VideoSource,
    settings: MigrationSettings,
    on_progress: OnProgress,
    stop: StopFlag,
) -> MigrationReport:
    """Add the columns that the table lacks, then the facts of all files that are not known. What
    needs the model is left to `finereel.index.token_migration`.

    The caller holds the lock. When `stop` is set, what was read is committed.
    """
    began = time.monotonic()
    if store.manifest.format < WITH_FACTS:
        # Before the table: a program of a former version must not open it from now on.
        write_manifest(library, replace(store.manifest, format=WITH_FACTS))
        store.migrate()
    snapshot = store.snapshot()
    tags, known, files = snapshot.tags(), snapshot.facts(), files_to_read(snapshot)
    commits = _Commits(store, settings)
    done = skipped = 0
    for file in files:
        if stop.is_set():
            break
        facts = _read(file, source, tags.get(file.path, ()), known.get(file.file_id))
        cues = None if facts is None else cues_of(source, Path(file.path))
        if facts is None or cues is None:
            skipped += 1
        else:
            done += 1
            commits.add(file.file_id, facts, cues)
        on_progress("reading videos", done + skipped, len(files))
    commits.commit()
    finish(store, settings)
    return MigrationReport(done, skipped, time.monotonic() - began, done + skipped < len(files))


def finish(store: ClipStore, settings: MigrationSettings) -> None:
    """Drop what is not needed any more, and make the indices that are lacking."""
    store.tidy()
    store.refresh_ann(settings.ann_threshold)
    store.refresh_words()


class _Commits:
    """Facts and words that wait for the next commit."""

    def __init__(self, store: ClipStore, settings: MigrationSettings) -> None:
        self._store = store
        self._settings = settings
        self._waiting: dict[str, FileFacts] = {}
        self._cues: dict[str, FileCues] = {}
        self._since = time.monotonic()
        self._last = 0.0

    def add(self, file_id: str, facts: FileFacts, cues: FileCues) -> None:
        self._waiting[file_id], self._cues[file_id] = facts, cues
        most, waited = self._settings.commit_videos, time.monotonic() - self._since
        if (
            waited >= max(COMMIT_SECONDS, COMMIT_SHARE * self._last)
            if most is None
            else len(self._waiting) >= most
        ):
            self.commit()
            self._store.tidy()

    def commit(self) -> None:
        began = time.monotonic()
        if self._waiting:
            columns = ["clip_id", "file_id", "start", "end", "strip"]
            clips = self._store.snapshot().clips_of(list(self._waiting), columns)
            self._store.say(said_changes(clips, said_in_files(clips, self._cues), self._waiting))
        self._waiting, self._cues, self._since = {}, {}, time.monotonic()
        self._last = self._since - began


def files_to_read(snapshot: Snapshot) -> list[FileRecord]:
    """The files that are not missing and of which it is not known what they are or what is said in
    them.
    """
    unknown = snapshot.paths_without_facts() | snapshot.paths_without_words()
    return [file for path, file in snapshot.files().items() if path in unknown and not file.missing]


def offer(library: Place, snapshot: Snapshot) -> str:
    """What a migration would bring and cost, in one line; empty where there is nothing to do."""
    count = len(files_to_read(snapshot))
    if not count:
        return _offer_of_tokens(library, snapshot)
    videos = f"{count} video{'' if count == 1 else 's'}"
    rewriting = snapshot.count * REWRITE_SECONDS + count * PROBE_SECONDS / COMMIT_SHARE
    seconds = max(1, round(count * PROBE_SECONDS + rewriting))
    cost = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    unknown = (
        f"the date, length and codec of {videos} are not known, so that no filter finds them: "
        if snapshot.paths_without_facts()
        else f"the subtitles of {videos} were not read, so that no search finds their words: "
    )
    return (
        f"{unknown}`finereel migrate --library {library}` reads them in about {cost} and encodes nothing "
        "again"
    )


def _offer_of_tokens(library: Place, snapshot: Snapshot) -> str:
    if snapshot.format >= TOKENS_SINCE or not snapshot.count:
        return ""
    seconds = max(1, round(snapshot.count * REWRITE_SECONDS))
    return (
        f"searches prepare the tokens of every clip anew, and some are stored twice: `finereel "
        f"migrate --library {library}` stores them as the model reads them in about {seconds} s "
        "and encodes nothing again"
    )


def _read(
    file: FileRecord, source: VideoSource, tags: Sequence[str], known: FileFacts | None
) -> FileFacts | None:
    """The facts of a file; None where it cannot be read or is no longer what was indexed."""
    path = Path(file.path)
    try:
        if source.state(path) != file.state:
            return None
        if known is not None and known.known:
            return known
        return FileFacts.of(source.probe(path), file.state, tags)
    except (VideoError, OSError):
        return None
