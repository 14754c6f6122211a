"""What a video file is and how a person tagged it: the columns that came with version 2 of the
table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from finereel.index.checksums import MEDIA_CHECKSUMS, MEDIA_COLUMNS, as_lists, checksums_of
from finereel.video.files import FileState
from finereel.video.plan import VideoInfo

MEDIA_TYPES: dict[str, pa.DataType] = {
    "taken_at": pa.timestamp("us", tz="UTC"),
    "duration": pa.float64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "fps": pa.float64(),
    "container": pa.string(),
    "video_codec": pa.string(),
    "audio_codec": pa.string(),
    "tags": pa.list_(pa.string()),
}

SILENT = "none"
"""The sound codec of a video without sound."""


@dataclass(frozen=True)
class FileFacts:
    """Facts about a video file; None where they are not known.

    taken_at: when it was recorded, or else last modified. duration: seconds. width, height:
    upright, in square pixels. container: FFmpeg's name of the format; with it all but tags and
    taken_at are known. audio_codec: SILENT without sound. tags: a person's own words, sorted.

    >>> FileFacts.of(None, FileState(10, 1_772_323_200 * 10**9)).taken_at.isoformat()
    '2026-03-01T00:00:00+00:00'
    """

    taken_at: datetime | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    container: str | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: VideoInfo | None, state: FileState, tags: Sequence[str] = ()) -> "FileFacts":
        """What the decoder says about a file (None where it says nothing) and the file system."""
        seconds = state.mtime_ns / 1e9 if info is None or info.taken_at is None else info.taken_at
        taken_at, tags = _moment(seconds), tuple(sorted(set(tags)))
        if info is None:
            return cls(taken_at, tags=tags)
        return cls(
            taken_at,
            info.duration,
            info.width,
            info.height,
            info.fps,
            info.container,
            info.codec,
            info.audio_codec or SILENT,
            tags,
        )

    @property
    def known(self) -> bool:
        """Whether the file was looked at."""
        return self.container is not None

    def columns(self, count: int) -> dict[str, list[Any]]:
        """The values of MEDIA_COLUMNS for `count` clips of the file."""
        values = asdict(self) | {"tags": list(self.tags)}
        return {name: [values[name]] * count for name in MEDIA_COLUMNS}


def fact_changes(facts: Mapping[str, FileFacts]) -> pa.Table:
    """One row per file id, with the columns of its facts and their checksums."""
    parts = [part.columns(1) for part in facts.values()]
    columns = {
        name: pa.array([value for part in parts for value in part[name]], kind)
        for name, kind in MEDIA_TYPES.items()
    }
    sums = as_lists(checksums_of(pa.table(columns)))
    return pa.table({"file_id": list(facts), **columns, MEDIA_CHECKSUMS: sums})


def to_facts(rows: pa.Table) -> dict[str, FileFacts]:
    """The facts of the files that rows with `file_id` and MEDIA_COLUMNS belong to, by file id."""
    first: dict[str, int] = {}
    for place, file_id in enumerate(rows["file_id"].to_pylist()):
        first.setdefault(file_id, place)
    chosen = rows.take(list(first.values())).to_pylist() if first else []
    names = [field.name for field in fields(FileFacts)]
    return {
        row["file_id"]: FileFacts(
            **{name: row[name] for name in names} | {"tags": tuple(row["tags"] or ())}
        )
        for row in chosen
    }


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):  # a clock far outside of any calendar
        return None
