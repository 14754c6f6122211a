"""Carry out an `AddPlan`, making each change in the order in which a crash does the least harm.

Renames and marks first (one commit), then encoded files, a long one in several commits, then
copies. What goes into the journal and when is said in `finereel.index.journal`.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from finereel.errors import DataError, FinereelError, LibraryError
from finereel.index import events
from finereel.index.bank import Bank
from finereel.index.confidence import keep_up
from finereel.index.events import AddReport, AddSettings, OnEvent
from finereel.index.facts import FileFacts
from finereel.index.folders import Away, is_below, why_away
from finereel.index.journal import Failure, Journal
from finereel.index.pipeline import Began, Encoded, Failed, Noted, Outcome, encode_files
from finereel.index.plan import AddPlan, CopyJob, EncodeJob, failure_of, is_passing, new_file_id
from finereel.index.pool import encode_in_pool
from finereel.index.pools import open_pool
from finereel.index.protocols import SearchModel, VideoSource
from finereel.index.schema import ClipBias, FileRecord, clip_ids, copy_rows, in_stored_form, to_rows
from finereel.index.store import ClipStore
from finereel.index.words import cues_of, said_in_rows
from finereel.io.signals import StopFlag

TIDY_AFTER = 32
"""Commits of one run after which small fragments are merged: a long film makes many."""


@dataclass
class _Pending:
    """Encoded clips that wait for the next commit: rows by file id, and the file ids they
    replace.
    """

    rows: dict[str, list[pa.Table]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    done: list[Encoded] = field(default_factory=list)
    seconds: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @property
    def clips(self) -> int:
        return sum(len(rows) for parts in self.rows.values() for rows in parts)


@dataclass
class _Open:
    """The file of which some clips are encoded. failed: the rest is left out."""

    job: EncodeJob
    file_id: str
    failed: bool = False


class Writer:
    """Adds to a library whose lock the caller holds. tags: those that a person gave, by path; a file
    that is encoded again keeps them.
    """

    def __init__(
        self,
        store: ClipStore,
        journal: Journal,
        bank: Bank | None,
        settings: AddSettings,
        tags: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._store = store
        self._journal = journal
        self._bank = bank
        self._settings = settings
        self._tags = tags
        self._on_event: OnEvent = lambda event: None
        self._report = AddReport()
        self._stored: set[str] = set()
        self._pending = _Pending()
        self._open: _Open | None = None
        self._commits = 0
        self._model: SearchModel | None = None
        self._source: VideoSource | None = None
        self._stop: StopFlag | None = None

    def run(
        self,
        plan: AddPlan,
        source: VideoSource,
        model: SearchModel,
        on_event: OnEvent,
        stop: StopFlag,
    ) -> AddReport:
        """Carry out the plan. When `stop` is set, what is encoded is committed, the rest is left to
        the next run.

        The same holds when one of the plan's folders goes away in the middle of the run: its files
        are not at fault.
        """
        began = time.monotonic()
        self._on_event, self._model, self._stop = on_event, model, stop
        self._source = source
        self._announce(plan)
        self._change(plan)
        for failure in plan.failed:
            self._fail(failure)
        files = self._store.files()
        self._stored = {record.file_id for record in files.values()}
        # In an object store another writer may have come to a file since the plan was made.
        ours = [job for job in plan.encode if job.rows or job.path not in files]
        self._count(unchanged=len(plan.encode) - len(ours))
        plan = replace(plan, encode=ours)
        self._encode(plan, source, model, stop)
        if not stop.is_set() and not self._report.away:
            self._copy(plan.copies)
        self._store.tidy()
        self._store.refresh_ann(self._settings.ann_threshold)
        self._store.refresh_words()
        self._keep_up()
        return replace(self._report, seconds=time.monotonic() - began, interrupted=stop.is_set())

    def _announce(self, plan: AddPlan) -> None:
        self._count(unchanged=len(plan.unchanged), known_bad=len(plan.known_bad))
        sizes = (
            plan.encode,
            plan.unchanged,
            plan.known_bad,
            plan.renamed,
            plan.copies,
            plan.missing,
        )
        self._on_event(events.Planned(*(len(part) for part in sizes)))
        for path in plan.unchanged:
            self._on_event(events.FileSkipped(path, "unchanged"))
        for path in plan.known_bad:
            self._on_event(events.FileSkipped(path, "failed before"))

    def _change(self, plan: AddPlan) -> None:
        self._journal.forget(plan.forgotten)
        if plan.removed:
            self._store.commit([], plan.removed)
        if plan.changes or plan.missing:
            self._store.change([*plan.changes, *plan.missing])
        for old, new in plan.renamed:
            self._on_event(events.FileRenamed(old, new))
        for record in plan.missing:
            self._on_event(events.FileMissing(record.path))
        self._count(renamed=len(plan.renamed), missing=len(plan.missing))

    def _encode(
        self, plan: AddPlan, source: VideoSource, model: SearchModel, stop: StopFlag
    ) -> None:
        jobs, number = [self._resumed(job) for job in plan.encode], 0
        with closing(self._outcomes(jobs, source, model, stop)) as outcomes:
            try:
                for outcome in outcomes:
                    match outcome:
                        case Began():
                            number += 1
                            self._close_file()
                            self._on_event(events.FileStarted(outcome.job.path, number, len(jobs)))
                        case Encoded():
                            self._collect(outcome, model)
                        case Failed():
                            self._fail_job(outcome.job, outcome.error, plan.folders)
                        case Noted():
                            self._on_event(events.EncoderNoted(outcome.line))
                    if self._report.away:
                        self._leave(jobs[number - 1 :])
                        break
                    if self._due():
                        self._commit()
            except (
                FinereelError
            ):  # no decoder, a full disk: what is encoded is kept if that is possible
                self._commit()
                raise
        self._commit()
        self._close_file()

    def _outcomes(
        self, jobs: list[EncodeJob], source: VideoSource, model: SearchModel, stop: StopFlag
    ) -> Generator[Outcome, None, None]:
        settings = self._settings
        if settings.workers and jobs:
            return encode_in_pool(jobs, open_pool(settings.workers, model, source, settings), stop)
        return encode_files(jobs, source, model, settings, stop)

    def _leave(self, jobs: list[EncodeJob]) -> None:
        """A folder went away: these files are left to the next run."""
        (gone,) = self._report.away
        videos = sum(is_below(job.path, gone.path) for job in jobs)
        self._report = replace(self._report, left=len(jobs), away=(replace(gone, videos=videos),))

    def _resumed(self, job: EncodeJob) -> EncodeJob:
        """The job with the clips that an unfinished file has; one with a gap among them is encoded
        anew.
        """
        if job.continues is None:
            return job
        starts = self._store.snapshot().starts_of_file(job.continues)
        if set(starts) != set(clip_ids(job.continues, 0, len(starts))):
            return replace(job, continues=None, replaces=job.continues)
        return replace(job, done=tuple(sorted(starts.values())))

    def _due(self) -> bool:
        settings, pending = self._settings, self._pending
        waited = time.monotonic() - pending.since
        return bool(pending.rows) and (
            pending.clips >= settings.clips_together or waited >= settings.commit_seconds
        )

    def _collect(self, encoded: Encoded, model: SearchModel) -> None:
        """Take a part of a file, or its end, into the next commit."""
        job, ending = encoded.job, encoded.ending
        if self._open is None:
            taken = self._stored | set(self._pending.rows)
            self._open = _Open(job, job.continues or new_file_id(encoded.video_id, job.path, taken))
        if self._open.failed:
            return
        warning = ending.warning if ending else None
        facts = FileFacts.of(encoded.info, job.state, self._tags.get(job.path, ()))
        record = FileRecord(
            self._open.file_id,
            encoded.video_id,
            job.path,
            job.state,
            warning=warning,
            facts=facts,
        )
        try:
            self._take(encoded, record if ending else record.begun(), model)
        except DataError as error:
            self._fail_job(job, error)
            return
        if ending is None:
            self._on_event(
                events.FileAdvanced(
                    job.path,
                    encoded.clips[-1].window.end,
                    None if encoded.info is None else encoded.info.duration,
                )
            )
        else:
            self._pending.done.append(encoded)
            self._open = None

    def _take(self, encoded: Encoded, record: FileRecord, model: SearchModel) -> None:
        features = encoded.features
        if features is None:  # every clip was committed by another run, only the end was not known
            self._store.change([record])
            return
        features = in_stored_form(features, model, self._store.manifest.model)
        bias = None if self._bank is None else self._bank.extend(model, features.to(torch.float32))
        rows = to_rows(record, encoded.clips, features, bias, self._store.schema, encoded.first)
        self._pending.rows.setdefault(record.file_id, []).append(rows)
        self._pending.seconds += sum(clip.window.end - clip.window.start for clip in encoded.clips)
        if encoded.job.replaces in self._stored:
            self._pending.replaced.add(encoded.job.replaces)

    def _keep_up(self) -> None:
        """Let the null texts know the clips that came; a search does it where this run cannot."""
        if self._model is not None and not (self._stop and self._stop.is_set()):
            with suppress(LibraryError):  # damage among clips that this run does not touch
                keep_up(self._store.snapshot(), self._model, self._bank)

    def _close_file(self) -> None:
        """Another file follows, or none; what is committed of one that did not come to its end is
        counted.
        """
        if self._open is not None and not self._open.failed:
            self._count(unfinished=1)
        self._open = None

    def _commit(self) -> None:
        pending, self._pending = self._pending, _Pending()
        if pending.rows:
            self._store.commit(
                [rows for parts in pending.rows.values() for rows in parts],
                sorted(pending.replaced),
            )
            self._stored = (self._stored - pending.replaced) | set(pending.rows)
            if self._store.near:
                self._keep_up()
            self._count(clips=pending.clips, video_seconds=pending.seconds)
            self._commits += 1
            if self._commits % TIDY_AFTER == 0:
                self._store.tidy()
            if self._commits % TIDY_AFTER == 1:
                self._store.refresh_words()
        self._journal.forget(done.job.path for done in pending.done)
        for done in pending.done:
            assert done.ending is not None
            times = (done.ending.decode_seconds, done.ending.encode_seconds)
            self._count(
                indexed=1,
                coarse=bool(done.ending.note),
                decode_seconds=times[0],
                encode_seconds=times[1],
                frames=done.ending.frames,
                reused=done.ending.reused,
                quantized=done.ending.quantized,
            )
            clips = done.first + len(done.clips)
            self._on_event(
                events.FileIndexed(
                    done.job.path,
                    clips,
                    *times,
                    done.ending.partial,
                    done.ending.note,
                    done.ending.words,
                )
            )

    def _fail_job(self, job: EncodeJob, error: Exception, folders: Sequence[str] = ()) -> None:
        """Note what is wrong with a file; bad content loses its rows, what cannot be read this time
        keeps them.
        """
        if is_passing(error):
            gone = next(
                (folder for folder in folders if is_below(job.path, folder) and why_away(folder)),
                None,
            )
            if gone is not None:
                self._report = replace(self._report, away=(Away(gone, 0, why_away(gone)),))
                return
            self._commit()
        mine = (job.replaces, job.continues, self._open.file_id if self._open else None)
        ids = [file_id for file_id in mine if file_id in self._stored]
        self._fail(failure_of(job.path, job.state, error, ids[-1] if ids else None))
        if is_passing(error):
            return
        if self._open is not None:
            self._open.failed = True
            self._pending.rows.pop(self._open.file_id, None)
        if ids:
            self._store.commit([], ids)
            self._stored -= set(ids)

    def _fail(self, failure: Failure) -> None:
        self._journal.record(failure)
        self._count(**{"unread" if failure.passing else "failed": 1})
        self._on_event(events.FileFailed(failure.path, failure.error, failure.passing))

    def _copy(self, jobs: list[CopyJob]) -> None:
        """Rows of files whose content is here already; where the source failed, the next run looks
        again.
        """
        for job in jobs:
            files = self._journal.with_warnings(self._store.files())
            origin = files.get(job.source)
            if origin is None or not origin.finished:
                continue
            file_id = new_file_id(
                origin.video_id, job.path, (record.file_id for record in files.values())
            )
            record = FileRecord(
                file_id,
                origin.video_id,
                job.path,
                job.state,
                warning=origin.warning,
                facts=FileFacts(tags=self._tags.get(job.path, ())),
            )
            rows = self._store.snapshot().rows_of_file(origin.file_id).sort_by("start")
            bias = (
                None
                if self._bank is None
                else ClipBias(self._bank.name, self._bank.biases_of(rows))
            )
            cues = None if self._source is None else cues_of(self._source, Path(job.path))
            said = [] if cues is None else said_in_rows(rows, cues)
            self._store.commit(
                [copy_rows(rows, record, bias, said)], [job.replaces] if job.replaces else []
            )
            self._count(copied=1)
            self._on_event(events.FileSkipped(job.path, "copy"))

    def _count(self, **more: Any) -> None:
        self._report = replace(
            self._report, **{name: getattr(self._report, name) + n for name, n in more.items()}
        )
