"""Inverted softmax and its dynamic form (QB-Norm)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from finereel.errors import ConfigError
from finereel.normalization.base import BankNormalizer, Oriented, log_sum_exp, require_positive


@dataclass
class InvertedSoftmax(BankNormalizer):
    """exp(beta s) / Σ_bank exp(beta s_bank) per gallery item, for queries whose top-1 is a hub of
    the bank.

    Source: Querybank normalisation (Bogolin et al., CVPR 2022, arXiv 2112.12777), Dynamic Inverted
    Softmax with activation set k = 1: a hub is an item that is top-1 for some bank query; queries
    whose top-1 is no hub keep their raw scores.

    beta: inverse temperature, 20 as published (for cosines; 20 / 100 for cosines times 100).
    dynamic: False normalises every query (plain inverted softmax), whatever its top-1.
    published: True returns the published values, ratios in some rows and raw scores in the others.
        Ranks *within* a query are right then, but rows are on two scales, so scores of different
        queries, thresholds and sums over granularities mean nothing. The default stays in score
        units: s - (1/beta) log Σ_bank exp(beta s_bank), centred over the gallery; within every
        query it ranks exactly as the published values do.
    """

    name: ClassVar[str] = "inverted_softmax"

    beta: float = 20.0
    dynamic: bool = True
    published: bool = False
    popularity_: Float64[np.ndarray, " G"] | None = field(default=None, init=False, repr=False)
    hubs_: Bool[np.ndarray, " G"] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(beta=self.beta)

    def _learn(self, bank: Oriented) -> None:
        self.popularity_, self.hubs_ = self._popularity(bank), _hubs(bank)

    def _popularity(self, bank: Oriented) -> Float64[np.ndarray, " G"]:
        """log Σ_bank exp(beta s_bank) per gallery item."""
        return log_sum_exp(self.beta * bank.T, np.zeros(len(bank)))

    def _transform(self, scores: Oriented) -> Oriented:
        if self.mode == "transductive":
            popularity, hubs = self._popularity(scores), _hubs(scores)
        else:
            self._require_fit()
            assert self.popularity_ is not None
            assert self.hubs_ is not None
            popularity, hubs = self.popularity_, self.hubs_
            self._require_gallery(scores, len(hubs))
        normalised = (
            self._ratios(scores, popularity)
            if self.published
            else self._shifted(scores, popularity)
        )
        if not self.dynamic:
            return normalised
        active = hubs[scores.argmax(axis=1)]
        return np.where(active[:, None], normalised, scores)

    def _shifted(self, scores: Oriented, popularity: Float64[np.ndarray, " G"]) -> Oriented:
        shifted: Oriented = scores - (popularity - popularity.mean()) / self.beta
        return shifted

    def _ratios(self, scores: Oriented, popularity: Float64[np.ndarray, " G"]) -> Oriented:
        exponent = self.beta * scores - popularity
        if exponent.size and exponent.max() > np.log(np.finfo(np.float64).max):
            raise ConfigError(
                f"the published ratio overflows at beta={self.beta}: "
                "lower beta (20 is meant for cosines) or leave published=False, which ranks the "
                "same"
            )
        ratios: Oriented = np.exp(exponent)
        return ratios

    def _restored(self, name: str, value: Any) -> Any:
        if name == "hubs_" and value is not None:
            return np.asarray(value, dtype=bool)
        return super()._restored(name, value)


def _hubs(bank: Oriented) -> Bool[np.ndarray, " G"]:
    hubs = np.zeros(bank.shape[1], dtype=bool)
    hubs[bank.argmax(axis=1)] = True
    return hubs
