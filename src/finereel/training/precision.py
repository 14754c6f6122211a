"""The precision of the towers: float32, or autocast to bfloat16 or float16 (with a scaled loss).

with precision.autocast():
    features = model.video_features(...)  # heads score outside of it, in float32
precision.scale(loss).backward()
average_gradients(...)  # of scaled gradients, so that every process sees an overflow
precision.unscale(optimizer)
norm = clip_grad_norm_(...)
moved = precision.step(optimizer, norm)
"""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from finereel.errors import unknown_name

PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


class Precision:
    """Args: name: a key of PRECISIONS; device: where the model computes.

    Weights and optimizer stay in float32 whatever the name.
    """

    def __init__(self, name: str = "float32", device: torch.device | str = "cpu") -> None:
        if name not in PRECISIONS:
            raise unknown_name("precision", name, PRECISIONS)
        self.name = name
        self.device = torch.device(device)
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
