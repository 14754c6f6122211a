"""Convert the caller's arrays (numpy or torch) to float64 numpy and back, without importing torch."""

import hashlib
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64

from finereel.errors import DataError

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
