"""How fast a model encodes on this machine: measure it, choose the number of threads, and say how
long a rebuild will take.
"""

import os
import time
from dataclasses import replace

import numpy as np
import torch

from finereel.index.events import AddReport, RebuildEstimated
from finereel.index.protocols import SearchModel
from finereel.models.speed import EncodingSpeed, cores, record_speed, recorded_speed
from finereel.types import Frames

_WIDTH = 16 / 9
_REPETITIONS = 3
_ENOUGH_SECONDS = 1.0
"""A number of threads is measured once where one clip takes that long."""


def measure_speed(model: SearchModel) -> EncodingSpeed:
    """Measure how long a frame takes with the threads that torch uses now, and keep it.

    Args:
        model: The model; it encodes a few clips of noise.

    Returns:
        The shortest of some repetitions, with what is known about decoding.
    """
    clip = _noise(model)
    model.encode_video([clip])  # the first call also allocates and chooses kernels
    milliseconds = 1000 * _seconds(model, clip) / model.num_frames
    known = recorded_speed(model.name) or EncodingSpeed(milliseconds)
    speed = replace(known, milliseconds=milliseconds)
    record_speed(model.name, speed)
    return speed


def tune_threads(model: SearchModel) -> None:
    """Let torch use as many threads as encode fastest; measured once per model and machine.

    Args:
        model: The model that is about to encode. Nothing happens on one core, or where
            OMP_NUM_THREADS is set.
    """
    if cores() == 1 or "OMP_NUM_THREADS" in os.environ:
        return
    known = recorded_speed(model.name)
    if known is None or not known.threads:
        known = _fastest(model, known)
        record_speed(model.name, known)
    torch.set_num_threads(min(known.threads, cores()))


def _fastest(model: SearchModel, known: EncodingSpeed | None) -> EncodingSpeed:
    clip = _noise(model)
    taken = {}
    for threads in sorted({cores(), max(1, cores() // 2), 1}, reverse=True):
        torch.set_num_threads(threads)
        model.encode_video([clip])
        taken[threads] = _seconds(model, clip)
    threads = min(taken, key=lambda number: taken[number])
    milliseconds = 1000 * taken[threads] / model.num_frames
    return replace(known or EncodingSpeed(0.0), milliseconds=milliseconds, threads=threads)


def remember_speed(model: str, report: AddReport) -> None:
    """Keep what the first indexing with a model showed: milliseconds per frame, encoded and decoded.

    Args:
        model: Its name.
        report: What the indexing did; one that finished no video teaches nothing.
    """
    known = recorded_speed(model)
    if not report.frames or (known is not None and known.decode_milliseconds is not None):
        return
    encode, decode = (
        1000 * seconds / report.frames for seconds in (report.encode_seconds, report.decode_seconds)
    )
    record_speed(
        model,
        replace(known or EncodingSpeed(encode), milliseconds=encode, decode_milliseconds=decode),
    )


def estimate_rebuild(model: SearchModel, clips: int) -> RebuildEstimated:
    """How long it takes to encode clips with a model, from its speed on this machine.

    Args:
        model: The model; its speed is measured where it is not known.
        clips: Number of clips.

    Returns:
        The estimate.
    """
    speed = recorded_speed(model.name) or measure_speed(model)
    seconds = speed.seconds(clips * model.num_frames)
    return RebuildEstimated(model.name, clips, model.num_frames, speed.milliseconds, seconds)


def _noise(model: SearchModel) -> Frames:
    """A clip of random pixels in the size that the decoder gives."""
    height = model.picture_size
    shape = (model.num_frames, height, round(height * _WIDTH), 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return Frames(pixels, np.arange(model.num_frames, dtype=np.float64))


def _seconds(model: SearchModel, clip: Frames) -> float:
    """The shortest time to encode a clip."""
    taken: list[float] = []
    while len(taken) < _REPETITIONS and sum(taken) < _ENOUGH_SECONDS:
        began = time.perf_counter()
        model.encode_video([clip])
        taken.append(time.perf_counter() - began)
    return min(taken)
