"""Look up the clips and files of a library by their ids, without their features."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64

from finereel.errors import NotAVideoError, QueryError, VideoError
from finereel.index.checksums import FILE_COLUMNS, MEDIA_COLUMNS
from finereel.index.facts import FileFacts, to_facts
from finereel.index.moments import find_moments
from finereel.index.pipeline import strip_places
from finereel.index.protocols import SearchModel, VideoSource
from finereel.index.schema import FileRecord, decode_path, to_files
from finereel.index.snapshot import Snapshot
from finereel.index.timeline import whole_files
from finereel.types import Hit
from finereel.video.files import FileState, content_hash_of, open_regular, shown, state_of

_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")
CLIP_COLUMNS = ["clip_id", "file_id", "video_id", "path", "start", "end", "seconds", "missing"]


@dataclass(frozen=True)
class StoredClip:
    """A clip of a library.

    seconds: times of its frames. strip_seconds: times of the frames of its strip; empty where it
    has none. said: what is said in it, as far as that is known. missing: whether its file was gone
    when last looked for.
    """

    clip_id: str
    file_id: str
    video_id: str
    path: str
    start: float
    end: float
    seconds: tuple[float, ...]
    strip_seconds: tuple[float, ...]
    said: str
    missing: bool


@dataclass(frozen=True)
class StoredFile:
    """A video file of a library, what is known of it, and its clips in time order."""

    record: FileRecord
    facts: FileFacts
    clips: tuple[StoredClip, ...]

    @property
    def speaks(self) -> bool:
        """Whether something is said in it, as far as that is known."""
        return any(clip.said for clip in self.clips)


@dataclass(frozen=True)
class FileTimeline:
    """How well each frame of a file fits a text.

    seconds, scores: (N,), times and cosines. moments: start and end of the stretches that fit best,
    the strongest first.
    """

    seconds: Float64[np.ndarray, " N"]
    scores: Float64[np.ndarray, " N"]
    moments: tuple[tuple[float, float], ...]


def stored_clip(snapshot: Snapshot, clip_id: str) -> StoredClip | None:
    """A clip by its id; None where the library has no such clip."""
    found = _clips(_named(snapshot, "clip_id", clip_id, _columns(snapshot)))
    return found[0] if found else None


def stored_file(snapshot: Snapshot, file_id: str) -> StoredFile | None:
    """A file by its id; None where the library has no such file."""
    facts = MEDIA_COLUMNS if snapshot.has_facts else []
    more = [name for name in (*FILE_COLUMNS, *facts) if name in snapshot.names]
    columns = list(dict.fromkeys([*_columns(snapshot), *more]))
    rows = _named(snapshot, "file_id", file_id, columns)
    if not len(rows):
        return None
    known = to_facts(rows) if snapshot.has_facts else {}
    record = next(iter(to_files(rows).values()))
    return StoredFile(record, known.get(file_id, FileFacts()), _clips(rows))


def stored_picture(
    snapshot: Snapshot, clip_id: str, column: Literal["thumbnail", "strip"]
) -> bytes | None:
    """The thumbnail or the strip of a clip; None where there is none."""
    if column not in snapshot.names:
        return None
    rows = _named(snapshot, "clip_id", clip_id, [column])
    return rows[column][0].as_py() or None if len(rows) else None


def file_timeline(
    snapshot: Snapshot, model: SearchModel, text: str, file_id: str
) -> FileTimeline | None:
    """How well the frames of a file fit a text; None where the library has no such file."""
    if not _ID.fullmatch(file_id):
        return None
    found = whole_files(snapshot, [file_id])
    if not found:
        return None
    scores = found[0].scores(model.encode_text([text]))[0]
    moments = find_moments(scores, found[0].seconds, found[0].span)
    return FileTimeline(found[0].seconds, scores, tuple((one.start, one.end) for one in moments))


def clips_by_id(snapshot: Snapshot, clip_ids: Sequence[str]) -> list[Hit]:
    """The clips with these ids in their order, with a score of 0.

    Raises QueryError for an id that the library does not have.
    """
    wanted = list(dict.fromkeys(clip_ids))
    ids = snapshot.rows(["clip_id"])
    chosen = ids.filter(pc.is_in(ids["clip_id"], pa.array(wanted, pa.string())))
    rows = snapshot.take_rows(
        chosen["_rowid"].to_numpy().astype(np.int64), ["clip_id", "path", "start", "end"]
    ).to_pylist()
    found = {
        row["clip_id"]: Hit(
            decode_path(row["path"]),
            *(row["start"], row["end"], 0.0, {}, (row["start"] + row["end"]) / 2),
            row["clip_id"],
        )
        for row in rows
    }
    if unknown := [clip_id for clip_id in wanted if clip_id not in found]:
        raise QueryError(
            f"the library has no clip {', '.join(map(repr, unknown[:3]))}; ids stand as clip_id in "
            "what `finereel search TEXT --json-version 2` prints"
        )
    return [found[clip_id] for clip_id in wanted]


def facts_by_path(
    snapshot: Snapshot, paths: Sequence[str], source: VideoSource
) -> dict[str, FileFacts]:
    """What some video files are: as the library knows it, else as the file itself says; nothing is
    known of one that cannot be read.
    """
    files, facts = snapshot.files(), snapshot.facts()
    found = {}
    for path in dict.fromkeys(paths):
        known = facts.get(files[path].file_id) if path in files else None
        found[path] = known if known is not None and known.known else probed(path, source)
    return found


def probed(path: str, source: VideoSource) -> FileFacts:
    """What a video file says that it is; nothing is known of one that cannot be read."""
    try:
        return FileFacts.of(source.probe(Path(path)), source.state(Path(path)))
    except (VideoError, OSError):
        return FileFacts()


def open_stored(record: FileRecord) -> BufferedReader:
    """Open the very file that was indexed: what lies under its name now must have its size and time,
    or else its content, so that a link or another file put there is never read.

    Raises VideoError.
    """
    file = open_regular(record.path)
    try:
        if not _is_same(file, record):
            raise NotAVideoError(
                f"{shown(record.path)}: this is another file than the one that was indexed; run "
                "`finereel index` again"
            )
    except BaseException:
        file.close()
        raise
    return file


def _is_same(file: BufferedReader, record: FileRecord) -> bool:
    state: FileState = state_of(file)
    if state.size != record.state.size:
        return False
    same = state == record.state or content_hash_of(file) == record.video_id
    file.seek(0)
    return same


def _named(snapshot: Snapshot, column: str, value: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of the clips with this id; none for what can be no id."""
    name = value if _ID.fullmatch(value) else ""
    return snapshot.where(f"{column} = '{name}'", list(columns))


def _columns(snapshot: Snapshot) -> list[str]:
    return [*CLIP_COLUMNS, *(name for name in ("said", "strip") if name in snapshot.names)]


def _clips(rows: pa.Table) -> tuple[StoredClip, ...]:
    return tuple(_clip(row) for row in rows.sort_by("start").to_pylist())


def _clip(row: dict[str, Any]) -> StoredClip:
    seconds = tuple(sorted(set(row["seconds"])))  # padding repeats the last one
    strip = strip_places(len(seconds)) if row.get("strip") else []
    return StoredClip(
        row["clip_id"],
        row["file_id"],
        row["video_id"],
        decode_path(row["path"]),
        row["start"],
        row["end"],
        seconds,
        tuple(seconds[place] for place in strip),
        row.get("said") or "",
        row["missing"],
    )
