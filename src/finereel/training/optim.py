"""Which parameter learns how fast, and when."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class OptimSettings:
    """AdamW with warm-up and cosine decay.

    lr: of new layers; tower_lr: of the CLIP towers; weight_decay: on matrices only (never on biases, norms, the logit
    scale or embeddings); warmup: share of all steps; clip_norm: largest gradient norm.
    """

    lr: float = 1e-4
    tower_lr: float = 1e-6
    weight_decay: float = 0.2
    warmup: float = 0.1
    clip_norm: float = 1.0


def make_optimizer(model: nn.Module, settings: OptimSettings) -> torch.optim.AdamW:
    """AdamW over four groups: tower or new, decayed or not. Every trainable parameter is in exactly one."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            tower = "encoder." in name
            decayed = parameter.ndim >= 2 and "embedding" not in name and "position" not in name
            groups.setdefault((tower, decayed), []).append(parameter)
    options: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": settings.tower_lr if tower else settings.lr,
            "weight_decay": settings.weight_decay if decayed else 0.0,
        }
        for (tower, decayed), parameters in groups.items()
    ]
    return torch.optim.AdamW(options, betas=(0.9, 0.98), eps=1e-6)


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """The factor on the learning rate at 0-based `step` of `total`: linear up to 1, then a half cosine down to 0.

    >>> [round(warmup_cosine(step, 10, 0.2), 2) for step in (0, 1, 2, 9)]
    [0.5, 1.0, 1.0, 0.04]
    """
    ramp = max(1, round(total * warmup))
    if step < ramp:
        return (step + 1) / ramp
    return 0.5 * (1 + math.cos(math.pi * (step - ramp) / max(1, total - ramp)))
