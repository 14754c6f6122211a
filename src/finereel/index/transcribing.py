"""Listen to the videos of a library in whose clips nothing is said as far as is known, and keep what
a transcriber hears.

Transcribers invent words where nobody speaks, so what they are not sure of is left out. What was
listened to is remembered by its content: a video without speech is listened to once.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from finereel.errors import VideoError
from finereel.index.facts import SILENT
from finereel.index.folders import is_below
from finereel.index.protocols import SoundSource, VideoSource
from finereel.index.schema import FileRecord
from finereel.index.snapshot import Snapshot
from finereel.index.store import ClipStore
from finereel.index.words import said_changes, said_in_rows
from finereel.io.atomic import read_stored_json, write_file
from finereel.io.signals import StopFlag
from finereel.io.storage.places import Place
from finereel.models.transcribers import SpeechSegment, Transcriber
from finereel.video.plan import SAMPLE_RATE
from finereel.video.subtitles import Cue, FileCues, cue_of

NAME = "listened.json"
"""The file in the index folder that names, by transcriber, the contents it listened to."""

PIECE_SECONDS = 300.0
"""Seconds of sound that are in memory at a time: 19 MB."""

MOST_NO_SPEECH, LEAST_LOGPROB = 0.3, -0.9
"""Segments beyond either are left out."""
MOST_ALIKE = 2
"""So many equal segments in a row may be said; more are an invention."""
TIMES_DURATION = 2.0
"""A video is listened to for so many times as long as it lasts, then left as it is."""

Pieces = Iterator[tuple[float, Float32[np.ndarray, " N"]]]


@dataclass(frozen=True)
class ListenReport:
    """transcribed: videos in which speech was found. silent: those without. unheard: those left as
    they are, because it took too long or they could not be read.
    """

    transcribed: int = 0
    silent: int = 0
    unheard: int = 0


def listen(
    store: ClipStore,
    source: VideoSource,
    transcriber: Transcriber,
    roots: Sequence[str],
    stop: StopFlag,
    on_file: Callable[[str], None] = lambda path: None,
) -> ListenReport:
    """Transcribe the videos at or below `roots` (all of them without any) that have sound and no
    words, one commit each.

    The caller holds the lock.
    """
    report, heard = ListenReport(), Listened.load(store.folder)
    if not isinstance(source, SoundSource):
        return report
    for file in _to_hear(store.snapshot(), roots):
        if stop.is_set():
            break
        if file.video_id in heard.contents.get(transcriber.name, ()):
            continue
        on_file(file.path)
        clips = store.snapshot().clips_of([file.file_id], ["clip_id", "file_id", *_SPAN, "strip"])
        duration = max(clips["end"].to_pylist(), default=0.0)
        try:
            cues = transcript(source.sound(Path(file.path)), transcriber, duration)
        except (VideoError, OSError):
            cues = None
        if cues is None:
            report = replace(report, unheard=report.unheard + 1)
            continue
        said = said_in_rows(clips, FileCues(tuple(cues)))
        if any(said):
            store.say(said_changes(clips, said))
            report = replace(report, transcribed=report.transcribed + 1)
        else:
            report = replace(report, silent=report.silent + 1)
        heard = heard.with_content(transcriber.name, file.video_id)
        heard.save(store.folder)
    store.tidy()
    store.refresh_words()
    return report


def transcript(pieces: Pieces, transcriber: Transcriber, duration: float) -> list[Cue] | None:
    """What is said in a video; None where listening takes more than TIMES_DURATION as long.

    Args:
        pieces: Its sound, each piece with the second at which it begins.
        transcriber: What listens.
        duration: Length of the video in seconds.
    """
    deadline = time.monotonic() + max(1.0, TIMES_DURATION * duration)
    found: list[SpeechSegment] = []
    for begins, samples in _joined(pieces):
        for segment in transcriber.transcribe(samples):
            shifted = (segment.start + begins, segment.end + begins)
            found.append(replace(segment, start=shifted[0], end=shifted[1]))
            if time.monotonic() > deadline:
                return None
        if time.monotonic() > deadline:
            return None
    cues = (cue_of(max(0.0, part.start), part.end, part.text) for part in believed(found))
    return [cue for cue in cues if cue is not None]


def believed(segments: Sequence[SpeechSegment]) -> list[SpeechSegment]:
    """The segments that a transcriber is sure of, without what it repeats.

    >>> said = SpeechSegment(0.0, 1.0, "Hello.")
    >>> noise = SpeechSegment(1.0, 2.0, "Thank you.", no_speech=0.6)
    >>> [part.text for part in believed([said, noise])]
    ['Hello.']
    """
    sure = [
        part
        for part in segments
        if part.no_speech <= MOST_NO_SPEECH and part.logprob >= LEAST_LOGPROB
    ]
    kept: list[SpeechSegment] = []
    for _, group in groupby(sure, key=lambda part: part.text.strip().casefold()):
        alike = list(group)
        if len(alike) <= MOST_ALIKE:
            kept += alike
    return kept


@dataclass(frozen=True)
class Listened:
    """The contents that each transcriber listened to, by its name."""

    contents: dict[str, tuple[str, ...]]

    @classmethod
    def load(cls, folder: Place) -> "Listened":
        """What an index folder remembers; nothing where it remembers nothing readable."""
        stored = read_stored_json(folder / NAME) or {}
        return cls(
            {name: tuple(map(str, ids)) for name, ids in stored.items() if isinstance(ids, list)}
        )

    def with_content(self, name: str, video_id: str) -> "Listened":
        """With one more content that a transcriber listened to."""
        return Listened({**self.contents, name: (*self.contents.get(name, ()), video_id)})

    def save(self, folder: Place) -> None:
        """Remember this."""
        write_file(folder / NAME, json.dumps(self.contents))


def carry_words(old: ClipStore, new: ClipStore) -> None:
    """Keep in an index what a transcriber heard for another one, clip by clip, where the subtitles
    say nothing.
    """
    before, now = old.snapshot(), new.snapshot()
    if "said" not in before.names or not before.speaks:
        return
    known = {_place(row): row["said"] for row in before.rows([*_PLACE, "said"]).to_pylist()}
    rows = now.rows([*_PLACE, "said"])
    found = [(row["_rowid"], known.get(_place(row))) for row in rows.to_pylist() if not row["said"]]
    told = {row_id: said for row_id, said in found if said}
    if told:
        ids = np.array(sorted(told), dtype=np.int64)
        clips = now.take_rows(ids, ["clip_id", "file_id", "strip"], with_row_id=True)
        new.say(said_changes(clips, [told[row_id] for row_id in clips["_rowid"].to_pylist()]))
        new.refresh_words()
    Listened.load(old.folder).save(new.folder)


_SPAN = ("start", "end")
_PLACE = ("video_id", *_SPAN)


def _place(row: dict[str, Any]) -> tuple[str, float, float]:
    return (row["video_id"], row["start"], row["end"])


def _to_hear(snapshot: Snapshot, roots: Sequence[str]) -> list[FileRecord]:
    """The whole files at or below some roots that have sound and of whose words none is known."""
    if not snapshot.has_facts:
        return []
    rows = snapshot.rows(["file_id", "said"])
    speaking = rows.filter(pc.greater(pc.utf8_length(rows["said"]), 0))
    silent = set(pc.unique(rows["file_id"]).to_pylist()) - set(_ids(speaking))
    facts = snapshot.facts()
    return [
        file
        for path, file in sorted(snapshot.files().items())
        if file.file_id in silent
        and file.finished
        and not file.missing
        and facts[file.file_id].audio_codec not in (None, SILENT)
        and (not roots or any(is_below(path, root) for root in roots))
    ]


def _ids(rows: pa.Table) -> list[str]:
    ids: list[str] = pc.unique(rows["file_id"]).to_pylist()
    return ids


def _joined(pieces: Pieces) -> Pieces:
    """Pieces of about PIECE_SECONDS."""
    waiting: list[Float32[np.ndarray, " N"]] = []
    begins, count = 0.0, 0
    for second, samples in pieces:
        begins = begins if waiting else second
        waiting.append(samples)
        count += len(samples)
        if count >= PIECE_SECONDS * SAMPLE_RATE:
            yield begins, np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield begins, np.concatenate(waiting)
