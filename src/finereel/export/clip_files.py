"""Write moments as video files of their own.

A part is copied as it is from the keyframe at or before its start on, which is fast and keeps every
bit, or encoded again from exactly its first frame on. Either is done in the decoding child, which
can be ended and cannot write files.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from finereel.errors import StorageError, VideoError
from finereel.export.moments import ExportList, ExportMoment
from finereel.index.facts import SILENT, FileFacts
from finereel.io.atomic import replace_file, storage_errors
from finereel.video.plan import CutOrder, Limits
from finereel.video.reader import VideoReader

NAME_BYTES = 120
"""Of a video's name in that of a clip file."""

EXACT_LIMITS = Limits(memory_mib=4096)
"""An encoder of 4K pictures with 10 bits takes more memory than a decoder."""

_MP4_FILMS = ("h264", "hevc", "av1", "mpeg4", "vp9")
_MP4_SOUNDS = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac", SILENT)
_WEBM_FILMS = ("vp8", "vp9", "av1")
_WEBM_SOUNDS = ("opus", "vorbis", SILENT)


@dataclass(frozen=True)
class ClipForm:
    """The format of a clip file: FFmpeg's name, and how the file's name ends."""

    name: str
    suffix: str


MP4, MOV = ClipForm("mp4", ".mp4"), ClipForm("mov", ".mov")
WEBM, MATROSKA = ClipForm("webm", ".webm"), ClipForm("matroska", ".mkv")


@dataclass(frozen=True)
class ClipSettings:
    """How clip files are made. exact: encoded again, from exactly the first frame on. force: whether
    files that exist are replaced. resume: whether they are left as they are, and only the others
    written.
    """

    exact: bool = False
    force: bool = False
    resume: bool = False


@dataclass(frozen=True)
class WrittenClip:
    """A clip file. start, end: seconds of the video that it holds. earlier: seconds by which it
    begins before the moment.
    """

    path: Path
    rank: int
    start: float
    end: float
    earlier: float


@dataclass(frozen=True)
class KeptClip:
    """A clip file that was there already."""

    path: Path
    rank: int


ClipOutcome: TypeAlias = "WrittenClip | MissingClip | KeptClip"


@dataclass(frozen=True)
class MissingClip:
    """A moment of which no file could be made, and why."""

    rank: int
    video: str
    reason: str


OnCut = Callable[[float, str], None]
"""Told how many clips are done, in fractions, and the name of the file at hand."""


def _nobody(done: float, name: str) -> None:
    del done, name


def write_clips(
    chosen: ExportList,
    folder: Path,
    settings: ClipSettings = ClipSettings(),
    *,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnCut = _nobody,
) -> Iterator[ClipOutcome]:
    """Write a file per moment, in their order; what came of each is given as soon as it is known.

    A file is there as a whole or not at all. Where `stop` says so, the file at hand is given up and
    nothing more comes.

    Raises StorageError where a file exists, before anything is written, or the disk refuses.
    """
    paths = clip_paths(chosen.moments, folder, settings)
    there = [path for path in paths if os.path.lexists(path)]
    if there and not (settings.force or settings.resume):
        raise StorageError(
            f"{len(there)} of {len(paths)} files exist already, such as {there[0]}; choose another "
            "folder, write only the others with --resume, or replace them with --force"
        )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with VideoReader(EXACT_LIMITS if settings.exact else None) as reader:
        for number, (moment, path) in enumerate(zip(chosen.moments, paths, strict=True)):
            on_progress(float(number), path.name)
            if settings.resume and path in there:
                yield KeptClip(path, number + 1)
                continue
            cutter = _Cutter(reader, moment, path, settings.exact)
            try:
                with storage_errors(path), closing(cutter.work()) as work:
                    for share in work:
                        on_progress(number + share, path.name)
                        if stop():
                            break
            except VideoError as error:
                yield MissingClip(number + 1, moment.video, str(error))
                continue
            if cutter.part is None:
                return
            start, end = cutter.part
            yield WrittenClip(path, number + 1, start, end, max(0.0, moment.start - start))
            if stop():
                return
        on_progress(float(len(paths)), "")


class _Cutter:
    """Makes one file. part: what it holds, once it is there."""

    def __init__(self, reader: VideoReader, moment: ExportMoment, path: Path, exact: bool) -> None:
        self._reader, self._moment, self._path, self._exact = reader, moment, path, exact
        self.part: tuple[float, float] | None = None

    def work(self) -> Generator[float, None, None]:
        """Write the file; gives the share that is done now and then, and may be left before the
        end.
        """
        moment = self._moment
        form = form_of(moment.facts, self._exact)
        order = CutOrder(moment.start, moment.end, self._exact, form.name)
        stream = self._reader.cut(moment.video, order)
        try:
            with replace_file(self._path) as fresh:
                with fresh.open("r+b") as file:
                    for at, data in stream.pieces():
                        if data:
                            file.seek(at)
                            file.write(data)
                        done = (stream.reached - moment.start) / (moment.end - moment.start)
                        yield min(1.0, max(0.0, done))
                if stream.part is None:
                    raise VideoError(f"{moment.video}: the part was not written as a whole")
            self.part = stream.part
        finally:
            stream.close()


def clip_paths(moments: Sequence[ExportMoment], folder: Path, settings: ClipSettings) -> list[Path]:
    """The files of some moments: rank, name of the video, minute and second at which it starts."""
    digits = max(4, len(str(len(moments))))
    return [
        folder
        / (
            f"{rank:0{digits}d} {safe_name(Path(moment.video).stem)} {_minutes(moment.start)}"
            f"{form_of(moment.facts, settings.exact).suffix}"
        )
        for rank, moment in enumerate(moments, 1)
    ]


def safe_name(name: str) -> str:
    """What of a file's name any file system takes, on one line, and that leads nowhere else.

    >>> safe_name("../../etc/passwd"), safe_name("Fête: day 1?"), safe_name("...")
    ('etc_passwd', 'Fête_ day 1', 'video')
    """
    plain = unicodedata.normalize("NFC", name)
    kept = "".join(
        letter if unicodedata.category(letter)[0] in "LMN" or letter in " -_.,()'&+" else "_"
        for letter in plain
    )
    short = " ".join(kept.split()).encode("utf-8", "ignore")[:NAME_BYTES].decode("utf-8", "ignore")
    return re.sub(r"_{2,}", "_", short).strip("._ -") or "video"


def form_of(facts: FileFacts, exact: bool) -> ClipForm:
    """The format of a clip file: MP4 where it is encoded again, else one that takes the video as it
    is.
    """
    film, sound = facts.video_codec or "", facts.audio_codec or ""
    container = (facts.container or "").split(",")
    if exact:
        return MP4
    if "webm" in container and film in _WEBM_FILMS and sound in _WEBM_SOUNDS:
        return WEBM
    if {"mp4", "mpegts", "flv"} & {*container}:
        if film in _MP4_FILMS and sound in _MP4_SOUNDS:
            return MP4
        if "mov" in container:
            return MOV
    return MATROSKA


def _minutes(seconds: float) -> str:
    """A time in a name: minutes and seconds, or hours, minutes and seconds.

    >>> _minutes(12.7), _minutes(3723.0)
    ('0-12', '1-02-03')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}-{minutes:02d}-{rest:02d}" if hours else f"{minutes}-{rest:02d}"
