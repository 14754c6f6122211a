"""Report what a library contains and what is wrong with it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finereel.index.bank import Bank
from finereel.index.folders import Away, away, folders_away, is_below
from finereel.index.journal import Journal
from finereel.index.migration import offer
from finereel.index.schema import PARTLY
from finereel.index.settings import LibrarySettings
from finereel.index.settle import lost_version
from finereel.index.store import ClipStore
from finereel.index.tokens import stored_bytes
from finereel.io.atomic import read_stored_json, write_file
from finereel.io.storage.places import Place, size_of
from finereel.types import Problem
from finereel.video.find import Found, extensions

GONE = "the file is gone; put it back, or forget it with `finereel remove`"
BEGUN = "not finished: its first clips can be found, the rest comes with the next `finereel index`"
TWICE = "this clip is in the table more than once; index again"
LOST = "the last commit was lost in a power cut; run `finereel index` again"


@dataclass(frozen=True)
class LibraryStatus:
    """What a library contains.

    Attributes:
        path: The library folder.
        videos: Videos that can be found.
        clips: Clips that can be found.
        failed: Files with bad content.
        unread: Files that could not be read when last tried and will be tried again.
        partial: Videos of which a part could not be read.
        unfinished: Videos of which a part is still to be indexed.
        missing: Videos that are gone; their clips are kept but hidden.
        away: Folders that are not available now.
        bytes: Size of the library folder on disk.
        model: Name of the model.
        fingerprint: Fingerprint of the model.
        normalization: `none` or `bank:<hash>`.
        version: Version of the clip table; it grows with every commit.
        clip_seconds: Length of a clip in seconds.
        preset: How videos are read and encoded, see `finereel.index.presets.PRESETS`.
        folders: Indexed folders, see `finereel.index.settings.LibrarySettings`.
        excluded: Paths taken out with `remove`.
        included: Paths named again after they were excluded.
        schema: Version of the clip table's schema.
        tokens: Format of the tokens, a name of `finereel.codecs.CODECS`.
        bytes_per_clip: Bytes of the tokens and the video vector of one clip.
        disk_bytes_per_clip: Size of the clip table's newest version on disk, pictures included, for
            each clip; 0 without clips.
        migration: What `finereel migrate` would bring and cost; empty where it has nothing to do.
        note: Anything else to know, such as a commit lost in a power cut.
    """

    path: str
    videos: int
    clips: int
    failed: int
    unread: int
    partial: int
    unfinished: int
    missing: int
    away: tuple[Away, ...]
    bytes: int
    model: str
    fingerprint: str
    normalization: str
    version: int
    clip_seconds: float | None
    preset: str
    folders: tuple[str, ...]
    excluded: tuple[str, ...]
    included: tuple[str, ...]
    schema: int
    tokens: str
    bytes_per_clip: int
    disk_bytes_per_clip: int
    migration: str = ""
    note: str = ""


def library_status(library: Place, store: ClipStore, bank: Bank | None) -> LibraryStatus:
    """Counts of one committed state."""
    journal, settings = Journal(store.folder), LibrarySettings.load(library)
    files = journal.with_warnings(store.files())
    failures = journal.current(files).values()
    here = [file for file in files.values() if not file.missing]
    snapshot = store.snapshot()
    return LibraryStatus(
        path=str(library),
        videos=len(here),
        clips=snapshot.count,
        failed=sum(not failure.passing and not failure.partial for failure in failures),
        unread=sum(failure.passing for failure in failures),
        partial=sum((file.warning or "").startswith(PARTLY) for file in here),
        unfinished=sum(not file.finished for file in here),
        missing=len(files) - len(here),
        away=away(
            folders_away(settings.folders, [(file.path, file.missing) for file in files.values()])
        ),
        bytes=size_of(library),
        model=store.manifest.model.name,
        fingerprint=store.manifest.model.fingerprint,
        normalization="none" if bank is None else bank.name,
        version=snapshot.version,
        clip_seconds=settings.cut(None, snapshot, library).clip_seconds,
        preset=settings.preset,
        folders=settings.folders,
        excluded=settings.excluded,
        included=settings.included,
        schema=store.manifest.format,
        tokens=store.manifest.model.stored.format,
        bytes_per_clip=stored_bytes(store.manifest.model, store.manifest.model.stored.format),
        disk_bytes_per_clip=store.bytes_per_clip(),
        migration=offer(library, snapshot),
        note=LOST if lost_version(store.folder) is not None else "",
    )


def find_problems(library: Place, store: ClipStore) -> list[Problem]:
    """Files that failed, are known in part only, are gone or were left out, folders that are not
    here, doubled clips.

    Every file is listed once, under the folder if that is not here.
    """
    journal = Journal(store.folder)
    files = journal.with_warnings(store.files())
    groups = folders_away(
        LibrarySettings.load(library).folders,
        [(file.path, file.missing) for file in files.values()],
    )
    reasons = {path: failure.error for path, failure in journal.current(files).items()}
    for file in files.values():
        if file.path in reasons:
            continue
        if file.missing:
            reasons[file.path] = GONE
        elif not file.finished:
            reasons[file.path] = BEGUN
        elif file.warning is not None:
            reasons[file.path] = file.warning
    hidden = {path for paths in groups.values() for path in paths}
    problems = [Problem(path, reasons[path]) for path in sorted(reasons) if path not in hidden]
    advice = "connect it and index again, or forget it with `finereel remove`"
    problems += [Problem(place.path, f"{place}; {advice}") for place in away(groups)]
    ids = Counter(store.snapshot().clip_ids())
    problems += [Problem(clip_id, TWICE) for clip_id in sorted(ids) if ids[clip_id] > 1]
    return problems + LeftOut.load(library).problems()


# What the last look through each folder left out: files of unknown kind and folders that could not
# be read.
NAME = "left-out.json"


@dataclass(frozen=True)
class LeftOut:
    """unknown: paths of files of unknown kind. unreadable: folders that could not be read, each
    with the reason.
    """

    unknown: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, found: Found) -> "LeftOut":
        """What a look through folders left out."""
        folders = tuple((str(folder), reason) for folder, reason in found.unreadable)
        return cls(tuple(map(str, found.unknown)), folders)

    @classmethod
    def load(cls, library: Place) -> "LeftOut":
        """What the library at `library` remembers; nothing where it remembers nothing readable."""
        stored = read_stored_json(library / NAME) or {}
        try:
            folders = tuple(
                (str(folder), str(reason)) for folder, reason in stored.get("unreadable", ())
            )
            return cls(tuple(map(str, stored.get("unknown", ()))), folders)
        except (TypeError, ValueError):
            return cls()

    def after(self, roots: Sequence[str], newer: "LeftOut") -> "LeftOut":
        """What holds once the folders and files `roots` were looked at again, with `newer` as the
        result.
        """
        unknown = (path for path in self.unknown if not _any_below(path, roots))
        unreadable = (entry for entry in self.unreadable if not _any_below(entry[0], roots))
        return LeftOut((*unknown, *newer.unknown), (*unreadable, *newer.unreadable))

    def save(self, library: Place) -> None:
        """Remember this, unless it is remembered already."""
        if self != LeftOut.load(library):
            stored = {"unknown": self.unknown, "unreadable": self.unreadable}
            write_file(library / NAME, json.dumps(stored))

    def problems(self) -> list[Problem]:
        """One problem per folder that cannot be read, and one per unknown extension."""
        found = [
            Problem(
                folder, f"this folder cannot be read ({reason}); allow reading it, then index again"
            )
            for folder, reason in self.unreadable
        ]
        by_extension: dict[str, list[str]] = {}
        for path in sorted(self.unknown):
            by_extension.setdefault(Path(path).suffix.lower(), []).append(path)
        for paths in by_extension.values():
            kind = (
                "one file"
                if len(paths) == 1
                else f"{len(paths)} files, of which this is the first,"
            )
            advice = "to have a file read all the same, name it: finereel index FILE"
            found.append(
                Problem(
                    paths[0], f"{kind} of unknown kind left out ({extensions(paths)}); {advice}"
                )
            )
        return found


def _any_below(path: str, roots: Iterable[str]) -> bool:
    return any(is_below(path, root) for root in roots)
