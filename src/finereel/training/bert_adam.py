"""BertAdam, the optimizer of CLIP4Clip and its successors, reproduced with its peculiarities."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class BertAdamSettings:
    """What makes BertAdam differ from AdamW; the defaults are the published ones.

    betas, eps: eps is added outside the square root, and there is no bias correction. max_norm:
    every parameter's gradient is clipped to it by itself, after any global clipping (0: not
    clipped). half_moments: both moments and the update are computed in float16, as they are where
    the published code holds CLIP in float16: the second moment of gradients below 1e-3 then
    underflows to 0, and the step becomes lr / eps times the first moment.
    """

    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    max_norm: float = 1.0
    half_moments: bool = False


class BertAdam(torch.optim.Optimizer):
    """Adam without bias correction; decay is added to the update before the rate: w -= lr · (m /
    (√v + eps) + wd · w).

    The schedule is the caller's: set `lr` of the groups before every step. Moments have the
    precision of the weights, or float16 where asked. Source: CLIP4Clip and UCoFiA
    `optimization.py:52-167`.

    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> weight.grad = torch.ones(1)
    >>> BertAdam([weight], lr=0.1, weight_decay=0.0).step()  # 0.1 · 0.1 / √0.02: the first step is not a whole lr
    >>> round(weight.item(), 4)
    0.9293
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        weight_decay: float = 0.2,
        settings: BertAdamSettings | None = None,
    ) -> None:
        self.settings = settings or BertAdamSettings()
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every parameter that has a gradient; the gradients are left as they were."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._update(self.state[parameter], parameter.grad).to(parameter.dtype)
                    if group["weight_decay"]:
                        update = update + group["weight_decay"] * parameter
                    parameter.add_(update, alpha=-group["lr"])

    def _update(self, state: dict[str, Tensor], gradient: Tensor) -> Tensor:
        """m / (√v + eps) after this step's gradient."""
        settings = self.settings
        if settings.half_moments:
            gradient = gradient.half()
        if not state:
            state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        if settings.max_norm:
            gradient = gradient * (settings.max_norm / (gradient.norm() + 1e-6)).clamp(max=1.0)
        mean, square = state["mean"], state["square"]
        mean.mul_(settings.betas[0]).add_(gradient, alpha=1 - settings.betas[0])
        square.mul_(settings.betas[1]).addcmul_(gradient, gradient, value=1 - settings.betas[1])
        return mean / (square.sqrt() + settings.eps)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As of any optimizer; moments stay in the precision they were saved in where that is
        float16.
        """
        super().load_state_dict(state_dict)
        if self.settings.half_moments:
            for state in self.state.values():
                state.update({name: moment.half() for name, moment in state.items()})
