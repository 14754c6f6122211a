"""Decode videos in a thread while the caller encodes them, with a bounded queue in between."""

import io
import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from finereel.errors import NotAVideoError, VideoError
from finereel.index.events import CLIP_SECONDS, AddSettings
from finereel.index.plan import CONTENT, EncodeJob, describe, is_passing
from finereel.index.protocols import DecodedClips, SearchModel, VideoSource
from finereel.index.schema import PARTLY, ClipRecord
from finereel.index.words import cues_of
from finereel.io.signals import StopFlag
from finereel.models.features import VideoFeatures
from finereel.types import Frames
from finereel.video.files import shown
from finereel.video.plan import Clip, ClipPlan, VideoInfo
from finereel.video.subtitles import FileCues, said_within

THUMBNAIL_BYTES = 4000
THUMBNAIL_TRIES = ((240, 50), (240, 30), (192, 30), (144, 30), (96, 25), (48, 10))
"""The longer side in pixels and the quality of WebP, one after the other until a thumbnail is at most
THUMBNAIL_BYTES long. Measured on 18 clips of real videos: 2.7 kB and 6 ms of one core on average.
"""
STRIP_FRAMES = 6
STRIP_QUALITY = 50
STRIP_SIZE = (160, 90)
"""Width and height that no frame of a strip exceeds."""


@dataclass(frozen=True)
class Began:
    """Decoding of a file begins."""

    job: EncodeJob


@dataclass(frozen=True)
class Ending:
    """The end of a file. partial: why a damaged file gave only some clips, note: how a sound one
    was read other than planned, words: why some of its subtitles are left out, else empty. frames:
    how many this run encoded.
    """

    decode_seconds: float
    encode_seconds: float
    partial: str
    note: str
    words: str
    frames: int

    @property
    def warning(self) -> str | None:
        """What `doctor` says about the file."""
        picture = f"{PARTLY}{self.partial}" if self.partial else self.note
        return "; ".join(part for part in (picture, self.words) if part) or None


@dataclass(frozen=True)
class Encoded:
    """Clips of one file in half precision: clip number `first` and those after it. ending: None
    while others follow.

    The last clips of a file come with its ending; of a file that was begun before there may be none
    (features None).
    info: what the file is, None where the decoder does not say.
    """

    job: EncodeJob
    video_id: str
    first: int
    clips: list[ClipRecord]
    features: VideoFeatures | None
    info: VideoInfo | None
    ending: Ending | None


@dataclass(frozen=True)
class Failed:
    """A file that cannot be decoded: its content is bad (an error of `CONTENT`), or it could not be
    read this time.
    """

    job: EncodeJob
    error: VideoError | OSError


@dataclass(frozen=True)
class _Decoded:
    clip: Clip
    record: ClipRecord
    video_id: str
    info: VideoInfo | None


@dataclass(frozen=True)
class _Finished:
    job: EncodeJob
    video_id: str
    decode_seconds: float
    partial: str
    note: str
    words: str


@dataclass(frozen=True)
class _Crashed:
    error: Exception


Outcome = Began | Encoded | Failed
_Message = Began | _Decoded | _Finished | Failed | _Crashed | None


def encode_files(
    jobs: Sequence[EncodeJob],
    source: VideoSource,
    model: SearchModel,
    settings: AddSettings,
    stop: StopFlag,
) -> Generator[Outcome, None, None]:
    """Decode and encode files in order, until all are done or `stop` is set (the file at hand is
    then not finished).

    A file comes in parts of `batch_clips`, so that a film of any length takes the memory of a few
    clips. Closing the iterator (or any error in its consumer) stops the decoding thread before it
    returns. Errors that are not the file's own fault (a bug, no memory) are raised here, in the
    caller's thread.
    """
    decoder = _Decoder(jobs, source, _clip_plan(model, settings), settings.queue_clips)
    decoder.start()
    try:
        yield from _encode(decoder, model, settings.batch_clips, stop)
    finally:
        decoder.stop()


def _clip_plan(model: SearchModel, settings: AddSettings) -> ClipPlan:
    return ClipPlan(
        settings.clip_seconds or CLIP_SECONDS, model.num_frames, settings.mode, model.picture_size
    )


def _encode(
    decoder: "_Decoder", model: SearchModel, batch_clips: int, stop: StopFlag
) -> Iterator[Outcome]:
    encoder: _FileEncoder | None = None
    while (message := decoder.next(stop)) is not None:
        match message:
            case Began():
                encoder = _FileEncoder(message.job, model, batch_clips)
                yield message
            case _Decoded():
                assert encoder is not None
                yield from encoder.add(message)
            case _Finished():
                assert encoder is not None
                yield encoder.finish(message)
            case Failed():
                yield message
            case _Crashed():
                raise message.error


class _FileEncoder:
    """Features of one file, part by part.

    The newest clip always waits for the next one, so that the ending of a file comes together with
    a clip. Parts begin at multiples of `batch_clips`, so that a film that is resumed is batched as
    one that was never interrupted.
    """

    def __init__(self, job: EncodeJob, model: SearchModel, batch_clips: int) -> None:
        self._job = job
        self._model = model
        self._batch_clips = batch_clips
        self._waiting: list[_Decoded] = []
        self._first = len(job.done)
        self._info: VideoInfo | None = None
        self._seconds = 0.0
        self._frames = 0

    def add(self, decoded: _Decoded) -> Iterator[Encoded]:
        if self._job.done and decoded.clip.window.start <= self._job.done[-1]:
            return
        self._info = decoded.info
        if len(self._waiting) >= self._batch_clips:
            yield self._encode(self._waiting[0].video_id, None)
        self._waiting.append(decoded)

    def finish(self, message: _Finished) -> Outcome:
        if not self._waiting and not self._first:
            return Failed(
                message.job, NotAVideoError(f"{message.job.path}: no picture could be decoded")
            )
        return self._encode(message.video_id, message)

    def _encode(self, video_id: str, end: _Finished | None) -> Encoded:
        began = time.perf_counter()
        frames = [decoded.clip.frames for decoded in self._waiting]
        features = self._model.encode_video(frames).to(torch.float16) if frames else None
        self._seconds += time.perf_counter() - began
        self._frames += len(frames) * self._model.num_frames
        ending = (
            None
            if end is None
            else Ending(
                end.decode_seconds, self._seconds, end.partial, end.note, end.words, self._frames
            )
        )
        clips = [decoded.record for decoded in self._waiting]
        part = Encoded(self._job, video_id, self._first, clips, features, self._info, ending)
        self._first += len(clips)
        self._waiting = []
        return part


class _Decoder:
    """The decoding thread. Every put gives up when stopped, so that it can always be joined."""

    def __init__(
        self, jobs: Sequence[EncodeJob], source: VideoSource, plan: ClipPlan, queue_clips: int
    ) -> None:
        self._jobs = jobs
        self._source = source
        self._plan = plan
        self._queue: queue.Queue[_Message] = queue.Queue(queue_clips)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="finereel-decode", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def next(self, stop: StopFlag) -> _Message:
        """The next message; None after the last one and as soon as `stop` is set."""
        while not stop.is_set():
            try:
                return self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        return None

    def _put(self, message: _Message) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(message, timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def _run(self) -> None:
        try:
            for job in self._jobs:
                if not self._put(Began(job)) or not self._put(self._decode(job)):
                    return
            self._put(None)
        except Exception as error:
            self._put(_Crashed(error))

    def _decode(self, job: EncodeJob) -> _Finished | Failed:
        path, video_id = Path(job.path), job.video_id
        try:
            video_id = video_id or self._source.content_hash(path)
            cues = cues_of(self._source, path)
            stream = self._source.clips(path, self._plan)
            partial = self._read(job, video_id, stream, cues)
        except CONTENT as error:
            return Failed(job, self._trouble(job, video_id) or error)
        except (VideoError, OSError) as error:
            return Failed(job, error)
        if partial and (trouble := self._trouble(job, video_id)):
            return Failed(job, trouble)
        words = "; ".join(cues.problems) if cues else ""
        return _Finished(job, video_id, stream.decode_seconds, partial, stream.note, words)

    def _read(
        self, job: EncodeJob, video_id: str, stream: DecodedClips, cues: FileCues | None
    ) -> str:
        """Put a file's clips; returns why only a part was read, if so.

        A film keeps the clips that came before a limit was reached.
        """
        begun = bool(job.done)
        try:
            for clip in stream:
                begun = True
                if not self._put(_Decoded(clip, _record(clip, cues), video_id, stream.info)):
                    stream.close()
                    break
        except CONTENT as error:
            if not begun or is_passing(error):
                raise
            return describe(error)
        return stream.warning

    def _trouble(self, job: EncodeJob, video_id: str | None) -> VideoError | OSError | None:
        """Why a bad file may be good: it cannot be read any more, or it changed while it
        was read.
        """
        path = Path(job.path)
        try:
            if self._source.state(path) == job.state and video_id in (
                None,
                self._source.content_hash(path),
            ):
                return None
            return VideoError(f"{shown(path)}: the file changed while it was read")
        except CONTENT:
            return None
        except (VideoError, OSError) as error:
            return error


def _record(clip: Clip, cues: FileCues | None) -> ClipRecord:
    middle = clip.frames.pixels[len(clip.frames) // 2]
    window, pictures = clip.window, (thumbnail(middle), strip(clip.frames))
    said = None if cues is None else said_within(cues.cues, window.start, window.end)
    return ClipRecord(window, clip.frames.seconds, *pictures, said)


def thumbnail(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """A small WebP of at most THUMBNAIL_BYTES."""
    made = b""
    for side, quality in THUMBNAIL_TRIES:
        image = Image.fromarray(pixels)
        image.thumbnail((side, side))
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=quality, method=2)
        made = stream.getvalue()
        if len(made) <= THUMBNAIL_BYTES:
            break
    return made


def strip_places(count: int) -> list[int]:
    """Which of the `count` frames of a clip its strip shows.

    >>> strip_places(12), strip_places(1)
    ([0, 2, 4, 7, 9, 11], [0, 0, 0, 0, 0, 0])
    """
    places: list[int] = np.linspace(0, count - 1, STRIP_FRAMES).round().astype(int).tolist()
    return places


def strip(frames: Frames) -> bytes:
    """STRIP_FRAMES frames of a clip, evenly spread and side by side, as a WebP; all are equally
    wide.

    Measured on clips of 12 frames of 14 real videos: 7 kB and 6 ms of one core.
    """
    pictures = []
    for place in strip_places(len(frames)):
        picture = Image.fromarray(frames.pixels[place])
        picture.thumbnail(STRIP_SIZE, Image.Resampling.BILINEAR)
        pictures.append(picture)
    width, height = pictures[0].size
    whole = Image.new("RGB", (width * STRIP_FRAMES, height))
    for number, picture in enumerate(pictures):
        whole.paste(picture, (number * width, 0))
    stream = io.BytesIO()
    whole.save(stream, "WEBP", quality=STRIP_QUALITY, method=2)
    return stream.getvalue()
