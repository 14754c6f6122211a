"""Use one normalizer per granularity as if they were one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finereel.errors import ConfigError
from finereel.normalization.arrays import Matrix
from finereel.normalization.base import Normalizer


@dataclass(frozen=True)
class PerGranularity:
    """A normaliser for every granularity of a score; fit, apply and describe take and give one
    entry per granularity.

    Granularities live on different scales (cosines times 100 beside raw inner products), so each
    has its own bank.
    """

    parts: Mapping[str, Normalizer]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("expected a normalizer for at least one granularity, got none")
        if len({(part.name, part.direction) for part in self.parts.values()}) > 1:
            raise ConfigError(
                "all granularities take the same normalizer and direction; fuse the others "
                "afterwards"
            )

    @property
    def direction(self) -> str:
        return next(iter(self.parts.values())).direction

    @property
    def protocol(self) -> str:
        """As of the parts; when their banks have different names, a hash over those names."""
        protocols = list(dict.fromkeys(part.protocol for part in self.parts.values()))
        if len(protocols) == 1:
            return protocols[0]
        return f"bank:{hashlib.sha256(' '.join(protocols).encode()).hexdigest()[:12]}"

    def fit(self, banks: Mapping[str, object], *, bank_id: str | None = None) -> "PerGranularity":
        """Fit every part on its (T, V) bank matrix; see `Normalizer.fit`."""
        self._require_same(banks)
        for name, part in self.parts.items():
            part.fit(banks[name], bank_id=bank_id)
        return self

    def apply(self, scores: Mapping[str, Matrix]) -> dict[str, Matrix]:
        """The corrected (T, V) matrix of every granularity; see `Normalizer.apply`."""
        self._require_same(scores)
        return {name: part.apply(scores[name]) for name, part in self.parts.items()}

    def to_dict(self) -> dict[str, Any]:
        """One description per granularity; `finereel.normalization.per_granularity_from_dict` reads
        it back.
        """
        return {name: part.to_dict() for name, part in self.parts.items()}

    def _require_same(self, given: Mapping[str, object]) -> None:
        if set(given) != set(self.parts):
            raise ConfigError(
                f"expected one matrix for each of {sorted(self.parts)}, got {sorted(given)}"
            )
