"""Sinkhorn-Knopp normalization in the log domain: one bias per clip, so that all clips are equally
popular.

Sources: UCoFiA (Wang et al., ICCV 2023), its evaluation; the bank protocol is that of NCL (arXiv
2212.11790); the log-domain form is Peyré & Cuturi, Computational Optimal Transport, §4.4.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float64

from finereel.errors import ConfigError, DataError
from finereel.normalization.base import (
    BankNormalizer,
    Matrix,
    Oriented,
    like,
    log_sum_exp,
    require_positive,
    to_float64,
)

PUBLISHED_ITERATIONS = 4


@dataclass(frozen=True)
class Potentials:
    """Logarithms of the two scalings: exp(scores + query[:, None] + gallery) has columns that sum
    to one.
    """

    query: Float64[np.ndarray, " Q"]
    gallery: Float64[np.ndarray, " G"]


def potentials(scores: Oriented, iterations: int) -> Potentials:
    """`iterations` rounds of row and column scaling after a first column scaling, as published;
    always finite.
    """
    gallery = gallery_half_step(scores, np.zeros(len(scores)))
    query = np.zeros(len(scores))
    for _ in range(iterations):
        query = -log_sum_exp(scores, gallery)
        gallery = gallery_half_step(scores, query)
    return Potentials(query, gallery)


def gallery_half_step(
    scores: Oriented, query: Float64[np.ndarray, " Q"]
) -> Float64[np.ndarray, " G"]:
    """b_g = -log Σ_q exp(scores[q, g] + a_q): needs only the column of item g, so a new item costs
    O(bank).
    """
    return -log_sum_exp(scores.T, query)


def published_sinkhorn(
    matrix: Matrix, n_iters: int = PUBLISHED_ITERATIONS
) -> tuple[Matrix, Matrix]:
    """The (row, column) biases of UCoFiA's evaluation: log_softmax of the log scalings, no
    temperature.

    matrix: (N, M), numpy or torch. Returns (N,) and (M,) of the same kind. Where the published code
    underflows to NaN (entries more than about 88 below the maximum), this stays finite.

    >>> row, column = published_sinkhorn(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> column.round(4).tolist()
    [-0.6931, -0.6931]
    """
    if n_iters < 1:
        raise ConfigError(f"Sinkhorn needs at least one iteration, got {n_iters}")
    found = potentials(to_float64(matrix, "Sinkhorn matrix"), n_iters)
    return like(_log_softmax(found.query), matrix), like(_log_softmax(found.gallery), matrix)


def _log_softmax(values: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    normalised: Float64[np.ndarray, " N"] = values - log_sum_exp(
        values[None], np.zeros(len(values))
    )
    return normalised


@dataclass
class Sinkhorn(BankNormalizer):
    """scores + strength * bias, one bias per gallery item, in score units and with mean zero over
    the fitted gallery.

    temperature: divides the scores before scaling; small values equalise the top-1 popularity,
        large ones the mean. 1 is the published choice (for cosines times 100).
    strength: 1 is the published choice, 0 leaves the scores; fit it on held-out queries, an
    ill-matched bank harms.
    iterations: row-and-column rounds, 4 as published.

    The published bias (`published_sinkhorn`) differs by one constant for all items, which changes
    no rank; the mean is taken out so that a bank without hubs leaves scores as they are.
    """

    name: ClassVar[str] = "sinkhorn"

    temperature: float = 1.0
    strength: float = 1.0
    iterations: int = PUBLISHED_ITERATIONS
    bias_: Float64[np.ndarray, " G"] | None = field(default=None, init=False, repr=False)
    query_potential_: Float64[np.ndarray, " Q"] | None = field(default=None, init=False, repr=False)
    offset_: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(temperature=self.temperature, iterations=self.iterations)
        if not (np.isfinite(self.strength) and self.strength >= 0):
            raise ConfigError(
                f"strength must be a finite number of at least 0, got {self.strength}"
            )

    def extend(self, bank: Matrix) -> Matrix:
        """Biases for gallery items that came after `fit`: one half-step, no change to those already
        given.

        bank: the fitted bank's queries, in the same order, against the N new items: (Q, N) for
        text_to_video, (N, Q) for video_to_text. Returns (N,), to be used as `scores + strength *
        bias`. Does not alter this object.
        """
        self._require_fit()
        assert self.query_potential_ is not None
        scores = self._scaled(self._orient(to_float64(bank, "bank scores of new items")))
        if len(scores) != len(self.query_potential_):
            raise ConfigError(
                f"expected the {len(self.query_potential_)} queries of the fitted bank, got "
                f"{len(scores)}; "
                "score the same bank, in the same order, against the new items"
            )
        return like(
            self.temperature * gallery_half_step(scores, self.query_potential_) - self.offset_, bank
        )

    def _learn(self, bank: Oriented) -> None:
        found = potentials(self._scaled(bank), self.iterations)
        bias = self.temperature * found.gallery
        self.offset_ = float(bias.mean())
        self.bias_, self.query_potential_ = bias - self.offset_, found.query

    def _transform(self, scores: Oriented) -> Oriented:
        if self.mode == "transductive":
            found = potentials(self._scaled(scores), self.iterations)
            bias = self.temperature * (found.gallery - found.gallery.mean())
        else:
            self._require_fit()
            assert self.bias_ is not None
            bias = self.bias_
            self._require_gallery(scores, len(bias))
        corrected: Oriented = scores + self.strength * bias
        return corrected

    def _scaled(self, scores: Oriented) -> Oriented:
        if scores.size and np.abs(scores).max() / self.temperature > 1e300:
            raise DataError(
                f"scores up to {np.abs(scores).max():.3g} overflow at temperature "
                f"{self.temperature}"
            )
        scaled: Oriented = scores / self.temperature
        return scaled
