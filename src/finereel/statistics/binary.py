"""Predictions of yes or no: logistic regression, and how good probabilities and scores are."""

import numpy as np
from jaxtyping import Bool, Float64

_STEPS, _TINY = 50, 1e-10


def sigmoid(x: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """1 / (1 + exp(-x)), without overflow.

    >>> sigmoid(np.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    found: Float64[np.ndarray, "*n"] = np.exp(-np.logaddexp(0.0, -x))
    return found


def fit_logistic(
    inputs: Float64[np.ndarray, "n d"],
    right: Bool[np.ndarray, " n"],
    penalty: float,
    start: Float64[np.ndarray, " d"] | None = None,
) -> Float64[np.ndarray, " d"]:
    """Weights w of P(right) = sigmoid(inputs w) that minimise the log loss, by Newton's method.

    Args:
        inputs: (n, d); a column of ones gives an offset.
        right: (n,) what came true.
        penalty: `penalty / 2 * |w - start|^2` is added to the sum of the losses; above 0.
        start: (d,) the weights without data; None means zeros.

    Returns:
        (d,) the weights.

    Example:
        >>> x = np.array([[-1.0], [1.0], [2.0]])
        >>> bool(fit_logistic(x, np.array([False, True, True]), 0.1)[0] > 1)
        True
    """
    origin = np.zeros(inputs.shape[1]) if start is None else start
    weights = origin.copy()
    for _ in range(_STEPS):
        predicted = sigmoid(inputs @ weights)
        gradient = inputs.T @ (predicted - right) + penalty * (weights - origin)
        spread = predicted * (1 - predicted)
        curvature = (inputs.T * spread) @ inputs + penalty * np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if np.abs(step).max() < _TINY:
            break
    return weights


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """How often a positive is larger than a negative; ties count half. NaN where there are none.

    >>> auroc(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    0.875
    """
    if not (len(positive) and len(negative)):
        return float("nan")
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left") + np.searchsorted(order, positive, "right")
    return float(below.mean() / (2 * len(order)))


def false_positive_rate(positive: np.ndarray, negative: np.ndarray, kept: float = 0.95) -> float:
    """The share of negatives above the limit that keeps a share of the positives.

    >>> false_positive_rate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.5]), kept=0.6)
    0.0
    """
    limit = np.sort(positive)[::-1][int(np.ceil(kept * len(positive))) - 1]
    return float((negative >= limit).mean())


def calibration_error(
    predicted: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"], bins: int = 10
) -> float:
    """Expected calibration error: by how much probabilities differ from what came true, on average
    over `bins` groups of equally many predictions, from the lowest to the highest.

    >>> calibration_error(np.array([0.25, 0.75]), np.array([False, True]), bins=2)
    0.25
    """
    groups = np.array_split(np.argsort(predicted, kind="stable"), bins)
    return float(
        sum(
            abs(predicted[group].mean() - right[group].mean()) * len(group)
            for group in groups
            if len(group)
        )
        / len(predicted)
    )
