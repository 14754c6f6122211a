"""Carrying out an `AddPlan`: every change of the library in the order in which a crash does least harm.

Renames and marks first (one commit), then encoded files in batches of whole videos, then copies. The journal is
written before the rows of a partly readable file and after nothing else depends on it.
"""

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import torch

from finereel.errors import BrokenVideoError, DataError, NotAVideoError, VideoLimitError
from finereel.index import events
from finereel.index.bank import Bank
from finereel.index.events import AddReport, AddSettings, OnEvent
from finereel.index.journal import Failure, Journal
from finereel.index.pipeline import Began, Encoded, Failed, encode_files
from finereel.index.plan import AddPlan, CopyJob, EncodeJob, describe, new_file_id
from finereel.index.ports import SearchModel, VideoSource
from finereel.index.schema import ClipBias, FileRecord, copy_rows, to_rows
from finereel.index.stop import StopFlag
from finereel.index.store import ClipStore

STALE = (NotAVideoError, BrokenVideoError, VideoLimitError)
"""Errors that say the content itself is bad, so that rows of the file's former content are wrong."""


@dataclass
class _Pending:
    """Encoded files that wait for the next commit."""

    rows: list[pa.Table] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    done: list[Encoded] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def clips(self) -> int:
        return sum(len(rows) for rows in self.rows)


class Writer:
    """Adds to a library whose lock the caller holds."""

    def __init__(self, store: ClipStore, journal: Journal, bank: Bank | None, settings: AddSettings) -> None:
        self._store = store
        self._journal = journal
        self._bank = bank
        self._settings = settings
        self._on_event: OnEvent = lambda event: None
        self._report = AddReport()

    def run(
        self, plan: AddPlan, source: VideoSource, model: SearchModel, on_event: OnEvent, stop: StopFlag
    ) -> AddReport:
        """Carry out the plan. When `stop` is set, what is finished is committed, the rest is left to the next run."""
        began = time.monotonic()
        self._on_event = on_event
        self._announce(plan)
        self._change(plan)
        for failure in plan.failed:
            self._fail(failure)
        self._encode(plan.encode, source, model, stop)
        if not stop.is_set():
            self._copy(plan.copies)
        self._store.tidy()
        self._store.refresh_ann(self._settings.ann_threshold)
        return replace(self._report, seconds=time.monotonic() - began, interrupted=stop.is_set())

    def _announce(self, plan: AddPlan) -> None:
        self._count(unchanged=len(plan.unchanged), known_bad=len(plan.known_bad))
        sizes = (plan.encode, plan.unchanged, plan.known_bad, plan.renamed, plan.copies, plan.missing)
        self._on_event(events.Planned(*(len(part) for part in sizes)))
        for path in plan.unchanged:
            self._on_event(events.FileSkipped(path, "unchanged"))
        for path in plan.known_bad:
            self._on_event(events.FileSkipped(path, "failed before"))

    def _change(self, plan: AddPlan) -> None:
        if plan.changes or plan.missing:
            self._store.change([*plan.changes, *plan.missing])
        for old, new in plan.renamed:
            self._journal.move(old, new)
            self._on_event(events.FileRenamed(old, new))
        self._journal.forget(set(plan.forgotten))
        for record in plan.missing:
            self._on_event(events.FileMissing(record.path))
        self._count(renamed=len(plan.renamed), missing=len(plan.missing))

    def _encode(self, jobs: list[EncodeJob], source: VideoSource, model: SearchModel, stop: StopFlag) -> None:
        taken = {record.file_id for record in self._store.files().values()}
        pending, number = _Pending(), 0
        with closing(encode_files(jobs, source, model, self._settings, stop)) as outcomes:
            for outcome in outcomes:
                match outcome:
                    case Began():
                        number += 1
                        self._on_event(events.FileStarted(outcome.job.path, number, len(jobs)))
                    case Encoded():
                        self._collect(pending, outcome, model, taken)
                    case Failed():
                        self._fail_job(outcome)
                if self._due(pending):
                    self._commit(pending)
                    pending = _Pending()
        self._commit(pending)

    def _due(self, pending: _Pending) -> bool:
        settings = self._settings
        waited = time.monotonic() - pending.since
        return bool(pending.rows) and (pending.clips >= settings.commit_clips or waited >= settings.commit_seconds)

    def _collect(self, pending: _Pending, encoded: Encoded, model: SearchModel, taken: set[str]) -> None:
        job = encoded.job
        file_id = new_file_id(encoded.video_id, job.path, taken)
        record = FileRecord(file_id, encoded.video_id, job.path, job.state)
        try:
            rows = to_rows(record, encoded.clips, encoded.features, self._bias(encoded, model), self._store.schema)
        except DataError as error:
            self._fail(Failure(job.path, job.state.size, job.state.mtime_ns, describe(error)))
            return
        taken.add(file_id)
        if why := encoded.partial or encoded.note:
            coarse = not encoded.partial
            self._journal.record(Failure(job.path, job.state.size, job.state.mtime_ns, why, True, coarse))
        pending.rows.append(rows)
        pending.done.append(encoded)
        pending.replaced.extend([job.replaces] if job.replaces else [])

    def _bias(self, encoded: Encoded, model: SearchModel) -> ClipBias | None:
        return None if self._bank is None else self._bank.extend(model, encoded.features.to(torch.float32))

    def _commit(self, pending: _Pending) -> None:
        if not pending.rows:
            return
        self._store.commit(pending.rows, pending.replaced)
        self._journal.forget({done.job.path for done in pending.done if not (done.partial or done.note)})
        for done in pending.done:
            times = (done.decode_seconds, done.encode_seconds)
            self._count(indexed=1, clips=len(done.clips), decode_seconds=times[0], encode_seconds=times[1])
            self._count(coarse=bool(done.note))
            self._on_event(events.FileIndexed(done.job.path, len(done.clips), *times, done.partial, done.note))

    def _fail_job(self, outcome: Failed) -> None:
        job = outcome.job
        if job.replaces and isinstance(outcome.error, STALE):
            self._store.commit([], [job.replaces])
        self._fail(Failure(job.path, job.state.size, job.state.mtime_ns, describe(outcome.error)))

    def _fail(self, failure: Failure) -> None:
        self._journal.record(failure)
        self._count(failed=1)
        self._on_event(events.FileFailed(failure.path, failure.error))

    def _copy(self, jobs: list[CopyJob]) -> None:
        """Rows of files whose content is here already; where the source failed, the next run looks again."""
        for job in jobs:
            files = self._store.files()
            origin = files.get(job.source)
            if origin is None:
                continue
            file_id = new_file_id(origin.video_id, job.path, (record.file_id for record in files.values()))
            record = FileRecord(file_id, origin.video_id, job.path, job.state)
            rows = self._store.snapshot().rows_of_file(origin.file_id).sort_by("start")
            bias = None if self._bank is None else ClipBias(self._bank.name, self._bank.biases_of(rows))
            self._store.commit([copy_rows(rows, record, bias)], [job.replaces] if job.replaces else [])
            self._journal.forget({job.path})
            self._count(copied=1)
            self._on_event(events.FileSkipped(job.path, "copy"))

    def _count(self, **more: Any) -> None:
        self._report = replace(self._report, **{name: getattr(self._report, name) + n for name, n in more.items()})
