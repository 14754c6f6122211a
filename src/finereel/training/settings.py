"""The settings of a training run, and which of them must not change when a run is resumed."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from finereel.config import LATER, to_dict
from finereel.errors import ConfigError, unknown_name
from finereel.models.encoders.patches import Perturbation
from finereel.training.fine import FineLoss
from finereel.training.optim import OptimSettings
from finereel.training.precision import PRECISIONS

_FREE_TO_CHANGE = ("checkpoint_every", "log_every", "max_bad_batches")


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
        precision: Precision of the towers, a key of PRECISIONS.
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
    """

    steps: int = 1000
    optim: OptimSettings = field(default_factory=OptimSettings)
    contrastive_weight: float = 1.0
    part_weight: float = 0.0
    perturbation: Perturbation = field(default_factory=Perturbation)
    factor_weight: float = 0.0
    factor_sizes: tuple[int, ...] = ()
    precision: str = "float32"
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

    def __post_init__(self) -> None:
        for name in ("steps", "validate_every", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)
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
