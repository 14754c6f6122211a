"""A library of videos: add files, search them with words, see what is in it.

from finereel.library import Library

library = Library.open("holiday.library", model="reelworld-tiny")
library.add(["~/Videos/holiday"])
for hit in library.search("a dog jumps into the water"):
    print(hit.video, hit.start, hit.score)
"""

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from finereel.errors import LibraryError, ModelMismatchError, NotAVideoError
from finereel.index.bank import NAME as BANK
from finereel.index.bank import Bank, remove_bank
from finereel.index.events import AddEvent, AddReport, AddSettings, OnEvent
from finereel.index.faults import storage_errors, typed_storage
from finereel.index.folders import away, folders_away, is_below, vanished
from finereel.index.journal import Journal
from finereel.index.manifest import Manifest
from finereel.index.opening import (
    absolute,
    begin_library,
    begin_rebuild,
    drop_replaced,
    finish_rebuild,
    open_store,
    prepare_writing,
)
from finereel.index.plan import Planner
from finereel.index.presence import not_found
from finereel.index.protocols import IndexedModel, SearchModel, VideoSource
from finereel.index.repair import RepairReport, find_damage, repair
from finereel.index.search import (
    Searcher,
    SearchSettings,
    fit_bank,
    rank_captions,
    reading_of,
    refit,
)
from finereel.index.settings import LibrarySettings
from finereel.index.status import LeftOut, LibraryStatus, find_problems, library_status
from finereel.index.store import ClipStore, writer_lock
from finereel.index.writer import Writer
from finereel.io.signals import stop_on_interrupt
from finereel.text.query import Reading, checked_query
from finereel.types import CaptionHit, Hit, Problem
from finereel.video.find import Found, nothing_found
from finereel.video.plan import ClipPlan
from finereel.video.reader import DiskSource

_LOG = logging.getLogger(__name__)


@dataclass
class _Cached:
    """The searcher of the newest commit seen, and what it was made of."""

    key: tuple[str, int, int]
    searcher: Searcher


class Library:
    """A folder that makes videos searchable. Use `Library.open`.

    Searching takes no lock and sees the last committed state, also while another process adds.
    """

    def __init__(
        self, path: Path, model: str | Path | SearchModel | None, source: VideoSource
    ) -> None:
        self.path = path
        self._wanted = model
        self._model: SearchModel | None = None
        self._source = source
        self._cached: _Cached | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        model: str | Path | SearchModel | None = None,
        source: VideoSource | None = None,
    ) -> "Library":
        """The library in the folder `path`; nothing is read or made yet, the first `add` makes the
        folder.

        model: a model, its directory, bundled name or hub id. None means the one the library was
            made with, or for a new library `finereel.models.saving.DEFAULT_MODEL`. It is loaded
            when first needed.
        source: where videos are read from; the file system by default.
        """
        return cls(absolute(path), model, source or DiskSource())

    def close(self) -> None:
        """End the decoding child process, if one runs. The library can be used again."""
        self._source.close()

    @typed_storage("written")
    def add(
        self,
        paths: Iterable[str | Path],
        *,
        on_event: OnEvent | None = None,
        settings: AddSettings | None = None,
    ) -> AddReport:
        """Index the videos at `paths` (files and folders) and everything that changed there.

        Unchanged files cost a look at their size and time; renamed ones are recognised by content;
        vanished ones are hidden from search until they return; files that cannot be read are listed
        by `doctor` and stop nothing. What `remove` took out stays out unless `paths` names it. A
        folder that is not here now (a drive that is unplugged) is named in the report, and its
        files are hidden until it is back.

        Clips become searchable commit by commit, also in the middle of a film. Ctrl-C ends the
        current commit and returns (`interrupted`); a killed process loses only what was not
        committed, and the same call goes on from there.

        Raises LibraryBusyError when another process writes, ModelMismatchError, ConfigError when
        the library's clips have another length, NotAVideoError when there is nothing at `paths`,
        LibraryError when the disk refuses.
        """
        roots = [str(absolute(path)) for path in paths]
        model = self._load_model()
        with self._writing(model) as store:
            settings, known = settings or AddSettings(), LibrarySettings.load(self.path)
            own = known.cut(settings.clip_seconds, store.snapshot(), self.path).name(roots)
            groups = self._away(roots, store)
            found = self._find([root for root in roots if root not in groups], store).without(
                own.excludes
            )
            left_out = LeftOut.of(found)
            LeftOut.load(self.path).after(
                [root for root in roots if root not in groups], left_out
            ).save(self.path)
            own = own.remember(roots)
            if own != known:
                own.save(self.path)
            self._forget(store, [path for path in self._known(store) if own.excludes(path)])
            settings = replace(settings, clip_seconds=own.clip_seconds)
            report = self._run(store, found.videos, roots, settings, on_event)
        gone = report.away or away(groups)
        return replace(report, away=gone, unknown=left_out.unknown, unreadable=left_out.unreadable)

    @typed_storage("read")
    def search(
        self, text: str, top: int = 10, *, candidates: int | None = 200, per_video: int | None = 1
    ) -> list[Hit]:
        """The clips that fit a text best, best first.

        candidates: clips that get the full score after the coarse look at all of them; None scores
        every clip.
        per_video: at most so many hits of one video; None for no limit. Files with the same content
        count as one
            video: the hit names the first, `copies` the others.

        What `reading` says is logged as a warning. Raises QueryError, LibraryNotFoundError,
        ModelMismatchError.
        """
        settings = SearchSettings(top, candidates, per_video)
        for note in self.reading(text).notes():
            _LOG.warning(note)
        model = self._load_model()
        try:
            return self._searcher().search(model, text, settings)
        except LibraryError:
            # A writer replaced the bank or the whole index between two of our reads: look at the
            # new state once.
            self._cached = None
            return self._searcher().search(model, text, settings)

    @typed_storage("read")
    def reading(self, text: str) -> Reading:
        """What the model does not take in of a query: words that are cut or unknown, another
        language.
        """
        checked_query(text)
        self._existing()
        return reading_of(self._load_model(), text)

    @typed_storage("read")
    def describe(self, video: str | Path, captions: Sequence[str]) -> list[CaptionHit]:
        """Captions ranked by how well they describe a video, best first.

        video: a file of the library, or any other video, which is then encoded on the fly and not
        kept.
        """
        captions = [checked_query(caption) for caption in captions]
        path = absolute(video)
        store, model = self._existing(), self._load_model()
        record = store.files().get(str(path))
        if record is not None:
            return rank_captions(model, store.snapshot().of_file(record.file_id).features, captions)
        length = LibrarySettings.load(self.path).cut(None, store.snapshot(), self.path).clip_seconds
        plan = ClipPlan(length=length, num_frames=model.num_frames, size=model.picture_size)
        clips = [clip.frames for clip in self._source.clips(path, plan)]
        if not clips:
            raise NotAVideoError(f"{path}: no picture could be decoded")
        return rank_captions(model, model.encode_video(clips), captions)

    @typed_storage("read")
    def status(self) -> LibraryStatus:
        """Counts, size on disk, model and normalisation."""
        store = self._existing()
        return library_status(self.path, store, Bank.load(store.folder))

    @typed_storage("read")
    def doctor(self, *, verify: bool = False) -> list[Problem]:
        """Everything that is wrong: files that failed, are known in part or are gone, folders that
        are not here now, and damage to the library.

        verify: read every stored clip and compare it with its checksums.
        """
        damage = find_damage(self.path, verify)
        try:
            return damage + find_problems(self.path, self._existing())
        except LibraryError:
            if not damage:
                raise
            return damage

    @typed_storage("written")
    def repair(self) -> RepairReport:
        """Mend damage by bit rot or a power cut: every whole clip is kept, damaged files are set
        aside.

        Raises LibraryBusyError when another process writes, LibraryError when nothing can be kept.
        """
        if not self.path.is_dir():
            raise not_found(self.path)
        with writer_lock(self.path):
            return repair(self.path)

    @typed_storage("written")
    def remove(self, paths: Iterable[str | Path], *, exclude: bool = True) -> int:
        """Forget videos, by file or by folder; returns how many. The video files stay where they
        are.

        exclude: leave them out of every later `add` too, until one names the same path; otherwise
            the next `add` of a folder above brings them back. A path that neither exists nor is
            known is not remembered.
        """
        roots = [str(absolute(path)) for path in paths]
        self._existing()
        with self._writing(None) as store:
            known = self._known(store)
            chosen = [path for path in known if any(is_below(path, root) for root in roots)]
            if exclude:
                real = [
                    root
                    for root in roots
                    if os.path.lexists(root) or any(is_below(path, root) for path in chosen)
                ]
                own = LibrarySettings.load(self.path)
                if real and own.exclude(real) != own:
                    own.exclude(real).save(self.path)
            removed = self._forget(store, chosen)
            store.tidy()
        return removed

    @typed_storage("written")
    def fit_normalization(
        self, captions: Sequence[str], *, temperature: float = 1.0, strength: float = 1.0
    ) -> str:
        """Correct hubs (clips that fit everything) in every later search; returns the protocol,
        `bank:<hash>`.

        captions: a bank of texts that look like real queries; the more the better, some hundreds at
        least. A bias per clip and granularity is fitted by Sinkhorn (see
        `finereel.normalization.Sinkhorn`) and kept; clips that are added later get theirs by a
        half-step.
        """
        self._existing()
        model = self._load_model()
        with self._writing(model) as store:
            bank = fit_bank(store.snapshot(), model, list(captions), temperature, strength)
            bank.save(store.folder)
        return bank.name

    @typed_storage("written")
    def remove_normalization(self) -> None:
        """Search with plain scores again."""
        self._existing()
        with self._writing(None) as store:
            remove_bank(store.folder)

    @typed_storage("rebuilt")
    def rebuild(
        self,
        model: str | Path | SearchModel,
        *,
        on_event: OnEvent | None = None,
        settings: AddSettings | None = None,
    ) -> AddReport:
        """Index every video of the library again with another model.

        The old index answers until the new one is complete and then goes. When interrupted, the
        same call goes on. It does so as well when videos could not be read this time (`unread`) or
        their folder is not here now (`away`). A fitted normalisation is fitted again with the same
        captions.
        """
        self._existing()
        self._wanted, self._model = model, None
        fresh = self._load_model()
        settings = settings or AddSettings()
        with writer_lock(self.path):
            old = self._existing()
            drop_replaced(self.path, old)
            own = LibrarySettings.load(self.path).cut(
                settings.clip_seconds, old.snapshot(), self.path
            )
            own.save(self.path)
            store = begin_rebuild(self.path, old, _indexed(fresh))
            store.prepare()
            known = [path for path, file in old.files().items() if not file.missing]
            if gone := folders_away(own.folders, [(path, vanished(path)) for path in known]):
                return AddReport(left=len(known), away=away(gone))
            found = [Path(path) for path in known if not vanished(path)]
            report = self._run(
                store, found, [], replace(settings, clip_seconds=own.clip_seconds), on_event
            )
            if not report.interrupted and not report.away and not report.unread:
                bank = refit(Bank.load(old.folder), store.snapshot(), fresh)
                if bank is not None:
                    bank.save(store.folder)
                finish_rebuild(self.path, store)
        return report

    def _load_model(self) -> SearchModel:
        if self._model is None:
            store = open_store(self.path)
            wanted = self._wanted
            if wanted is None and store is not None:
                wanted = store.manifest.model.name
            self._model = _load(wanted)
        return self._model

    def _existing(self) -> ClipStore:
        store = open_store(self.path)
        if store is None:
            raise not_found(self.path)
        return store

    @contextmanager
    def _writing(self, model: SearchModel | None) -> Iterator[ClipStore]:
        """The store with the lock held; made first where there is none and a model is given."""
        with storage_errors(self.path, "made"):
            self.path.mkdir(parents=True, exist_ok=True)
        with writer_lock(self.path):
            store = open_store(self.path)
            if store is None:
                if model is None:
                    raise not_found(self.path)
                store = begin_library(self.path, Manifest(_indexed(model)))
            drop_replaced(self.path, store)
            prepare_writing(self.path, store)
            if model is not None:
                _require_same_model(store, model, self.path)
            yield store

    def _known(self, store: ClipStore) -> list[str]:
        """Every path the library knows something about."""
        return sorted({*store.files(), *Journal(store.folder).paths()})

    def _forget(self, store: ClipStore, paths: list[str]) -> int:
        """Drop the rows and the failures of files; returns how many files had rows."""
        files = store.files()
        chosen = [files[path].file_id for path in paths if path in files]
        if chosen:
            store.commit([], chosen)
        Journal(store.folder).forget(paths)
        return len(chosen)

    def _away(self, roots: list[str], store: ClipStore) -> dict[str, list[str]]:
        """The known files in those of `roots` that are not here now, by root."""
        known = self._known(store)
        files = store.files()
        return folders_away(
            [root for root in roots if root not in files], [(path, False) for path in known]
        )

    def _find(self, roots: list[str], store: ClipStore) -> Found:
        """The video files at `roots`. A root that is gone counts as vanished when the library knows
        files there.
        """
        known = self._known(store)
        forgotten = {root for root in roots if any(is_below(path, root) for path in known)}
        wanted = [Path(root) for root in roots if os.path.lexists(root) or root not in forgotten]
        try:
            found = self._source.find(wanted) if wanted else Found()
        except NotAVideoError:
            if not forgotten:
                raise
            return Found()
        if not found.videos and wanted and not forgotten:
            raise nothing_found(wanted, found)
        return found

    def _run(
        self,
        store: ClipStore,
        found: Collection[Path],
        roots: list[str],
        settings: AddSettings,
        on_event: OnEvent | None,
    ) -> AddReport:
        journal = Journal(store.folder)
        with stop_on_interrupt() as stop:
            plan = Planner(self._source, store.files(), journal, settings.retry_failed).plan(
                found, roots
            )
            paths = [str(path) for path in found]
            watched = [
                root
                for root in roots or LibrarySettings.load(self.path).folders
                if root not in paths
            ]
            plan.folders = [root for root in watched if any(is_below(path, root) for path in paths)]
            gone = folders_away(plan.folders, [(path, False) for path in paths])
            if gone:  # since they were looked through: nothing is known about their files
                return AddReport(left=len(found), away=away(gone))
            writer = Writer(store, journal, Bank.load(store.folder), settings)
            return writer.run(plan, self._source, self._load_model(), on_event or _silent, stop)

    def _searcher(self) -> Searcher:
        store, model = self._existing(), self._load_model()
        _require_same_model(store, model, self.path)
        bank_file = store.folder / BANK
        key = (
            store.manifest.folder,
            store.version(),
            bank_file.stat().st_mtime_ns if bank_file.exists() else 0,
        )
        if self._cached is None or self._cached.key != key:
            self._cached = _Cached(key, Searcher.of(store.snapshot(), Bank.load(store.folder)))
        return self._cached.searcher


def _silent(event: AddEvent) -> None:
    del event


def _load(wanted: str | Path | SearchModel | None) -> SearchModel:
    if wanted is not None and not isinstance(wanted, str | Path):
        return wanted
    from finereel.models.saving import DEFAULT_MODEL, load

    return load(DEFAULT_MODEL if wanted is None else wanted)


def _indexed(model: SearchModel) -> IndexedModel:
    """What is kept of a model; a directory by its absolute path, so that it is found from
    anywhere.
    """
    indexed = IndexedModel.of(model)
    return (
        replace(indexed, name=str(absolute(indexed.name)))
        if Path(indexed.name).is_dir()
        else indexed
    )


def _require_same_model(store: ClipStore, model: SearchModel, library: Path) -> None:
    ours = store.manifest.model
    if model.fingerprint != ours.fingerprint:
        raise ModelMismatchError(
            f"{library} was indexed with {ours.name} ({ours.fingerprint}), got {model.name} "
            f"({model.fingerprint}): "
            "their features do not compare. Use the library's own model (leave --model out), index "
            "into another "
            f"library (`--library NEW --model {model.name}`), or change this one's model with "
            f"`finereel rebuild --library {library} --model {model.name}`"
        )
