"""Make parts of videos playable for browsers, and keep what was made.

A browser that cannot play a file gets the part around a clip repacked, if only the container or the
sound is in its way, else a small preview that is encoded again. The work is done in the decoding
child, which can be ended, and what was made is kept in a folder that does not outgrow its limit.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Literal

from finereel.errors import VideoLimitError
from finereel.index.facts import SILENT, FileFacts
from finereel.index.lookup import StoredClip, StoredFile
from finereel.io.atomic import read_stored_json, replace_file, storage_errors, write_file
from finereel.io.user_cache import user_cache
from finereel.types import Window
from finereel.video.files import shown
from finereel.video.plan import CutOrder, Limits
from finereel.video.reader import VideoReader

Rung = Literal["remux", "preview"]

AROUND_SECONDS = 2.0
"""Before and after a clip that are made playable with it."""

DEADLINE_SECONDS = 30.0
MOST_BYTES = 2**30
"""Of everything that is kept, so that old files go as new ones come."""

REPACKED_FILMS = ("h264", "vp9", "av1")
REPACKED_SOUNDS = ("aac", "mp3", "opus", "flac", SILENT)
"""What browsers play in an MP4 file; other sound is encoded again, other pictures with it."""


@dataclass(frozen=True)
class Playable:
    """A file that a browser plays. start, end: seconds of the video that it holds."""

    path: Path
    rung: Rung
    start: float
    end: float


def rung_for(facts: FileFacts, wanted: Rung) -> Rung:
    """The rung that can help: repacking does nothing for pictures that browsers do not know.

    >>> rung_for(FileFacts(video_codec="hevc"), "remux")
    'preview'
    """
    return wanted if facts.video_codec in REPACKED_FILMS else "preview"


def order_for(clip: StoredClip, facts: FileFacts, rung: Rung) -> CutOrder:
    """The part around a clip, and how it is made."""
    end = clip.end + AROUND_SECONDS
    order = CutOrder(max(0.0, clip.start - AROUND_SECONDS), end, rung == "preview", "mp4")
    if rung == "preview":
        return replace(order, draft=True)
    return replace(order, new_sound=facts.audio_codec not in REPACKED_SOUNDS)


class PlaybackFolder:
    """The parts that were made, by what they were made of; the one not used for longest goes first.

    folder: None means `play` in the user's cache. most_bytes: of all files together.
    """

    def __init__(self, folder: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder or user_cache() / "play"
        self._most_bytes = most_bytes

    def find(self, file: StoredFile, clip: StoredClip, wanted: Rung) -> Playable | None:
        """What was made before, or None."""
        rung = rung_for(file.facts, wanted)
        path = self._path(file, order_for(clip, file.facts, rung))
        with suppress(OSError):
            os.utime(path)
            known = read_stored_json(path.with_suffix(".json"))
            if known is not None:
                return Playable(path, rung, float(known["start"]), float(known["end"]))
        return None

    def make(self, file: StoredFile, clip: StoredClip, wanted: Rung) -> Playable:
        """Make a part playable, in at most DEADLINE_SECONDS.

        Raises VideoError where it cannot be made, StorageError where it cannot be kept.
        """
        rung = rung_for(file.facts, wanted)
        order = order_for(clip, file.facts, rung)
        path = self._path(file, order)
        with storage_errors(self._folder, "written"):
            self._folder.mkdir(parents=True, exist_ok=True)
        part = _cut(file.record.path, order, path)
        write_file(path.with_suffix(".json"), json.dumps(asdict(part)))
        self._trim(path)
        return Playable(path, rung, part.start, part.end)

    def _path(self, file: StoredFile, order: CutOrder) -> Path:
        made_of = repr((file.record.video_id, sorted(asdict(order).items())))
        return self._folder / f"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}.mp4"

    def _trim(self, newest: Path) -> None:
        """Let old files go until the rest is within the limit; the newest one stays."""
        kept = sorted(self._kept())
        left = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if left <= self._most_bytes:
                return
            if path != newest:
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
                left -= size

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.glob("*.mp4"):
            with suppress(FileNotFoundError):  # another server lets files go, too
                known = path.stat()
                yield known.st_mtime, known.st_size, path


def _cut(video: str, order: CutOrder, path: Path) -> Window:
    """Write a part of a video to a file; the part that it holds."""
    began = monotonic()
    with (
        VideoReader(Limits(deadline_s=DEADLINE_SECONDS)) as reader,
        replace_file(path) as fresh,
        fresh.open("wb") as file,
        closing(reader.cut(video, order)) as stream,
    ):
        for place, data in stream.pieces():
            file.seek(place)
            file.write(data)
            if monotonic() - began > DEADLINE_SECONDS:
                raise VideoLimitError(
                    f"{shown(video)}: making it playable takes more than {DEADLINE_SECONDS:g} s"
                )
        assert stream.part is not None
        return Window(*stream.part)
