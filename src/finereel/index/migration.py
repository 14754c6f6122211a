"""Bring a library of a former version to the newest schema of its table: read what its files are,
without decoding their clips or encoding anything.

The columns come in one commit, the facts of the files in further ones, so that a run that is killed
leaves a library that answers, and the same command goes on where it stopped.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from finereel.errors import VideoError
from finereel.index.facts import FileFacts
from finereel.index.manifest import FORMAT, write_manifest
from finereel.index.protocols import VideoSource
from finereel.index.schema import FileRecord
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from finereel.io.signals import StopFlag
from finereel.types import OnProgress

PROBE_SECONDS = 0.04
"""What it takes to read what a file is; measured on 14 real videos on one core of a busy machine:
0.033 s.
"""

TIDY_AFTER = 16
"""Commits after which the copies of rows that they leave behind are removed."""


@dataclass(frozen=True)
class MigrationSettings:
    """commit_videos: videos whose facts are committed together. ann_threshold: as in
    `finereel.index.events.AddSettings`.
    """

    commit_videos: int = 256
    ann_threshold: int = 100_000


@dataclass(frozen=True)
class MigrationReport:
    """What a migration did.

    Attributes:
        videos: Videos whose facts were read by this run.
        skipped: Videos whose facts could not be read: gone, changed since they were indexed, or
            not readable now. The next `finereel index` or `finereel migrate` tries again.
        seconds: Seconds the run took.
        interrupted: Whether Ctrl-C stopped the run; everything counted here is committed.
    """

    videos: int = 0
    skipped: int = 0
    seconds: float = 0.0
    interrupted: bool = False


def migrate(
    library: Path,
    store: ClipStore,
    source: VideoSource,
    settings: MigrationSettings,
    on_progress: OnProgress,
    stop: StopFlag,
) -> MigrationReport:
    """Add the columns that the table lacks, then the facts of all files that are not known.

    The caller holds the lock. When `stop` is set, what was read is committed.
    """
    began, report = time.monotonic(), MigrationReport()
    if store.manifest.format < FORMAT:
        # Before the table: a program of a former version must not open it from now on.
        write_manifest(library, replace(store.manifest, format=FORMAT))
        store.migrate()
    snapshot = store.snapshot()
    tags, files = snapshot.tags(), files_without_facts(snapshot)
    waiting = iter(files)
    commits = 0
    while chosen := list(islice(waiting, settings.commit_videos)):
        facts = dict(_read(chosen, source, tags, stop))
        if facts:
            store.describe(facts)
            commits += 1
        if stop.is_set():
            report = replace(report, videos=report.videos + len(facts), interrupted=True)
            break
        report = replace(
            report,
            videos=report.videos + len(facts),
            skipped=report.skipped + len(chosen) - len(facts),
        )
        on_progress("reading videos", report.videos + report.skipped, len(files))
        if commits and commits % TIDY_AFTER == 0:
            store.tidy()
    store.tidy()
    store.refresh_ann(settings.ann_threshold)
    return replace(report, seconds=time.monotonic() - began)


def files_without_facts(snapshot: Snapshot) -> list[FileRecord]:
    """The files that are not missing and of which it is not known what they are."""
    unknown = snapshot.paths_without_facts()
    return [file for path, file in snapshot.files().items() if path in unknown and not file.missing]


def offer(library: Path, snapshot: Snapshot) -> str:
    """What a migration would bring and cost, in one line; empty where there is nothing to do."""
    count = len(files_without_facts(snapshot))
    if not count:
        return ""
    videos = f"{count} video{'' if count == 1 else 's'}"
    seconds = max(1, round(count * PROBE_SECONDS))
    cost = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    return (
        f"the date, length and codec of {videos} are not known, so that no filter finds them: "
        f"`finereel migrate --library {library}` reads them in about {cost} and encodes nothing "
        "again"
    )


def _read(
    files: Sequence[FileRecord],
    source: VideoSource,
    tags: dict[str, tuple[str, ...]],
    stop: StopFlag,
) -> Iterator[tuple[str, FileFacts]]:
    """File id and facts of every file that can be read and is what was indexed."""
    for file in files:
        if stop.is_set():
            return
        path = Path(file.path)
        try:
            if source.state(path) == file.state:
                facts = FileFacts.of(source.probe(path), file.state, tags.get(file.path, ()))
                yield file.file_id, facts
        except (VideoError, OSError):
            continue
