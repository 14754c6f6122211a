"""VIDEO FILES -> FEATURES: a thread decodes ahead while the caller encodes; a bounded queue lies between."""

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
from finereel.features import VideoFeatures, concatenate
from finereel.index.events import AddSettings
from finereel.index.plan import EncodeJob
from finereel.index.ports import SearchModel, VideoSource
from finereel.index.schema import ClipRecord
from finereel.index.stop import StopFlag
from finereel.types import Frames
from finereel.video.plan import Clip, ClipPlan

THUMBNAIL_SIDE = 240


@dataclass(frozen=True)
class Began:
    """Decoding of a file begins."""

    job: EncodeJob


@dataclass(frozen=True)
class Encoded:
    """A whole file, encoded in half precision. `partial`: why a damaged file gave only some clips, `note`: how
    a sound one was read other than planned, else empty."""

    job: EncodeJob
    video_id: str
    clips: list[ClipRecord]
    features: VideoFeatures
    decode_seconds: float
    encode_seconds: float
    partial: str
    note: str = ""


@dataclass(frozen=True)
class Failed:
    """A file that cannot be decoded."""

    job: EncodeJob
    error: VideoError | OSError


@dataclass(frozen=True)
class _Decoded:
    clip: Clip
    record: ClipRecord


@dataclass(frozen=True)
class _Finished:
    job: EncodeJob
    video_id: str
    decode_seconds: float
    partial: str
    note: str


@dataclass(frozen=True)
class _Crashed:
    error: Exception


Outcome = Began | Encoded | Failed
_Message = Began | _Decoded | _Finished | Failed | _Crashed | None


def encode_files(
    jobs: Sequence[EncodeJob], source: VideoSource, model: SearchModel, settings: AddSettings, stop: StopFlag
) -> Generator[Outcome, None, None]:
    """Decode and encode files in order, until all are done or `stop` is set (the file at hand is then left out).

    Closing the iterator (or any error in its consumer) stops the decoding thread before it returns. Errors that are not
    the file's own fault (a bug, no memory) are raised here, in the caller's thread.
    """
    decoder = _Decoder(jobs, source, _clip_plan(model, settings), settings.queue_clips)
    decoder.start()
    try:
        yield from _encode(decoder, model, settings.batch_clips, stop)
    finally:
        decoder.stop()


def _clip_plan(model: SearchModel, settings: AddSettings) -> ClipPlan:
    return ClipPlan(settings.clip_seconds, model.num_frames, settings.mode, model.picture_size)


def _encode(decoder: "_Decoder", model: SearchModel, batch_clips: int, stop: StopFlag) -> Iterator[Outcome]:
    encoder = _FileEncoder(model, batch_clips)
    while (message := decoder.next(stop)) is not None:
        match message:
            case Began():
                encoder = _FileEncoder(model, batch_clips)
                yield message
            case _Decoded():
                encoder.add(message)
            case _Finished():
                yield encoder.finish(message)
            case Failed():
                yield message
            case _Crashed():
                raise message.error


class _FileEncoder:
    """Features of one file, collected batch by batch."""

    def __init__(self, model: SearchModel, batch_clips: int) -> None:
        self._model = model
        self._batch_clips = batch_clips
        self._waiting: list[Frames] = []
        self._records: list[ClipRecord] = []
        self._features: list[VideoFeatures] = []
        self._seconds = 0.0

    def add(self, decoded: _Decoded) -> None:
        self._waiting.append(decoded.clip.frames)
        self._records.append(decoded.record)
        if len(self._waiting) >= self._batch_clips:
            self._encode()

    def finish(self, message: _Finished) -> Outcome:
        if not self._records:
            return Failed(message.job, NotAVideoError(f"{message.job.path}: no picture could be decoded"))
        self._encode()
        return Encoded(
            job=message.job,
            video_id=message.video_id,
            clips=self._records,
            features=concatenate(self._features),
            decode_seconds=message.decode_seconds,
            encode_seconds=self._seconds,
            partial=message.partial,
            note=message.note,
        )

    def _encode(self) -> None:
        if self._waiting:
            began = time.perf_counter()
            self._features.append(self._model.encode_video(self._waiting).to(torch.float16))
            self._seconds += time.perf_counter() - began
            self._waiting = []


class _Decoder:
    """The decoding thread. Every put gives up when stopped, so that it can always be joined."""

    def __init__(self, jobs: Sequence[EncodeJob], source: VideoSource, plan: ClipPlan, queue_clips: int) -> None:
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
        try:
            video_id = job.video_id or self._source.content_hash(Path(job.path))
            stream = self._source.clips(Path(job.path), self._plan)
            for clip in stream:
                if not self._put(_Decoded(clip, _record(clip))):
                    stream.close()
                    break
            return _Finished(job, video_id, stream.decode_seconds, stream.warning, stream.note)
        except (VideoError, OSError) as error:
            return Failed(job, error)


def _record(clip: Clip) -> ClipRecord:
    middle = clip.frames.pixels[len(clip.frames) // 2]
    return ClipRecord(clip.window, clip.frames.seconds, thumbnail(middle))


def thumbnail(pixels: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """A JPEG whose longer side is at most THUMBNAIL_SIDE pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()
