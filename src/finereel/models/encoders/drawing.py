"""Initialise parts of a model at random and reproducibly: the same part and seed give the same
weights in every process.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from finereel.config import fingerprint


@contextmanager
def drawn(part: str, seed: int | None) -> Iterator[None]:
    """Random numbers that depend on the part of a model and the seed alone; torch's own state stays
    as it is.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(int(fingerprint(part, str(seed)), 16) % 2**63)
        yield
