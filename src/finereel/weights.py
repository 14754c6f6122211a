"""WEIGHT FILES -> TENSORS, and tensors into a module: all of them, or an error that names what does not fit."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from finereel.errors import CheckpointError


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
