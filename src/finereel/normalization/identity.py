"""No normalisation."""

from dataclasses import dataclass
from typing import ClassVar

from finereel.normalization.base import Normalizer, Oriented


@dataclass
class Identity(Normalizer):
    """Scores as they are; `fit` learns nothing. The baseline of every comparison."""

    name: ClassVar[str] = "none"

    @property
    def protocol(self) -> str:
        return "none"

    @property
    def single_query(self) -> bool:
        return True

    def _learn(self, bank: Oriented) -> None:
        del bank

    def _transform(self, scores: Oriented) -> Oriented:
        return scores
