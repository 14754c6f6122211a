"""WEIGHT FILES -> TENSORS, and tensors into a module: all of them, or an error that names what does not fit."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from finereel.errors import CheckpointError


class ShapesOnly(TorchFunctionMode):
    """Within it modules are made with shapes and without numbers, on torch's meta device.

    Nothing is drawn either: drawing for the meta device imports torch's compiler, half as long as torch itself.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in ("normal_", "uniform_", "trunc_normal_", "fill_", "zero_", "mul_", "erfinv_", "add_", "clamp_"):
            return args[0] if args else kwargs["tensor"]
        if name in ("randn", "eye"):
            sides = args if name == "randn" or len(args) > 1 else (*args, *args)
            return torch.empty(*sides, device="meta")
        return func(*args, **kwargs)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file in float32. CheckpointError for a file that does not read."""
    try:
        return {name: tensor.to(torch.float32, copy=True) for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} does not read as safetensors ({error}); copy the model again") from error


def load_strictly(module: nn.Module, weights: dict[str, Tensor], origin: str, ignored: tuple[str, ...] = ()) -> None:
    """Load every tensor, or raise CheckpointError naming what is missing, unexpected or of another shape.

    A module on torch's meta device, which has shapes and no numbers, takes the tensors themselves.
    """
    weights = {name: tensor for name, tensor in weights.items() if not name.endswith(ignored or ("\0",))}
    own = module.state_dict()
    problems = [f"missing {name}" for name in own if name not in weights]
    problems += [f"unexpected {name}" for name in weights if name not in own]
    problems += [
        f"{name} has shape {tuple(weights[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise CheckpointError(f"{origin} does not fit its config.json: {shown}")
    module.load_state_dict(weights, assign=any(tensor.is_meta for tensor in own.values()))
