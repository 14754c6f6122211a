"""The decoding child process: reads requests from stdin and answers on stdout; it may crash without
harm.

It guards its parent (memory, file size and core limits, no second program's output on the wire) and
goes when the parent goes, even while stuck inside the decoder.
"""

import errno
import fcntl
import os
import resource
import select
import signal
import sys
import time
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import BinaryIO

from finereel.errors import BrokenVideoError, DataError, VideoError, VideoLimitError
from finereel.types import Window
from finereel.video import messages
from finereel.video.clips import ClipReader, Pace
from finereel.video.cutting import PieceWriter
from finereel.video.decode import Source, quiet
from finereel.video.files import shown
from finereel.video.plan import (
    MOST_SAMPLES,
    PIECE_BYTES,
    SAMPLE_RATE,
    Clip,
    ClipPlan,
    CutOrder,
    Limits,
)
from finereel.video.subtitles import Cue, sidecar_cues

LOG_BYTES = 2**20
OPEN_FILES = 64
_CUES_AT_ONCE = 4
"""Cues in a message: of the longest, in letters that take 12 bytes each, so many fit."""


def main(lifeline: int) -> None:
    """Serve requests until stdin ends. The limits are the first message; for `lifeline` see
    `_die_with_parent`.
    """
    _die_with_parent(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests = os.fdopen(0, "rb", buffering=0, closefd=False)
    quiet()
    first = messages.read(requests)
    if first is None:
        return
    limits = Limits(**first)
    _confine(limits)
    answers.write(messages.encode({"kind": "ready"}))
    while (request := messages.read(requests)) is not None:
        _serve(request, limits, answers)


def _confine(limits: Limits) -> None:
    memory = limits.memory_mib * 2**20
    for kind, amount in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, LOG_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        hard = resource.getrlimit(kind)[1]
        amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (amount, amount))


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel end this process when the parent's end of the `lifeline` pipe closes.

    Nothing is ever sent on it, so its only event is the parent's end. SIGIO at its default ends the
    process without asking Python, which may be waiting for a decoder. PR_SET_PDEATHSIG would follow
    the parent's thread instead.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(lifeline, select.POLLHUP)
    if poll.poll(0):  # the parent went before we listened
        os._exit(1)


def _serve(request: messages.Header, limits: Limits, answers: BinaryIO) -> None:
    path = str(request["path"])
    try:
        source = Source(path, limits)
        try:
            if request["kind"] == "probe":
                answers.write(messages.encode({"kind": "info", **asdict(source.info())}))
                _send_end(answers)
            elif request["kind"] == "sound":
                _send_sound(source, answers)
            elif request["kind"] == "cues":
                _send_cues(Path(path), source, limits, answers)
            elif request["kind"] == "cut":
                _send_cut(source, CutOrder(**request["order"]), limits, answers)
            else:
                pace = Pace(limits.deadline_s / 3, lambda: _send_progress(answers))
                _send_clips(source, ClipReader(source, _plan(request["plan"]), pace), path, answers)
        finally:
            source.close()
    except VideoError as error:
        _send_error(type(error).__name__, str(error), answers)
    except MemoryError:
        reason = (
            f"{shown(path)}: decoding needs more than {limits.memory_mib} MiB; raise "
            "memory_mib if you trust it"
        )
        _send_error(VideoLimitError.__name__, reason, answers)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        # The decoder's own errors are OSErrors too, and EINVAL is a place that a damaged file led
        # to; the others come from the disk and are not the file's fault.
        mine = type(error).__module__ == "builtins" and error.errno != errno.EINVAL
        kind = VideoError if mine else BrokenVideoError
        reason = (
            f"cannot be read ({error.strerror})"
            if mine
            else f"decoding failed ({type(error).__name__}: {error})"
        )
        _send_error(kind.__name__, f"{shown(path)}: {reason}", answers)
    except (
        Exception
    ) as error:  # whatever a hostile file provokes is that file's failure, and the next one's turn
        reason = f"{shown(path)}: decoding failed ({type(error).__name__}: {error})"
        _send_error(BrokenVideoError.__name__, reason, answers)


def _send_end(answers: BinaryIO) -> None:
    answers.write(messages.encode({"kind": "end", "warning": "", "note": "", "seconds": 0.0}))


def _send_cues(path: Path, source: Source, limits: Limits, answers: BinaryIO) -> None:
    """The texts beside the file, then those within it, each track as soon as it is read."""
    last = time.monotonic()

    def wait() -> None:
        nonlocal last
        if time.monotonic() - last > limits.deadline_s / 3:
            last = time.monotonic()
            _send_progress(answers)

    for found in sidecar_cues(path):
        _send_track(found, answers)
    try:
        _send_track(source.cues(wait), answers)
    except DataError as error:
        _send_track(str(error), answers)
    _send_end(answers)


def _send_cut(source: Source, order: CutOrder, limits: Limits, answers: BinaryIO) -> None:
    """A new file, piece by piece, then the part of the video that it holds."""
    last = time.monotonic()

    def send(at: int, data: bytes) -> None:
        nonlocal last
        for start in range(0, len(data), PIECE_BYTES):
            part = data[start : start + PIECE_BYTES]
            header = {"kind": "piece", "at": at + start, "count": len(part)}
            answers.write(messages.encode(header))
            _send_bytes(memoryview(part), answers)
        last = time.monotonic()

    def tell(seconds: float) -> None:
        nonlocal last
        if time.monotonic() - last > min(1.0, limits.deadline_s / 3):
            last = time.monotonic()
            answers.write(messages.encode({"kind": "progress", "seconds": seconds}))

    begins, ends = source.cut(order, PieceWriter(send), tell)
    answers.write(messages.encode({"kind": "cut", "start": begins, "end": ends}))
    _send_end(answers)


def _send_track(found: list[Cue] | str, answers: BinaryIO) -> None:
    """Cues, or why there are none."""
    if isinstance(found, str):
        answers.write(messages.encode({"kind": "problem", "problem": found[:4096]}))
        return
    for start in range(0, len(found), _CUES_AT_ONCE):
        rows = [astuple(cue) for cue in found[start : start + _CUES_AT_ONCE]]
        answers.write(messages.encode({"kind": "cues", "cues": rows}))


def _send_sound(source: Source, answers: BinaryIO) -> None:
    for second, samples in source.sound():
        for start in range(0, len(samples), MOST_SAMPLES):
            part = samples[start : start + MOST_SAMPLES]
            begins = second + start / SAMPLE_RATE
            answers.write(messages.encode({"kind": "sound", "begins": begins, "count": len(part)}))
            _send_bytes(part.data.cast("B"), answers)
    _send_end(answers)


def _send_error(kind: str, reason: str, answers: BinaryIO) -> None:
    answers.write(messages.encode({"kind": "error", "error": kind, "reason": reason[:4096]}))


def _plan(fields: messages.Header) -> ClipPlan:
    return ClipPlan(
        **{**fields, "windows": tuple(Window(**window) for window in fields["windows"])}
    )


def _send_progress(answers: BinaryIO) -> None:
    answers.write(messages.encode({"kind": "progress"}))


def _send_clips(source: Source, reader: ClipReader, path: str, answers: BinaryIO) -> None:
    started, waiting, count = time.perf_counter(), 0.0, 0
    for clip in reader:
        if count == 0:
            info = replace(source.info(), mode=reader.mode)
            answers.write(messages.encode({"kind": "info", **asdict(info)}))
        count += 1
        before = time.perf_counter()
        _send_clip(clip, answers)
        waiting += time.perf_counter() - before
    if count == 0:
        raise BrokenVideoError(
            f"{shown(path)}: no picture could be decoded; the file is damaged, copy it again"
        )
    seconds = time.perf_counter() - started - waiting
    end = {
        "kind": "end",
        "warning": _warning(source, reader),
        "note": reader.note,
        "seconds": seconds,
    }
    answers.write(messages.encode(end))


def _send_clip(clip: Clip, answers: BinaryIO) -> None:
    pixels = clip.frames.pixels
    header = {
        "kind": "clip",
        "start": clip.window.start,
        "end": clip.window.end,
        "shape": pixels.shape,
    }
    answers.write(messages.encode({**header, "seconds": clip.frames.seconds.tolist()}))
    _send_bytes(pixels.data.cast("B"), answers)


def _send_bytes(view: memoryview, answers: BinaryIO) -> None:
    while view:
        view = view[answers.write(view) :]


def _warning(source: Source, reader: ClipReader) -> str:
    words = []
    if reader.expected - reader.covered > source.slack and not source.others_go_on():
        words.append(f"pictures end at {reader.covered:.1f} s of {reader.expected:.1f} s")
    if source.missing:
        words.append(f"the file is incomplete, {source.missing} bytes are missing")
    if source.damage:
        words.append(f"{source.damage} damaged parts were left out")
    if source.stopped:
        words.append(f"reading stopped ({source.stopped})")
    return "; ".join(words)
