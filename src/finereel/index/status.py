"""What is in a library, and what is wrong with it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finereel.index.bank import Bank
from finereel.index.journal import Journal
from finereel.index.schema import FileRecord
from finereel.index.settle import lost_version
from finereel.index.store import ClipStore
from finereel.types import Problem

LOST = "the last commit was lost in a power cut; run `finereel index` again"


@dataclass(frozen=True)
class LibraryStatus:
    """videos and clips can be found; missing videos are kept but hidden; failed ones are listed by `doctor`.

    bytes: on disk, all of the library folder. normalization: `none` or `bank:<hash>`. version: of the clip table; it
    grows with every commit. note: what else to know, for instance that a power cut took the last commit.
    """

    path: str
    videos: int
    clips: int
    failed: int
    missing: int
    bytes: int
    model: str
    fingerprint: str
    normalization: str
    version: int
    note: str = ""


def library_status(library: Path, store: ClipStore, journal: Journal, bank: Bank | None) -> LibraryStatus:
    """Counts of one committed state."""
    files = store.files().values()
    missing = sum(file.missing for file in files)
    snapshot = store.snapshot()
    return LibraryStatus(
        path=str(library),
        videos=len(files) - missing,
        clips=snapshot.count,
        failed=len(journal),
        missing=missing,
        bytes=sum(path.stat().st_size for path in library.rglob("*") if path.is_file()),
        model=store.manifest.model.name,
        fingerprint=store.manifest.model.fingerprint,
        normalization="none" if bank is None else bank.name,
        version=snapshot.version,
        note=LOST if lost_version(store.folder) is not None else "",
    )


def find_problems(files: Iterable[FileRecord], journal: Journal, clip_ids: list[str]) -> list[Problem]:
    """Files that failed, files of which a part is missing, files that are gone, and clips that exist twice."""
    problems = [
        Problem(failure.path, f"partly read: {failure.error}" if failure.partial else failure.error)
        for failure in journal.all()
    ]
    gone = "the file is gone; put it back, or forget it with `finereel remove`"
    problems += [Problem(file.path, gone) for file in files if file.missing]
    twice = sorted(clip_id for clip_id, count in Counter(clip_ids).items() if count > 1)
    problems += [Problem(clip_id, "this clip is in the table more than once; index again") for clip_id in twice]
    return problems
