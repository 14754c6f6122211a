"""`Library`: add videos to a folder, search them by text, and inspect what is in it.

from finereel.library import Library

library = Library.open("holiday.library", model="reelworld-tiny")
library.add(["~/Videos/holiday"])
for hit in library.search("a dog jumps into the water"):
    print(hit.video, hit.start, hit.score)
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from finereel.asking import AskedLibrary
from finereel.errors import LibraryError
from finereel.index.bank import Bank, remove_bank
from finereel.index.confidence import keep_up
from finereel.index.events import AddEvent, AddReport, AddSettings, FileHeard, OnEvent
from finereel.index.faults import storage_errors, typed_storage
from finereel.index.folders import away, folders_away, is_below, vanished
from finereel.index.journal import Journal
from finereel.index.known import find_videos, forget, known_away, known_paths
from finereel.index.manifest import FORMAT, Manifest
from finereel.index.migration import MigrationReport, MigrationSettings, finish, migrate, offer
from finereel.index.opening import (
    absolute,
    begin_library,
    begin_rebuild,
    described,
    drop_replaced,
    finish_rebuild,
    library_place,
    open_store,
    prepare_place,
    prepare_writing,
    require_folder,
    require_same_model,
    require_same_tokens,
)
from finereel.index.plan import Planner
from finereel.index.presence import not_found
from finereel.index.protocols import SearchModel, VideoSource
from finereel.index.repair import RepairReport, find_damage, repair, unsound
from finereel.index.search import fit_bank, refit
from finereel.index.settings import LibrarySettings
from finereel.index.sidecar import refresh_vectors
from finereel.index.status import LeftOut, LibraryStatus, find_problems, library_status
from finereel.index.store import ClipStore, writer_lock
from finereel.index.tags import carry_tags, checked_tags, tag_files
from finereel.index.token_migration import migrate_tokens
from finereel.index.tokens import require_smaller
from finereel.index.transcribing import carry_words, listen
from finereel.index.tuning import estimate_rebuild, tune_threads
from finereel.index.words import read_again
from finereel.index.writer import Writer
from finereel.io.signals import stop_on_interrupt
from finereel.io.storage.places import StorePath
from finereel.models.choice import default_model, full_name
from finereel.types import OnProgress, Problem, no_progress
from finereel.video.reader import DiskSource


class Library(AskedLibrary):
    """A folder that makes videos searchable; make one with `Library.open`.

    Searching takes no lock and sees the last committed state, even while another process adds
    videos.

    Attributes:
        path: Absolute path of the library folder.
    """

    @classmethod
    def open(
        cls,
        path: str | Path | StorePath,
        model: str | Path | SearchModel | None = None,
        source: VideoSource | None = None,
    ) -> "Library":
        """Open the library in a folder, or prepare a new one.

        Nothing is read or written yet: the first `add` creates the folder, and the model is loaded
        when it is first needed.

        Args:
            path: Folder of the library, or its address in an object store (`s3://bucket/name`).
            model: A model, its directory, a bundled name or a hub id. None means the model the
                library was made with; for a new one it is that of
                `finereel.models.choice.default_model`.
            source: Where videos are read from; None means the file system.

        Returns:
            The library.

        Example:
            >>> Library.open("holiday.library", model="reelworld-tiny").path.name
            'holiday.library'
        """
        return cls(library_place(path), model, source or DiskSource())

    @property
    def model_name(self) -> str:
        """Name of the model that answers: the one given, the library's own, or the default."""
        if self._wanted is None:
            store = open_store(self.path)
            return default_model() if store is None else store.manifest.model.name
        named = isinstance(self._wanted, str | Path)
        return full_name(str(self._wanted)) if named else self._load_model().name

    def tune(self) -> None:
        """Encode with as many threads as were fastest on this machine.

        It is measured once per model, kept in the user's cache, and changes the number of threads
        of this process. Nothing happens on one core, or where OMP_NUM_THREADS decides.

        Raises:
            ModelNotFoundError: If the model is not on this machine.
        """
        tune_threads(self._load_model())

    def close(self) -> None:
        """End the decoding child process, if one runs; the library can still be used afterwards."""
        self._source.close()

    @typed_storage("written")
    def add(
        self,
        paths: Iterable[str | Path],
        *,
        on_event: OnEvent | None = None,
        settings: AddSettings | None = None,
    ) -> AddReport:
        """Index the videos at some paths, and everything that changed there.

        Unchanged files are recognised by size and modification time, renamed files by their
        content. Files that vanished are hidden from search until they return. Files that cannot be
        read do not stop the run; `doctor` lists them. What `remove` took out stays out unless
        `paths` names it. A folder that is not available now (such as an unplugged drive) is named
        in the report, and its files are hidden until it is back.

        Clips become searchable commit by commit, even in the middle of a film. Ctrl-C finishes the
        current commit and returns; a killed process loses only what was not committed. The same
        call continues either.

        Args:
            paths: Video files, and folders that are searched for videos.
            on_event: Called with every progress event.
            settings: How videos are cut, decoded and committed; None means the defaults.

        Returns:
            The numbers of videos and clips by outcome; `interrupted` is True after Ctrl-C.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            ModelMismatchError: The library was indexed with another model.
            ConfigError: The library's clips have another length, or its tokens another format.
            NotAVideoError: There is no video at `paths`.
            LibraryError: The library cannot be written.
        """
        roots = [str(absolute(path)) for path in paths]
        model, settings = self._load_model(), settings or AddSettings()
        with self._writing(model, settings.tokens, sole=False) as store:
            known = LibrarySettings.load(self.path)
            own = known.cut(settings.clip_seconds, store.snapshot(), self.path).name(roots)
            own = replace(own, preset=settings.preset or own.preset)
            groups = known_away(store, roots)
            found = find_videos(
                self._source, store, [root for root in roots if root not in groups]
            ).without(own.excludes)
            left_out = LeftOut.of(found)
            LeftOut.load(self.path).after(
                [root for root in roots if root not in groups], left_out
            ).save(self.path)
            own = own.remember(roots)
            if own != known:
                own.save(self.path, known)
            forget(store, [path for path in known_paths(store) if own.excludes(path)])
            settings = replace(settings, clip_seconds=own.clip_seconds, preset=own.preset)
            report = self._run(store, found.videos, roots, settings, on_event)
            report = replace(report, migration=offer(self.path, store.snapshot()))
        gone = report.away or away(groups)
        return replace(report, away=gone, unknown=left_out.unknown, unreadable=left_out.unreadable)

    @typed_storage("read")
    def status(self) -> LibraryStatus:
        """Report counts, size on disk, model and normalization.

        Returns:
            The status of the last committed state.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
        """
        store = self._existing()
        return library_status(self.path, store, Bank.load(store.folder))

    @typed_storage("read")
    def doctor(self, *, verify: bool = False) -> list[Problem]:
        """List files that could not be indexed, missing folders, and damage to the library.

        Args:
            verify: Whether to read every stored clip and verify its checksums.

        Returns:
            One entry per problem; an empty list if there is none.

        Raises:
            LibraryNotFoundError: There is no library in the folder.
        """
        if isinstance(self.path, StorePath):
            store = self._existing()
            return find_problems(self.path, store) + (unsound(store) if verify else [])
        damage = find_damage(self.path, verify)
        try:
            return damage + find_problems(self.path, self._existing())
        except LibraryError:
            if not damage:
                raise
            return damage

    @typed_storage("written")
    def repair(self) -> RepairReport:
        """Repair damage by bit rot or a power cut.

        Every intact clip is kept; damaged files are moved to quarantine.

        Returns:
            The numbers of kept and dropped clips, and the videos to index again.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            LibraryError: No clip can be kept.
        """
        folder = require_folder(self.path, "repairing")
        if not folder.is_dir():
            raise not_found(folder)
        with writer_lock(folder):
            return repair(folder)

    @typed_storage("written")
    def remove(self, paths: Iterable[str | Path], *, exclude: bool = True) -> int:
        """Remove videos from the library; the video files themselves are not deleted.

        Args:
            paths: Files, or folders whose videos are removed.
            exclude: Whether to exclude the paths from every later `add` until one names them;
                otherwise the next `add` of a folder above adds them again. A path that neither
                exists nor is in the library is not remembered.

        Returns:
            The number of videos removed.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            LibraryNotFoundError: There is no library in the folder.
        """
        roots = [str(absolute(path)) for path in paths]
        self._existing()
        with self._writing(None) as store:
            known = known_paths(store)
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
            removed = forget(store, chosen)
            store.tidy()
        return removed

    @typed_storage("written")
    def migrate(
        self,
        *,
        tokens: str | None = None,
        on_progress: OnProgress = no_progress,
        settings: MigrationSettings | None = None,
    ) -> MigrationReport:
        """Bring a library of a former version up to date, and its tokens into a smaller format.

        It reads what each video file is, and stores tokens as the model reads them. Nothing is
        encoded again, and searches give the same hits before, meanwhile and afterwards; scores may
        differ by what rounding to half precision costs. Ctrl-C finishes the current commit; after
        it, or a killed process, the same call continues.

        Args:
            tokens: A name of `finereel.codecs.CODECS`; None leaves the format as it is. A library
                that was converted is the same as one that was indexed so.
            on_progress: Told how many videos are done.
            settings: How the facts are committed; None means the defaults.

        Returns:
            The numbers of videos by outcome.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            LibraryNotFoundError: There is no library in the folder.
        """
        self._existing()
        settings = settings or MigrationSettings()
        with self._writing(None) as store, stop_on_interrupt() as stop:
            own = store.manifest.model.stored.format
            wanted = tokens or own
            require_smaller(own, wanted)
            report = migrate(self.path, store, self._source, settings, on_progress, stop)
            if stop.is_set() or (store.manifest.format == FORMAT and wanted == own):
                return report
            model = self._load_model()
            require_same_model(store, model, self.path)
            clips = migrate_tokens(self.path, store, (model, wanted), on_progress, stop)
            finish(store, settings)
            return replace(report, clips=clips, interrupted=stop.is_set())

    @typed_storage("written")
    def tag(
        self, paths: Iterable[str | Path], names: Iterable[str], *, remove: bool = False
    ) -> int:
        """Tag videos, so that a search can be restricted to them.

        Args:
            paths: Files, or folders whose videos are tagged.
            names: The tags. Capital and small letters are the same.
            remove: Whether to take the tags away instead.

        Returns:
            The number of videos at or below the paths.

        Raises:
            ConfigError: A tag is empty, too long or not text.
            LibraryError: The library is of a former version; `migrate` it first.
            LibraryBusyError: Another process is writing to the library.
            LibraryNotFoundError: There is no library in the folder.
        """
        roots, wanted = [str(absolute(path)) for path in paths], checked_tags(names)
        self._existing()
        with self._writing(None) as store:
            return tag_files(self.path, store, roots, wanted, remove)

    @typed_storage("written")
    def fit_normalization(
        self, captions: Sequence[str], *, temperature: float = 1.0, strength: float = 1.0
    ) -> str:
        """Lower the scores of hubs, clips that match almost every query, in every later search.

        A bias per clip and granularity is fitted with Sinkhorn-Knopp and stored; clips that are
        added later get theirs without fitting again.

        Args:
            captions: Texts that look like real queries; a few hundred or more.
            temperature: Divides the scores before fitting.
            strength: Multiplies the fitted bias; 0 has no effect, 1 is the full correction.

        Returns:
            The protocol, `bank:<hash>`.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            LibraryNotFoundError: There is no library in the folder.
        """
        self._existing()
        model = self._load_model()
        with self._writing(model) as store:
            bank = fit_bank(store.snapshot(), model, list(captions), temperature, strength)
            bank.save(store.folder)
            keep_up(store.snapshot(), model, bank)
        return bank.name

    @typed_storage("written")
    def remove_normalization(self) -> None:
        """Remove the fitted normalization, so that search uses plain scores.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            LibraryNotFoundError: There is no library in the folder.
        """
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

        The old index answers searches until the new one is complete, and is then removed. The same
        call continues after an interruption, and also if videos could not be read this time
        (`unread`) or their folder is not available now (`away`). A fitted normalization is fitted
        again with the same captions.

        Args:
            model: The new model, its directory, a bundled name or a hub id.
            on_event: Called with every progress event.
            settings: How videos are cut, decoded and committed; None means the defaults.

        Returns:
            The numbers of videos and clips by outcome.

        Raises:
            LibraryBusyError: Another process is writing to the library.
            LibraryNotFoundError: There is no library in the folder.
        """
        folder = require_folder(self.path, "a rebuild")
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
            own = replace(own, preset=settings.preset or own.preset)
            own.save(self.path)
            tokens = settings.tokens or old.manifest.model.stored.format
            store = begin_rebuild(folder, old, described(fresh, tokens))
            require_same_tokens(store, settings.tokens, self.path)
            store.prepare()
            known = [path for path, file in old.files().items() if not file.missing]
            if on_event is not None:
                on_event(estimate_rebuild(fresh, old.snapshot().count))
            if gone := folders_away(own.folders, [(path, vanished(path)) for path in known]):
                return AddReport(left=len(known), away=away(gone))
            found = [Path(path) for path in known if not vanished(path)]
            settings = replace(settings, clip_seconds=own.clip_seconds, preset=own.preset)
            report = self._run(store, found, [], settings, on_event)
            if not report.interrupted and not report.away and not report.unread:
                bank = refit(Bank.load(old.folder), store.snapshot(), fresh)
                if bank is not None:
                    bank.save(store.folder)
                carry_tags(old, store)
                carry_words(old, store)
                keep_up(store.snapshot(), fresh, bank)
                finish_rebuild(folder, store)
                refresh_vectors(store)
        return report

    @contextmanager
    def _writing(
        self, model: SearchModel | None, tokens: str | None = None, sole: bool = True
    ) -> Iterator[ClipStore]:
        """The store with the lock held; made first where there is none and a model is given.

        tokens: their format in a new one, to which another one must agree; None for any. sole:
        whether more is changed than clips added, see `writer_lock`.
        """
        with storage_errors(self.path, "made"):
            prepare_place(self.path)
        with writer_lock(self.path, sole):
            store = open_store(self.path)
            if store is None:
                if model is None:
                    raise not_found(self.path)
                store = begin_library(self.path, Manifest(described(model, tokens)))
            drop_replaced(self.path, store)
            prepare_writing(self.path, store)
            if model is not None:
                require_same_model(store, model, self.path)
            require_same_tokens(store, tokens, self.path)
            yield store
            refresh_vectors(store)

    def _run(
        self,
        store: ClipStore,
        found: Collection[Path],
        roots: list[str],
        settings: AddSettings,
        on_event: OnEvent | None,
    ) -> AddReport:
        journal, tags = Journal(store.folder), store.snapshot().tags()
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
            writer = Writer(store, journal, Bank.load(store.folder), settings, tags)
            on_event = on_event or _silent
            report = writer.run(plan, self._source, self._load_model(), on_event, stop)
            if not report.interrupted and not report.away and roots:
                read_again(store, self._source, sorted({*store.files()} & {*paths}), stop)
            if settings.transcriber is None or report.interrupted or report.away:
                return report
            told = _announced(on_event)
            heard = listen(store, self._source, settings.transcriber, roots, stop, told)
            return replace(
                report,
                transcribed=heard.transcribed,
                unheard=heard.unheard,
                interrupted=stop.is_set(),
            )


def _silent(event: AddEvent) -> None:
    del event


def _announced(on_event: OnEvent) -> Callable[[str], None]:
    return lambda path: on_event(FileHeard(path))
