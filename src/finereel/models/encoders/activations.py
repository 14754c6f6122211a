"""The activation functions of an MLP, by the names that `transformers` uses (`hidden_act`)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from finereel.errors import unknown_name

Function = Callable[[Tensor], Tensor]


def _tanh_gelu(values: Tensor) -> Tensor:
    return functional.gelu(values, approximate="tanh")


ACTIVATIONS: dict[str, Function] = {
    "gelu": functional.gelu,
    "gelu_10": lambda values: functional.gelu(values).clip(-10, 10),
    "gelu_accurate": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_new": _tanh_gelu,
    "gelu_python": functional.gelu,
    "gelu_python_tanh": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "hardswish": functional.hardswish,
    "laplace": lambda values: (1 + torch.erf((values - 0.707107) / (0.282095 * math.sqrt(2)))) / 2,
    "leaky_relu": functional.leaky_relu,
    "linear": lambda values: values,
    "mish": functional.mish,
    "quick_gelu": lambda values: values * torch.sigmoid(1.702 * values),
    "relu": functional.relu,
    "relu2": lambda values: functional.relu(values).square(),
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "sqrtsoftplus": lambda values: functional.softplus(values).sqrt(),
    "swish": functional.silu,
    "tanh": torch.tanh,
}
"""Those that have no weights of their own."""


class Activation(nn.Module):
    """One of ACTIVATIONS as a layer.

    >>> Activation("relu2")(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise unknown_name("activation (hidden_act)", name, ACTIVATIONS)
        self.name = name

    def forward(self, values: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](values)
