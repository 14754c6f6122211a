"""`VideoReader`, the interface of this package: read clips of video files safely.

    with VideoReader() as reader:
        for clip in reader.read("film.mp4"):
            clip.window, clip.frames.pixels

Importing this module loads neither the decoder nor torch.
"""

import atexit
import math
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float32

from finereel import errors
from finereel.errors import (
    BrokenVideoError,
    FinereelError,
    NotAVideoError,
    StalledVideoError,
    VideoError,
    VideoLimitError,
)
from finereel.types import Frames, Window
from finereel.video import messages
from finereel.video.files import FileState, content_hash, file_state, open_regular, shown
from finereel.video.find import Found, search_folders
from finereel.video.plan import (
    MOST_SAMPLES,
    PIECE_BYTES,
    Clip,
    ClipPlan,
    CutOrder,
    Limits,
    VideoInfo,
)
from finereel.video.subtitles import MAX_CUES, Cue, FileCues
from finereel.video.worker import Worker

_ERRORS: dict[str, type[VideoError]] = {
    name: getattr(errors, name)
    for name in (
        "VideoError",
        "NotAVideoError",
        "BrokenVideoError",
        "VideoLimitError",
        "StalledVideoError",
    )
}


_MOST_CUES = 10 * MAX_CUES
"""Cues of a file that are believed; it may have several tracks."""


_LIMITS = {
    re.compile(
        r"Picture size \d+x\d+ (is invalid|exceeds)"
    ): "it claims pictures larger than max_pixels allows",
    re.compile(
        r"get_buffer\(\) failed|Cannot allocate memory|malloc of size \d+ failed"
    ): "the decoder ran out of memory; raise memory_mib",
}
"""What the decoder says on its stderr when one of our limits stopped it, and what we say then."""


class ClipStream(Iterator[Clip]):
    """The clips of one file, as they are decoded. Iterate once; `close` gives up early (this costs
    the child).

    info: known from the first clip on. warning: empty, or after the last clip what was wrong with a
    file of which part could be read. note: empty, or after the last clip how a sound file was read
    other than planned (by keyframes).
    decode_seconds: time the child spent on the file, known after the last clip. cues, problems: of
    a file that is read for its texts. reached, part: of a file of which a part is cut out, the
    second at which the work stands, and at the end where the part begins and ends. Raises a
    VideoError that names the file when no clip can be had.
    """

    def __init__(self, worker: Worker, path: str, plan: ClipPlan) -> None:
        self.info: VideoInfo | None = None
        self.warning = ""
        self.note = ""
        self.decode_seconds = 0.0
        self.cues: list[Cue] = []
        self.problems: list[str] = []
        self.reached = 0.0
        self.part: tuple[float, float] | None = None
        self._heard: list[tuple[float, Float32[np.ndarray, " N"]]] = []
        self._pieces: list[tuple[int, memoryview]] = []
        self._size = 0
        self._worker = worker
        self._path = path
        self._plan = plan
        self._clips = 0
        self._done = False

    def __next__(self) -> Clip:
        while not self._done:
            clip = self._receive()
            if clip is not None:
                self._clips += 1
                return clip
        raise StopIteration

    def sound(self) -> Iterator[tuple[float, Float32[np.ndarray, " N"]]]:
        """The pieces of its sound, of a file that is read for it, each with the second at which it
        begins.
        """
        while not self._done:
            self._receive()
            yield from self._heard
            self._heard.clear()

    def pieces(self) -> Iterator[tuple[int, memoryview]]:
        """The new file, of a video of which a part is cut out: bytes, each with the place where they
        belong; an empty piece tells that the work goes on.
        """
        while not self._done:
            self._receive()
            yield from self._pieces or [(0, memoryview(b""))]
            self._pieces.clear()

    def close(self) -> None:
        """Stop reading. The child is in the middle of an answer, so it is ended; the reader starts
        another.
        """
        if not self._done:
            self._done = True
            self._worker.kill()

    def _receive(self) -> Clip | None:
        """Handle one message: a clip comes back, anything else changes this stream."""
        try:
            header = self._worker.receive()
            return self._handle(header)
        except (KeyError, TypeError, ValueError) as error:
            self._done = True
            if not isinstance(error, VideoError):
                self._worker.kill()
                error = BrokenVideoError(f"the decoder answered nonsense ({error!r})")
            if self._clips and isinstance(error, BrokenVideoError | NotAVideoError):
                self.warning = str(error)
                return None
            raise type(error)(self._named(str(error))) from error
        except BaseException:
            self.close()
            raise

    def _handle(self, header: messages.Header) -> Clip | None:
        kind = header["kind"]
        if kind == "clip":
            return self._clip(header)
        if kind == "info":
            self.info = VideoInfo(
                **{name: value for name, value in header.items() if name != "kind"}
            )
        elif kind == "progress":
            self._worker.restart_clock()
            self.reached = float(header.get("seconds", 0.0))
        elif kind == "piece":
            self._take_piece(int(header["at"]), int(header["count"]))
        elif kind == "cut":
            self.part = float(header["start"]), float(header["end"])
            if not all(map(math.isfinite, self.part)):
                raise ValueError(f"a part from {self.part[0]} to {self.part[1]}")
        elif kind == "cues":
            self._take_cues(header["cues"])
        elif kind == "sound":
            self._take_sound(float(header["begins"]), int(header["count"]))
        elif kind == "problem":
            self.problems.append(str(header["problem"]))
        elif kind == "end":
            self._done = True
            self.decode_seconds = float(header["seconds"])
            self.note = str(header["note"])
            self.warning = str(header["warning"])
            if self.warning:
                self.warning = str(_explained(BrokenVideoError(self.warning), self._worker.words()))
        elif kind == "error":
            raise _explained(_ERRORS[header["error"]](str(header["reason"])), self._worker.words())
        else:
            raise ValueError(f"unknown message {kind!r}")
        return None

    def _take_cues(self, rows: list[list[Any]]) -> None:
        self._worker.restart_clock()
        for start, end, text, language in rows:
            self.cues.append(Cue(float(start), float(end), str(text), str(language)))
        if len(self.cues) > _MOST_CUES:
            raise ValueError(f"more than {_MOST_CUES} cues")

    def _take_sound(self, begins: float, count: int) -> None:
        if not 0 < count <= MOST_SAMPLES or not 0 <= begins < math.inf:
            raise ValueError(f"{count} samples at {begins}")
        samples = self._worker.receive_bytes(4 * count).view(np.float32)
        self._worker.restart_clock()
        self._heard.append((begins, np.nan_to_num(samples)))

    def _take_piece(self, at: int, count: int) -> None:
        if not 0 < count <= PIECE_BYTES or not 0 <= at <= self._size:
            raise ValueError(f"{count} bytes at {at} of {self._size}")
        self._size = max(self._size, at + count)
        data = self._worker.receive_bytes(count).data
        self._worker.restart_clock()
        self._pieces.append((at, data))

    def _clip(self, header: messages.Header) -> Clip:
        shape = tuple(int(side) for side in header["shape"])
        longest = 16 * self._plan.size
        if len(shape) != 4 or not 0 < shape[0] <= self._plan.num_frames or shape[3] != 3:
            raise ValueError(f"frames of shape {shape}")
        if not (0 < min(shape[1:3]) <= self._plan.size and max(shape[1:3]) <= longest):
            raise ValueError(f"pictures of shape {shape[1:3]}")
        pixels = self._worker.receive_bytes(int(np.prod(shape))).reshape(shape)
        self._worker.restart_clock()
        window = Window(float(header["start"]), float(header["end"]))
        return Clip(window, Frames(pixels, np.array(header["seconds"], dtype=np.float64)))

    def _named(self, reason: str) -> str:
        name = shown(self._path)
        return reason if reason.startswith(name) else f"{name}: {reason}"


def _explained(error: VideoError, words: list[str]) -> VideoError:
    """The child's error with what the decoder said on its stderr, which may be the better
    reason.
    """
    if isinstance(error, VideoLimitError) or not words:
        return error
    for sign, reason in _LIMITS.items():
        if any(sign.search(line) for line in words):
            return VideoLimitError(f"{error}: {reason}")
    return type(error)(f"{error}: {shown(words[-1][:200])}")


class VideoReader:
    """Reads video files through one warm decoding child, replaced after it was killed or has served
    many files.

    For one thread at a time. Use it as a context manager, or call `close`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._worker: Worker | None = None
        self._owner = os.getpid()
        self._open: ClipStream | None = None

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, path: str | Path, plan: ClipPlan | None = None) -> ClipStream:
        """The clips of a file, in order. A stream of this reader that is still open is closed
        first.

        Raises NotAVideoError or VideoError at once where the file cannot be opened; the rest comes
        while iterating.
        """
        plan = plan or ClipPlan()
        return self._start({"kind": "read", "plan": asdict(plan)}, path, plan)

    def probe(self, path: str | Path) -> VideoInfo:
        """What a file is, from its header and its first picture."""
        stream = self._start({"kind": "probe"}, path, ClipPlan())
        if next(stream, None) is not None or stream.info is None:
            raise BrokenVideoError(f"{shown(path)}: the decoder gave no facts ({stream.warning})")
        return stream.info

    def cues(self, path: str | Path) -> FileCues:
        """The texts beside a video and within it. What is wrong with them is told as a problem.

        Raises VideoError where the video cannot be read this time, or not at all.
        """
        stream = self._start({"kind": "cues"}, path, ClipPlan())
        try:
            for _ in stream:
                raise BrokenVideoError(
                    f"{shown(path)}: the decoder gave a clip without being asked"
                )
        except StalledVideoError:
            raise
        except (BrokenVideoError, VideoLimitError) as error:
            return FileCues(tuple(stream.cues), (*stream.problems, str(error)))
        return FileCues(tuple(stream.cues), tuple(stream.problems))

    def sound(self, path: str | Path) -> Iterator[tuple[float, Float32[np.ndarray, " N"]]]:
        """The sound of a video as mono samples at `finereel.video.plan.SAMPLE_RATE`, piece by piece,
        each with the second at which it begins.
        """
        return self._start({"kind": "sound"}, path, ClipPlan()).sound()

    def cut(self, path: str | Path, order: CutOrder) -> ClipStream:
        """A part of a video as a new file: take its `pieces`, then look at its `part`."""
        return self._start({"kind": "cut", "order": asdict(order)}, path, ClipPlan())

    def close(self) -> None:
        """End the child. The reader can be used again and then starts another."""
        if (
            self._worker is not None and self._owner == os.getpid()
        ):  # a forked copy must not end its parent's child
            self._worker.kill()
        self._worker = None

    @property
    def pid(self) -> int | None:
        """Process id of the child, None while there is none."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    def _start(self, request: messages.Header, path: str | Path, plan: ClipPlan) -> ClipStream:
        open_regular(path).close()
        name = os.path.abspath(os.fspath(path))  # noqa: PTH100 (resolve() would follow links; the child may stand elsewhere)
        if self._open is not None:
            self._open.close()
        worker = self._warm_worker()
        self._open = ClipStream(worker, name, plan)
        worker.request({**request, "path": name})
        return self._open

    def _warm_worker(self) -> Worker:
        worn = self._worker is not None and self._worker.served >= self.limits.files_per_worker
        if worn or self._owner != os.getpid():
            self.close()
            self._owner = os.getpid()
        if self._worker is None or not self._worker.alive:
            self.close()
            self._worker = _start_worker(self.limits)
        return self._worker


def _start_worker(limits: Limits) -> Worker:
    """A decoding child. That none can be started is no file's fault: too many processes or open
    files, no memory.
    """
    try:
        return Worker(limits)
    except OSError as error:
        raise FinereelError(
            f"the decoding process does not start ({error.strerror}); end some programs, or raise "
            "the limits of this "
            "account (`ulimit -a`), then run the same command again"
        ) from error


_IDLE: list[VideoReader] = []
_LOCK = threading.Lock()


def read_clips(
    path: str | Path, plan: ClipPlan | None = None, limits: Limits | None = None
) -> Iterator[Clip]:
    """The clips of one file, through a reader kept warm for the next call; any number of threads
    may call it.

    Use `VideoReader` where the file's facts and its warning matter.
    """
    reader = _borrow(limits or Limits())
    try:
        yield from reader.read(path, plan)
    finally:
        with _LOCK:
            _IDLE.append(reader)


def _borrow(limits: Limits) -> VideoReader:
    with _LOCK:
        for index, reader in enumerate(_IDLE):
            if reader.limits == limits:
                return _IDLE.pop(index)
    return VideoReader(limits)


@atexit.register
def _close_idle() -> None:
    with _LOCK:
        while _IDLE:
            _IDLE.pop().close()


# The videos of the local file system, decoded in a killable child process.
class DiskSource:
    """The `VideoSource` that libraries use. limits: of one file, against hostile or broken ones."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._reader = VideoReader(limits)

    def find(self, paths: Iterable[Path]) -> Found:
        """See `finereel.video.find.search_folders`."""
        return search_folders(paths)

    def state(self, path: Path) -> FileState:
        """Size and modification time."""
        return file_state(path)

    def content_hash(self, path: Path) -> str:
        """See `finereel.video.files.content_hash`."""
        return content_hash(path)

    def clips(self, path: Path, plan: ClipPlan) -> ClipStream:
        """The clips of a file; one file at a time."""
        return self._reader.read(path, plan)

    def probe(self, path: Path) -> VideoInfo:
        """See `VideoReader.probe`."""
        return self._reader.probe(path)

    def cues(self, path: Path) -> FileCues:
        """See `VideoReader.cues`."""
        return self._reader.cues(path)

    def sound(self, path: Path) -> Iterator[tuple[float, Float32[np.ndarray, " N"]]]:
        """See `VideoReader.sound`."""
        return self._reader.sound(path)

    def close(self) -> None:
        """End the decoding child; the next file starts another."""
        self._reader.close()


# FILE -> FACTS: what a video file is, without reading its clips.
def probe(path: str | Path, limits: Limits | None = None) -> VideoInfo:
    """Duration, frame rate, upright size, rotation and codec of a video file, found out in a child
    process.

    Raises NotAVideoError, BrokenVideoError or VideoLimitError. For many files, `VideoReader.probe`.
    """
    with VideoReader(limits) as reader:
        return reader.probe(path)
