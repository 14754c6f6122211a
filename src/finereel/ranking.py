"""Turn scores into an order: fuse granularities and take the best k. The same input always gives
the same order.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from finereel.errors import ConfigError, DataError

Matrix = TypeVar("Matrix")
"""A numpy array or a torch tensor."""


def fuse(parts: Mapping[str, Matrix], weights: Mapping[str, float]) -> Matrix:
    """Weighted sum over the granularities, in the order of `weights`; numpy or torch, any one
    shape.

    Raises ConfigError unless every part has exactly one weight.

    >>> fuse({"video_sentence": np.array([1.0, 2.0]), "patch_word": np.array([4.0, 0.0])},
    ...      {"video_sentence": 0.5, "patch_word": 0.25})
    array([1.5, 1. ])
    """
    if not parts or set(parts) != set(weights):
        raise ConfigError(
            f"expected one weight per granularity: parts {sorted(parts)}, weights {sorted(weights)}"
        )
    fused: Any = None
    for name, weight in weights.items():
        part: Any = parts[name]
        fused = part * weight if fused is None else fused + part * weight
    return fused  # type: ignore[no-any-return]


def top_k(scores: object, k: int) -> Int64[np.ndarray, "... K"]:
    """Indices of the k largest scores of the last axis, best first; equal scores keep their order
    (lower index first).

    scores: (V,) or (T, V), numpy or a CPU tensor. K = min(k, V). Raises DataError for NaN.

    >>> top_k([0.1, 0.7, 0.7, 0.2], 3).tolist()
    [1, 2, 3]
    """
    if k < 0:
        raise ConfigError(f"k must be at least 0, got {k}")
    tensor: Any = scores
    array = np.asarray(
        tensor.detach().cpu().double() if hasattr(tensor, "detach") else tensor, dtype=np.float64
    )
    if array.ndim not in (1, 2):
        raise DataError(f"expected scores of shape (V,) or (T, V), got {array.shape}")
    if np.isnan(array).any():
        raise DataError(
            "expected scores without NaN; leave out the clips whose features are broken"
        )
    k = min(k, array.shape[-1])
    if array.ndim == 1:
        return _top_k_row(array, k)
    return (
        np.stack([_top_k_row(row, k) for row in array])
        if len(array)
        else np.empty((0, k), dtype=np.int64)
    )


def top_overlap(
    first: Shaped[np.ndarray, "T V"], second: Shaped[np.ndarray, "T V"], k: int = 10
) -> Float64[np.ndarray, " T"]:
    """Per row, the share of the k best of one matrix that is among the k best of another; k is at
    most V.

    >>> top_overlap(np.array([[3.0, 2.0, 1.0]]), np.array([[3.0, 1.0, 2.0]]), 2).tolist()
    [0.5]
    """
    if first.shape != second.shape or not first.shape[-1]:
        raise DataError(
            f"expected two score matrices of one shape and some clips, got {first.shape} and "
            f"{second.shape}"
        )
    pairs = zip(top_k(first, k), top_k(second, k), strict=True)
    return np.array([len(np.intersect1d(one, other)) / len(one) for one, other in pairs])


def _top_k_row(scores: Float64[np.ndarray, " V"], k: int) -> Int64[np.ndarray, " K"]:
    if k == 0:
        return np.empty(0, dtype=np.int64)
    # argpartition alone would choose arbitrarily among scores that tie with the k-th
    kth_largest = np.partition(scores, len(scores) - k)[len(scores) - k]
    contenders = np.flatnonzero(scores >= kth_largest)
    order = np.argsort(-scores[contenders], kind="stable")[:k]
    return contenders[order].astype(np.int64)
