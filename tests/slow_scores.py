"""For slow references of heads: one text and one clip at a time, in double precision, only the
entries that exist.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from finereel.models.features import tensors_of
from finereel.models.heads import head_config, make_head
from tiny_models import DIM, FRAMES, WORDS, jitter, random_text, random_video

SCALE = 20.0
Side = dict[str, np.ndarray]
Reference = Callable[[dict[str, np.ndarray], Side, Side], dict[str, float]]


def softmax(values: list[float]) -> list[float]:
    raised = [math.exp(value - max(values)) for value in values]
    return [value / sum(raised) for value in raised]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / math.sqrt(sum(float(x) ** 2 for x in vector))


def real(mask: np.ndarray, published: bool = False) -> list[int]:
    """The places that count: all of them in published mode."""
    return [place for place in range(len(mask)) if published or mask[place]]


def assert_head_agrees(
    name: str, reference: Reference, amount: float = 0.1, **settings: Any
) -> None:
    """Every granularity of a jittered head, for every pair of 5 texts and 4 clips."""
    head = make_head(head_config(name, max_words=WORDS, max_frames=FRAMES, **settings), DIM)
    jitter(head, amount=amount)
    head = head.double().eval()
    text, video = random_text(5).to(torch.float64), random_video(4).to(torch.float64)
    video = replace(
        video,
        contextual=torch.randn(
            video.frames.shape, generator=torch.Generator().manual_seed(4)
        ).double(),
    )
    with torch.no_grad():
        scores = head.score(text, video, torch.tensor(SCALE, dtype=torch.float64))
    state = {key: tensor.double().numpy() for key, tensor in head.state_dict().items()}
    for t in range(5):
        for v in range(4):
            sides = [
                {name: tensor[row].numpy() for name, tensor in tensors_of(side).items()}
                for side, row in ((text, t), (video, v))
            ]
            wanted = reference(state, *sides)
            assert list(scores.parts) == list(wanted)
            for part, value in wanted.items():
                assert scores.parts[part][t, v].item() == pytest.approx(
                    value, rel=1e-8, abs=1e-10
                ), (part, t, v)
