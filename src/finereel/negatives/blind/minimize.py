"""Minimum of a smooth convex function of many variables: L-BFGS (Nocedal 1980), numpy only."""

from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

Vector = Float64[np.ndarray, " F"]
Past = deque[tuple[np.ndarray, np.ndarray, float]]
"""Steps that were taken, how the gradient changed over each, and the product of the two."""
_MEMORY = 10


def minimize(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: Vector,
    *,
    steps: int = 200,
    tolerance: float = 1e-4,
) -> Vector:
    """Where `function`, which gives a value and its gradient, is least; a caller's start is left as it is.

    Ends when no entry of the gradient is above `tolerance` times the largest at the start, after `steps`, or when
    the value falls no further.

    >>> minimize(lambda x: (float((x - 3) @ (x - 3)), 2 * (x - 3)), np.zeros(2)).round(6).tolist()
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
        slope = float(direction @ gradient)
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
        product = float(step @ change)
        if product > 0:
            past.append((step, change, product))
        point, value, gradient = moved, new_value, new_gradient
    return point


def _curved(gradient: np.ndarray, past: Past) -> np.ndarray:
    """The gradient times an estimate of the inverse Hessian (two-loop recursion)."""
    result = gradient.copy()
    weights = []
    for step, change, product in reversed(past):
        weights.append((step @ result) / product)
        result -= weights[-1] * change
    if past:
        _, change, product = past[-1]
        result *= product / (change @ change)
    for (step, change, product), weight in zip(past, reversed(weights), strict=True):
        result += (weight - (change @ result) / product) * step
    return result
