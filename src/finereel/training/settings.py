"""The settings of a training run, and which of them must not change when a run is resumed."""

import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from finereel.config import LATER, to_dict
from finereel.errors import ConfigError, unknown_name
from finereel.models.encoders.patches import Perturbation
from finereel.training.fine import FineLoss
from finereel.training.optim import OptimSettings

_FREE_TO_CHANGE = ("checkpoint_every", "log_every", "max_bad_batches", "recompute", "compile")
AUTO = "auto"


@dataclass(frozen=True)
class TrainingSettings:
    """How long to train, how fast, and how often to validate.

    Attributes:
        steps: Number of steps.
        optim: Learning rates, schedule and parameter groups.
        contrastive_weight: Weight of the contrastive loss; 0 omits it, for batches whose texts are
            not negatives of one another.
        part_weight: Weight of the same loss on every single granularity, in addition to the fused
            score; 0 as published.
        perturbation: Noise of the differentiable patch selection.
        factor_weight: Weight of factor supervision, which needs `factor_sizes` and batches with
            factors.
        factor_sizes: Number of values of each factor.
        precision: Precision of the towers, a key of PRECISIONS; `auto` is bfloat16 on a CUDA device
            that has it, else float32.
        chunk: Rows encoded at a time, for batches that do not fit in memory; 0 encodes all at once.
            The gradients are the same, with twice the forward passes.
        validate_every: Steps between validations. A validation and the last step always checkpoint.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between lines of the log.
        patience: Number of validations without improvement after which training stops; 0 means
            never.
        chance_after: Steps after which a validation score at chance raises an alarm.
        max_bad_batches: Number of batches that may be skipped because their loss or gradients are
            not finite.
        max_logit_scale: Upper limit of the logarithm of the logit scale.
        seed: Random seed.
        data: Hash of the training data; a run refuses to resume with different data.
        fine: Loss of batches with fine-grained negatives.
        recompute: Keep no activations within the towers' blocks and compute them again in the
            backward pass: less memory, one forward pass more, the same gradients.
        compile: Compile the towers' blocks where a compiler is found.
    """

    steps: int = 1000
    optim: OptimSettings = field(default_factory=OptimSettings)
    contrastive_weight: float = 1.0
    part_weight: float = 0.0
    perturbation: Perturbation = field(default_factory=Perturbation)
    factor_weight: float = 0.0
    factor_sizes: tuple[int, ...] = ()
    precision: str = "auto"
    chunk: int = 0
    validate_every: int = 200
    checkpoint_every: int = 200
    log_every: int = 1
    patience: int = 0
    chance_after: int = 500
    max_bad_batches: int = 20
    max_logit_scale: float = math.log(100.0)
    seed: int = 0
    data: str = ""
    fine: FineLoss = field(default=FineLoss(), metadata=LATER)
    recompute: bool = field(default=False, metadata=LATER)
    compile: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        for name in ("steps", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.precision not in (AUTO, *PRECISIONS):
            raise unknown_name("precision", self.precision, (AUTO, *PRECISIONS))
        for name in ("chunk", "patience", "chance_after", "max_bad_batches"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, got {getattr(self, name)}")


def run_identity(settings: TrainingSettings, model: Mapping[str, Any]) -> dict[str, str]:
    """What must be the same for a run to go on, flat and as text; `model`: the model's own
    settings.

    >>> run_identity(TrainingSettings(), {"max_frames": 12})["optim.lr"]
    '0.0001'
    """
    values = {
        name: value for name, value in to_dict(settings).items() if name not in _FREE_TO_CHANGE
    }
    return dict(sorted(_flat({**values, "model": model})))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        rows += (
            _flat(value, f"{prefix}{name}.")
            if nested
            else [(prefix + name, json.dumps(value, sort_keys=True))]
        )
    return rows


# In which precision towers compute: float32, or autocast to bfloat16 or float16, the latter with a
# scaled loss.
PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def _fastest(device: torch.device) -> str:
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if fast else "float32"


class Precision:
    """Args: name: a key of PRECISIONS, or `auto`; device: where the model computes.

    Weights and optimizer stay in float32 whatever the name. `name` is the precision chosen.
    """

    def __init__(self, name: str = "float32", device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.name = _fastest(self.device) if name == AUTO else name
        if self.name not in PRECISIONS:
            raise unknown_name("precision", name, (AUTO, *PRECISIONS))
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=name == "float16")

    @property
    def loss_scale(self) -> float:
        """What the loss is multiplied by before backward; 1 unless float16."""
        return float(self._scaler.get_scale())

    def autocast(self) -> AbstractContextManager[Any]:
        """The context towers run in. Enter it anew for every pass: inside it, cast weights are
        remembered.
        """
        return torch.autocast(
            self.device.type, PRECISIONS[self.name], enabled=self.name != "float32"
        )

    def scale(self, loss: Tensor) -> Tensor:
        """The loss to call backward on."""
        scaled: Tensor = self._scaler.scale(loss)
        return scaled

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring gradients back to the loss's own scale, once per step, before they are clipped."""
        self._scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer, norm: Tensor) -> bool:
        """Step where the gradient norm is finite, and tell. Else no weight moves, and the loss
        scale is halved.

        In float16 an overflow is the way the scale is found, not a bad batch, as long as
        `loss_scale` is above 1.
        """
        finite = bool(torch.isfinite(norm))
        if finite:
            self._scaler.step(optimizer)
        self._scaler.update()
        return finite

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the scale and how long it has held. Empty unless float16."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state)
