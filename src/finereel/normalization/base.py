"""The interface of a normalizer: settings, fit, apply, protocol, and a JSON description of its
state.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Float64

from finereel.errors import ConfigError, DataError, unknown_name

# Between the caller's arrays (numpy or torch) and float64 numpy, without importing torch.
Matrix = TypeVar("Matrix")
"""A numpy array or a torch tensor; the result is of the same kind, float dtype and device."""


def to_float64(scores: object, what: str) -> Float64[np.ndarray, "T V"]:
    """The scores as a finite float64 matrix; raises DataError naming the first bad entry. Gradients
    stop here.
    """
    array = np.asarray(_leave_torch(scores))
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DataError(
            f"{what}: expected a (T, V) matrix of numbers, got {array.dtype} of shape {array.shape}"
        )
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            f"{what}: expected finite scores, got {array[row, column]} at text {row}, video "
            f"{column}; "
            "leave out the clip or caption whose features are broken"
        )
    return array


def like(result: Float64[np.ndarray, "..."], scores: Matrix) -> Matrix:
    """`result` in the kind, float dtype and device of `scores`; whole numbers become float64."""
    given: Any = scores
    if _is_torch(given):
        target = given if given.is_floating_point() else given.double()
        return target.new_tensor(result)  # type: ignore[no-any-return]
    dtype = np.asarray(given).dtype
    return result.astype(dtype if dtype.kind == "f" else np.float64, copy=False)  # type: ignore[return-value]


def digest(matrix: Float64[np.ndarray, "..."]) -> str:
    """12 hex characters that name a bank by its scores."""
    header = repr(matrix.shape).encode()
    return hashlib.sha256(header + np.ascontiguousarray(matrix).tobytes()).hexdigest()[:12]


def log_sum_exp(
    matrix: Float64[np.ndarray, "N M"], offset: Float64[np.ndarray, " M"]
) -> Float64[np.ndarray, " N"]:
    """log Σ_m exp(matrix[n, m] + offset[m]), finite for finite input; in blocks, as a bank can have
    1e8 entries.
    """
    result = np.empty(len(matrix))
    rows = max(1, 2**21 // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), rows):
        block = matrix[start : start + rows] + offset
        peak = block.max(axis=1)
        result[start : start + rows] = peak + np.log(np.exp(block - peak[:, None]).sum(axis=1))
    return result


def _is_torch(scores: Any) -> bool:
    return hasattr(scores, "new_tensor") and hasattr(scores, "detach")


def _leave_torch(scores: Any) -> Any:
    # bfloat16 has no numpy counterpart, hence the detour over double
    return scores.detach().cpu().double().numpy() if _is_torch(scores) else scores


DIRECTIONS = ("text_to_video", "video_to_text")
MODES = ("bank", "transductive")

Fitted = TypeVar("Fitted", bound="Normalizer")

Oriented = Float64[np.ndarray, "Q G"]
"""Queries in rows, gallery in columns: (T, V) for text_to_video, its transpose for video_to_text.
"""


@dataclass
class Normalizer(ABC):
    """Base of all normalisers. Settings are constructor arguments; what `fit` learns ends in `_`.

    direction: which side is ranked; `text_to_video` corrects videos, `video_to_text` corrects
        texts. Correcting one side never changes the ranks of the other, so evaluating both
        directions takes two normalisers.
    """

    name: ClassVar[str]
    """The key in `NORMALIZERS`."""

    direction: str = "text_to_video"
    bank_: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise unknown_name("direction", self.direction, DIRECTIONS)

    @property
    @abstractmethod
    def protocol(self) -> str:
        """What a normalised result has seen: `none`, `bank:<id of the bank>` or `transductive:<name>`."""

    @property
    @abstractmethod
    def single_query(self) -> bool:
        """Whether one live query gets the very scores it would get in a batch."""

    def fit(self: Fitted, bank: object, *, bank_id: str | None = None) -> Fitted:
        """Learn from a bank: bank texts x gallery videos (text_to_video) or gallery texts x bank
        videos.

        bank: (T, V) scores, numpy or torch; its queries should look like the live ones (training
            captions), and none of them may be evaluated.
        bank_id: names the bank in `protocol`, for instance a split hash; a hash of the scores when
        not given. Raises DataError for NaN, infinite or empty banks.
        """
        matrix = to_float64(bank, "normalization bank")
        if matrix.size == 0:
            raise ConfigError(
                f"a normalization bank needs at least one text and one video, got {matrix.shape}"
            )
        self._learn(self._orient(matrix))
        self.bank_ = bank_id or digest(matrix)
        return self

    def apply(self, scores: Matrix) -> Matrix:
        """Corrected scores (T, V), of the same kind and float dtype; float64 inside, no gradient.

        Raises DataError for NaN or infinite scores, ConfigError when a bank is needed and none was
        fitted.
        """
        oriented = self._orient(to_float64(scores, "scores to normalise"))
        return like(self._orient(self._transform(oriented)), scores)

    def to_dict(self) -> dict[str, Any]:
        """Name, settings and learned state as JSON values; `finereel.normalization.from_dict` reads
        it back exactly.
        """
        learned = {name: getattr(self, name) for name in self._learned_names()}
        return {
            "name": self.name,
            "settings": {name: getattr(self, name) for name in self.setting_names()},
            "learned": {
                name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in learned.items()
            },
        }

    def restore(self: Fitted, learned: Mapping[str, Any]) -> Fitted:
        """Take over learned state as `to_dict` wrote it; raises ConfigError for entries of another
        normaliser.
        """
        for name, value in learned.items():
            if name not in self._learned_names():
                raise unknown_name(f"learned state of {self.name}", name, self._learned_names())
            setattr(self, name, self._restored(name, value))
        return self

    @classmethod
    def setting_names(cls) -> list[str]:
        """The constructor's arguments."""
        return [f.name for f in fields(cls) if f.init]

    @classmethod
    def _learned_names(cls) -> list[str]:
        return [f.name for f in fields(cls) if not f.init]

    def _restored(self, name: str, value: Any) -> Any:
        return np.asarray(value, dtype=np.float64) if isinstance(value, list) else value

    def _orient(self, matrix: Float64[np.ndarray, "N M"]) -> Float64[np.ndarray, "..."]:
        return matrix if self.direction == "text_to_video" else matrix.T

    @abstractmethod
    def _learn(self, bank: Oriented) -> None: ...

    @abstractmethod
    def _transform(self, scores: Oriented) -> Oriented: ...


@dataclass
class BankNormalizer(Normalizer):
    """Base of the normalisers that learn from a bank, or, in `transductive` mode, from the scores
    they are applied to.

    mode: `bank` fits on queries that are not evaluated and can serve a single live query;
        `transductive` uses the test queries themselves, ignores what `fit` learned, and must be
        reported as such.
    """

    mode: str = "bank"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in MODES:
            raise unknown_name("normalization mode", self.mode, MODES)

    @property
    def protocol(self) -> str:
        if self.mode == "transductive":
            return f"transductive:{self.name}"
        self._require_fit()
        return f"bank:{self.bank_}"

    @property
    def single_query(self) -> bool:
        return self.mode == "bank"

    def _require_fit(self) -> None:
        if self.bank_ is None:
            raise ConfigError(
                f"{self.name} has no bank yet: call fit(bank scores) first, or set "
                "mode='transductive'"
            )

    def _require_gallery(self, scores: Oriented, size: int) -> None:
        if scores.shape[1] != size:
            raise ConfigError(
                f"{self.name} was fitted for a gallery of {size}, got scores for "
                f"{scores.shape[1]}; "
                "fit again with the bank's scores for the whole gallery"
            )


def require_positive(**settings: float | int) -> None:
    """Raise ConfigError unless every setting is a finite number above zero."""
    for name, value in settings.items():
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} must be a finite number above 0, got {value}")
