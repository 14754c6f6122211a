"""ReelWorld as an endless training set: every step draws its own scenes and renders them at the model's size.

A batch depends on (settings, step) alone, so a resumed run sees what an undisturbed one would. Rendering runs in a
worker process that never imports torch.
"""

import multiprocessing
import random
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from finereel.reelworld import CLIP_SECONDS, Scene, captions, render, sample_scene, short_captions, twins

_SEEDS_PER_STEP = 1 << 20
Made = TypeVar("Made")


@dataclass(frozen=True)
class SceneBatches:
    """What a batch is made of.

    groups: scenes per batch; twins: counterfactual twins beside each scene (distinct clip and caption, in-batch
    negatives that differ in one word); num_frames: frames per clip, 1 = one frame at a random moment;
    short_share: share of scenes without twins-in-step captions that use a caption leaving factors out.
    """

    groups: int = 32
    twins: int = 2
    num_frames: int = 12
    image_size: int = 80
    short_share: float = 0.0
    split: str = "train"
    seed: int = 0


@dataclass(frozen=True)
class SceneBatch:
    """B clips and the caption of each."""

    pixels: UInt8[np.ndarray, "B F H H 3"]
    captions: tuple[str, ...]


def frame_times(num_frames: int) -> list[float]:
    """Centres of equal parts of a ReelWorld clip, in seconds: what the video sampler picks from its file."""
    return [(index + 0.5) / num_frames * CLIP_SECONDS for index in range(num_frames)]


def make_batch(settings: SceneBatches, step: int) -> SceneBatch:
    """The batch of one step: scenes, then for each its chosen twins, rendered."""
    rng = random.Random(f"{settings.seed}/{settings.split}/{step}")
    pairs: list[tuple[Scene, str]] = []
    for group in range(settings.groups):
        scene = sample_scene((settings.seed * _SEEDS_PER_STEP + step) * settings.groups + group, settings.split)
        pairs += _scene_with_twins(scene, settings, rng)
    pixels = np.stack([render(scene, _times(settings, rng), settings.image_size) for scene, _ in pairs])
    return SceneBatch(pixels, tuple(caption for _, caption in pairs))


def _scene_with_twins(scene: Scene, settings: SceneBatches, rng: random.Random) -> list[tuple[Scene, str]]:
    template = rng.randrange(len(captions(scene)))
    if rng.random() < settings.short_share:
        return [(scene, rng.choice(short_captions(scene)))]
    counterfactuals = list(twins(scene, template=template, split=settings.split))
    chosen = rng.sample(counterfactuals, min(settings.twins, len(counterfactuals)))
    return [(scene, captions(scene)[template]), *((twin.scene, twin.caption) for twin in chosen)]


def _times(settings: SceneBatches, rng: random.Random) -> list[float]:
    if settings.num_frames == 1:
        return [rng.random() * CLIP_SECONDS]
    return frame_times(settings.num_frames)


@contextmanager
def prefetched(make: Callable[[int], Made], depth: int = 3) -> Iterator[Callable[[int], Made]]:
    """The same function, with the next `depth` steps made ahead in one worker process (`make` must pickle)."""
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    pending: deque[tuple[int, Future[Made]]] = deque()

    def at(step: int) -> Made:
        while pending and pending[0][0] != step:
            pending.popleft()[1].cancel()
        ahead = range(pending[-1][0] + 1 if pending else step, step + depth + 1)
        pending.extend((later, pool.submit(make, later)) for later in ahead)
        return pending.popleft()[1].result()

    try:
        yield at
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
