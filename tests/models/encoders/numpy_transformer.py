"""A pre-LN transformer block in numpy, float64, one head at a time: the independent reference of
both encoders.
"""

import math

import numpy as np


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias


def softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def attention(
    x: np.ndarray, state: dict[str, np.ndarray], heads: int, keys: list[int]
) -> np.ndarray:
    """(N, D): every row attends over the rows named in `keys`."""
    query, key, value = (
        x @ state[f"self_attn.{p}_proj.weight"].T + state[f"self_attn.{p}_proj.bias"] for p in "qkv"
    )
    width = x.shape[1] // heads
    columns = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        weights = softmax(query[:, part] @ key[keys][:, part].T / math.sqrt(width))
        columns.append(weights @ value[keys][:, part])
    return (
        np.concatenate(columns, 1) @ state["self_attn.out_proj.weight"].T
        + state["self_attn.out_proj.bias"]
    )


def mlp(x: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
    hidden = x @ state["mlp.fc1.weight"].T + state["mlp.fc1.bias"]
    hidden = hidden / (1 + np.exp(-1.702 * hidden))
    return hidden @ state["mlp.fc2.weight"].T + state["mlp.fc2.bias"]


def norm(number: int, x: np.ndarray, state: dict[str, np.ndarray], eps: float) -> np.ndarray:
    return layer_norm(
        x, state[f"layer_norm{number}.weight"], state[f"layer_norm{number}.bias"], eps
    )


def block(
    x: np.ndarray, state: dict[str, np.ndarray], heads: int, keys: list[int], eps: float
) -> np.ndarray:
    """(N, D) -> (N, D)."""
    x = x + attention(norm(1, x, state, eps), state, heads, keys)
    return x + mlp(norm(2, x, state, eps), state)
