"""Minimize a smooth convex function of many variables with L-BFGS (Nocedal 1980), using numpy only."""

from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

Vector = Float64[np.ndarray, " F"]
Past = deque[tuple[np.ndarray, np.ndarray, float]]
"""Steps that were taken, how the gradient changed over each, and the product of the two."""
_MEMORY = 10


def inner(one: Vector, other: Vector) -> float:
    """Sum of the products. Not by BLAS, whose threads wait for one another on a busy machine and
    add up in an order of their own on every machine.

    >>> inner(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    return float((one * other).sum())


def minimize(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: Vector,
    *,
    steps: int = 200,
    tolerance: float = 1e-4,
) -> Vector:
    """Where `function`, which gives a value and its gradient, is least; a caller's start is left as
    it is.

    Ends when no entry of the gradient is above `tolerance` times the largest at the start, after
    `steps`, or when the value falls no further.

    >>> minimize(lambda x: (inner(x - 3, x - 3), 2 * (x - 3)), np.zeros(2)).round(6).tolist()
    [3.0, 3.0]
    """
    point = start.copy()
    value, gradient = function(point)
    enough = tolerance * float(np.abs(gradient).max(initial=0.0))
    past: Past = deque(maxlen=_MEMORY)
    for _ in range(steps):
        if np.abs(gradient).max(initial=0.0) <= enough:
            break
        direction = -_curved(gradient, past)
        slope = inner(direction, gradient)
        length = 1.0 if past else 1.0 / max(1.0, float(np.abs(gradient).max()))
        while True:
            moved = point + length * direction
            new_value, new_gradient = function(moved)
            if new_value <= value + 1e-4 * length * slope:
                break
            length /= 2
            if length < 1e-12:
                return point
        step, change = moved - point, new_gradient - gradient
        product = inner(step, change)
        if product > 0:
            past.append((step, change, product))
        point, value, gradient = moved, new_value, new_gradient
    return point


def _curved(gradient: np.ndarray, past: Past) -> np.ndarray:
    """The gradient times an estimate of the inverse Hessian (two-loop recursion)."""
    result = gradient.copy()
    weights = []
    for step, change, product in reversed(past):
        weights.append(inner(step, result) / product)
        result -= weights[-1] * change
    if past:
        _, change, product = past[-1]
        result *= product / inner(change, change)
    for (step, change, product), weight in zip(past, reversed(weights), strict=True):
        result += (weight - inner(change, result) / product) * step
    return result
