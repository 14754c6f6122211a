"""Measure how long a training step waits for its batch, with batches made ahead and without.

    python research/benchmarks/waiting.py [--workers 0 1 2] [--steps 12] [--batch 32]

Clips of 12 frames of 224 x 224 pixels are read from a memory-mapped file, as the cache of decoded
frames is read, and train a small tower. A batch of 32 holds 58 MB of pixels. Printed per number of
workers: pairs per second by the clock, the share of the steps spent waiting (without the first two,
in which workers start), and whether the losses are those without workers. On a processor workers
compete with the model for cores, so the share says more than the pairs per second.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from finereel.config import ModelConfig
from finereel.models.encoders.clip import ClipEncoder, clip_from_config
from finereel.models.encoders.tiny import tiny_clip_values
from finereel.models.retrieval import RetrievalModel
from finereel.training.batch import Batch
from finereel.training.health import Validation
from finereel.training.prefetch import prefetched
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import Progress, train

CLIPS, FRAMES, SIDE, VOCABULARY = 64, 12, 224, 600
WARMING = 2  # steps in which workers start


def make_clips(path: Path) -> None:
    """Random pixels of all clips in one file."""
    clips = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.uint8, shape=(CLIPS, FRAMES, SIDE, SIDE, 3)
    )
    random = np.random.default_rng(0)
    for clip in clips:
        clip[:] = random.integers(0, 256, clip.shape, dtype=np.uint8)


def batch_at(step: int, path: Path, rows: int) -> Batch:
    """Random clips with random texts, by the step alone."""
    random = np.random.default_rng(step)
    clips = np.load(path, mmap_mode="r")
    chosen = random.choice(CLIPS, rows, replace=False)
    ids = random.integers(1, VOCABULARY - 1, (rows, 12))
    ids[:, -1] = VOCABULARY - 1
    return Batch(
        torch.from_numpy(np.stack([clips[clip] for clip in chosen])),
        torch.ones(rows, FRAMES, dtype=torch.bool),
        torch.from_numpy(ids),
        torch.ones(rows, 12, dtype=torch.bool),
    )


def steps(path: Path, workers: int, count: int, rows: int) -> list[Progress]:
    """A short run."""
    torch.manual_seed(0)
    clip = clip_from_config(tiny_clip_values(VOCABULARY, image_size=SIDE, patch_size=32))
    config = ModelConfig(weights={"video_sentence": 0.5, "frame_sentence": 0.5}, shifted_blocks=())
    model = RetrievalModel(ClipEncoder(clip), config)
    events: list[Progress] = []
    settings = TrainingSettings(steps=count, validate_every=count, checkpoint_every=count)
    with (
        tempfile.TemporaryDirectory() as out,
        prefetched(partial(batch_at, path=path, rows=rows), workers) as at,
    ):
        train(model, at, lambda trained: Validation(0.0), settings, Path(out), events.append)
    return events


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    given = parser.parse_args()
    table = Table("workers", "pairs per second", "waiting, % of a step", "losses as without")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clips.npy"
        make_clips(path)
        alone = [event.loss for event in steps(path, 0, given.steps, given.batch)]
        for workers in given.workers:
            run = steps(path, workers, given.steps, given.batch)
            counted = run[WARMING:-1]  # the last step validates and saves
            seconds = sum(event.seconds for event in counted)
            waited = sum(event.waited for event in counted)
            same = "yes" if [event.loss for event in run] == alone else "no"
            table.add_row(
                str(workers),
                f"{sum(event.samples for event in counted) / seconds:.1f}",
                f"{100 * waited / seconds:.1f}",
                same,
            )
    Console().print(table)


if __name__ == "__main__":
    main()
