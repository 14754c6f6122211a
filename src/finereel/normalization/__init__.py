"""Score normalization against hubs, clips that are close to every query.

All matrices are (T, V): texts in rows, videos in columns, whatever the direction. `fit` learns from
a bank of queries that are not evaluated, `apply` corrects scores, `protocol` names what a result
has seen and belongs beside it: `none`, `bank:<hash>`, or `transductive` (other test queries were
used, so a lone live query cannot have that result).

    >>> import numpy as np
    >>> bank = np.array([[5.0, 1.0], [5.0, 2.0]])           # two captions, both fond of video 0: a hub
    >>> sinkhorn = create("sinkhorn").fit(bank, bank_id="two captions")
    >>> scores = np.array([[4.0, 3.0]])                     # a live query
    >>> int(sinkhorn.apply(scores).argmax()), sinkhorn.protocol
    (1, 'bank:two captions')

A new normaliser is one file in this folder and one line in `NORMALIZERS`; the contract tests then
run on it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finereel.errors import ConfigError, unknown_name
from finereel.normalization.base import DIRECTIONS, MODES, Matrix, Normalizer
from finereel.normalization.dual_softmax import DualSoftmax
from finereel.normalization.identity import Identity
from finereel.normalization.inverted_softmax import InvertedSoftmax
from finereel.normalization.sinkhorn import Sinkhorn, published_sinkhorn


# One normaliser per granularity, used as one.
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


__all__ = [
    "DIRECTIONS",
    "MODES",
    "NORMALIZERS",
    "DualSoftmax",
    "Identity",
    "InvertedSoftmax",
    "Normalizer",
    "PerGranularity",
    "Sinkhorn",
    "create",
    "from_dict",
    "per_granularity",
    "per_granularity_from_dict",
    "published_sinkhorn",
]

NORMALIZERS: dict[str, type[Normalizer]] = {
    "none": Identity,
    "sinkhorn": Sinkhorn,
    "dual_softmax": DualSoftmax,
    "inverted_softmax": InvertedSoftmax,
}


def create(name: str, **settings: Any) -> Normalizer:
    """The unfitted normaliser of that name.

    Raises ConfigError for an unknown name or setting, or a value outside its range.

    >>> create("sinkhorn", temperature=0.5).temperature
    0.5
    """
    if name not in NORMALIZERS:
        raise unknown_name("normalizer", name, NORMALIZERS)
    kind = NORMALIZERS[name]
    known = kind.setting_names()
    for setting in settings:
        if setting not in known:
            raise unknown_name(f"setting of {name}", setting, known)
    return kind(**settings)


def from_dict(state: Mapping[str, Any]) -> Normalizer:
    """The normaliser that `Normalizer.to_dict` described; raises ConfigError when the description
    does not fit.
    """
    if not isinstance(state.get("name"), str):
        raise ConfigError(
            f"a normalizer description has a name, got the keys {sorted(state)}; write it with "
            "to_dict()"
        )
    return create(state["name"], **state.get("settings", {})).restore(state.get("learned", {}))


def per_granularity(name: str, granularities: list[str], **settings: Any) -> PerGranularity:
    """One unfitted normaliser per granularity, all with the same settings (UCoFiA runs Sinkhorn
    once per level).
    """
    return PerGranularity({granularity: create(name, **settings) for granularity in granularities})


def per_granularity_from_dict(state: Mapping[str, Any]) -> PerGranularity:
    """The reverse of `PerGranularity.to_dict`."""
    return PerGranularity({granularity: from_dict(part) for granularity, part in state.items()})
