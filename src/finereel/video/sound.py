"""Read the sound of a video for a transcriber, with PyAV and in the decoding child."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard
from jaxtyping import Float32

from finereel.video.plan import SAMPLE_RATE
from finereel.video.streams import READ_ERRORS, blame


def sound_of(
    path: str | Path, container: InputContainer, origin: float
) -> Iterator[tuple[float, Float32[np.ndarray, " N"]]]:
    """The first track of sound as mono samples at SAMPLE_RATE, in short pieces, each with the second
    at which it begins. Damaged parts are left out; nothing comes of a video without sound.

    Args:
        path: For messages.
        container: The open file, from whose beginning is read.
        origin: Second zero of the file's own time.
    """
    track = next(iter(container.streams.audio), None)
    if track is None or track.codec_context is None:
        return
    for stream in container.streams:
        stream.discard = Discard.default if stream.index == track.index else Discard.all
    resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    begins: float | None = None
    done = 0
    for frame in chain(_decoded(path, container, track), [None]):
        if frame is not None and begins is None:
            begins = max(0.0, (frame.time or 0.0) - origin)
        for piece in _resampled(resampler, frame):
            yield (begins or 0.0) + done / SAMPLE_RATE, piece
            done += len(piece)


def _decoded(
    path: str | Path, container: InputContainer, track: AudioStream
) -> Iterator[AudioFrame]:
    try:
        for packet in container.demux(track):
            try:
                yield from packet.decode()
            except av.error.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
    except READ_ERRORS as error:
        blame(path, error)


def _resampled(
    resampler: AudioResampler, frame: AudioFrame | None
) -> Iterator[Float32[np.ndarray, " N"]]:
    """What a frame gives, or at the end (None) what was held back."""
    try:
        pieces = resampler.resample(frame)
    except (av.error.FFmpegError, ValueError):  # a track that changes its form on the way
        return
    for piece in pieces:
        yield np.ascontiguousarray(piece.to_ndarray().reshape(-1), dtype=np.float32)
