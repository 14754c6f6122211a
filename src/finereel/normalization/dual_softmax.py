"""Dual softmax (DSL) at evaluation."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from finereel.errors import ConfigError
from finereel.normalization.base import Normalizer, Oriented, log_sum_exp, require_positive


@dataclass
class DualSoftmax(Normalizer):
    """scores * softmax(scores / temperature) over the *queries*: a video is worth more to the text
    it fits best.

    Source: CAMoE (arXiv 2109.04290), as TS2-Net and CLIP4Clip-family code use it at evaluation
    (temperature 1 on cosines times 100). The published factor N is left out; it changes no rank.
    Always transductive: the softmax runs over the test queries, so `fit` learns nothing and a lone
    query gets its raw scores back.

    Footgun: a *negative* score times a larger weight becomes smaller, so the product prefers the
    unlikelier of two negative candidates, and far-off candidates underflow to a tie at zero. Use it
    on scores that are mostly positive.
    """

    name: ClassVar[str] = "dual_softmax"

    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(temperature=self.temperature)

    @property
    def protocol(self) -> str:
        return f"transductive:{self.name}"

    @property
    def single_query(self) -> bool:
        return False

    def _learn(self, bank: Oriented) -> None:
        del bank

    def _transform(self, scores: Oriented) -> Oriented:
        if len(scores) == 0:
            raise ConfigError("dual softmax needs at least one query, got none")
        scaled = scores / self.temperature
        weighted: Oriented = scores * np.exp(scaled - log_sum_exp(scaled.T, np.zeros(len(scaled))))
        return weighted
