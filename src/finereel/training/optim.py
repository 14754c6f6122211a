"""The optimizer's parameter groups and the learning-rate schedules.

Names are those of `RetrievalModel`; in front of them a training loop may put `model.`. A pattern is
the name of a module or parameter (everything below it is meant), or holds wildcards: `temporal`,
`encoder.clip.*_model.embeddings`.
"""

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from finereel.config import LATER
from finereel.errors import ConfigError, unknown_name


# BertAdam, the published optimizer of CLIP4Clip and everything that descends from it, quirks
# included.
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


class EagerOptimizer(torch.optim.Optimizer):
    """An optimizer that starts without torch's compiler.

    torch marks these methods as not to be compiled, and the first call of a marked one imports the
    whole compiler: half of the seconds of computing before a first step. Nothing here is compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class AdamW(EagerOptimizer, torch.optim.AdamW):
    """torch's AdamW."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class BertAdam(EagerOptimizer):
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


_TOWERS, _ADAPTER, _PROMPTS = "encoder", "encoder.adapter", "prompts"
_EMBEDDED_IN_CLIP = ("encoder.clip.*_model.embeddings", "encoder.clip.vision_model.pre_layrnorm")


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a rate and a decay of their own, whatever they are: the pattern, lr,
    weight_decay.
    """

    pattern: str
    lr: float
    weight_decay: float = 0.0


@dataclass(frozen=True)
class OptimSettings:
    """Which optimizer, its rates, and what it leaves alone.

    lr: of new layers (an adapter of precomputed tokens is one); tower_lr: of the pretrained towers;
    groups: rates of their own, the first that fits counts; weight_decay: of what DECAYS[decay]
    names; warmup: share of all steps;
    clip_norm: largest gradient norm; kind, schedule, decay: keys of OPTIMIZERS, SCHEDULES and
    DECAYS; freeze: patterns of what does not learn, see `frozen_blocks`; bert_adam: of kind
    bertadam only; prompt_lr: of learnable prompts, which never decay.
    """

    lr: float = 1e-4
    tower_lr: float = 1e-6
    weight_decay: float = 0.2
    warmup: float = 0.1
    clip_norm: float = 1.0
    kind: str = "adamw"
    schedule: str = "warmup_cosine"
    decay: str = "matrices"
    groups: tuple[ParameterGroup, ...] = ()
    freeze: tuple[str, ...] = ()
    bert_adam: BertAdamSettings = field(default_factory=BertAdamSettings)
    prompt_lr: float = field(default=1e-2, metadata=LATER)

    def __post_init__(self) -> None:
        for setting, known in (("kind", OPTIMIZERS), ("schedule", SCHEDULES), ("decay", DECAYS)):
            if getattr(self, setting) not in known:
                raise unknown_name(setting, getattr(self, setting), known)


def make_optimizer(model: nn.Module, settings: OptimSettings) -> torch.optim.Optimizer:
    """Freeze what is to be frozen, and group the rest: every trainable parameter is in exactly one
    group.

    Raises ConfigError for a pattern that names nothing, and where nothing is left to learn.
    """
    named = {name.removeprefix("model."): parameter for name, parameter in model.named_parameters()}
    for pattern in (*settings.freeze, *(group.pattern for group in settings.groups)):
        if not any(_fits(name, pattern) for name in named):
            parts = ", ".join(sorted({".".join(name.split(".")[:2]) for name in named}))
            raise ConfigError(
                f"no parameter is called {pattern!r}: expected a module's name or a pattern, as "
                f"{parts}"
            )
    groups: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        if any(_fits(name, pattern) for pattern in settings.freeze):
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            groups.setdefault(_group_of(name, parameter, settings), []).append(parameter)
    if not groups:
        raise ConfigError(f"freeze={list(settings.freeze)} leaves nothing to learn: freeze less")
    options = [
        {"params": parameters, "name": name, "lr": lr, "weight_decay": decay}
        for (name, lr, decay), parameters in groups.items()
    ]
    return OPTIMIZERS[settings.kind](options, settings)


def _group_of(
    name: str, parameter: nn.Parameter, settings: OptimSettings
) -> tuple[str, float, float]:
    """Name, rate and decay of the group a trainable parameter belongs to."""
    for group in settings.groups:
        if _fits(name, group.pattern):
            return group.pattern, group.lr, group.weight_decay
    if _fits(name, _PROMPTS):
        return _PROMPTS, settings.prompt_lr, 0.0
    tower = _fits(name, _TOWERS) and not _fits(name, _ADAPTER)
    lr = settings.tower_lr if tower else settings.lr
    decay = settings.weight_decay if DECAYS[settings.decay](name, parameter) else 0.0
    return "towers" if tower else "new", lr, decay


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern.rstrip(".") + ".*")


def frozen_blocks(below: int) -> tuple[str, ...]:
    """Patterns of what CLIP4Clip's `freeze_layer_num` keeps still in CLIP's towers: 0 freezes
    embeddings of tokens, patches and places with the norm behind them, n > 0 the first n blocks of
    both towers too, -1 nothing.

    The last norms, the projections and the logit scale always learn. Source:
    `main_task_retrieval.py` of CLIP4Clip.

    >>> frozen_blocks(1)[-1]
    'encoder.clip.*_model.encoder.layers.0'
    """
    if below < 0:
        return ()
    return (
        *_EMBEDDED_IN_CLIP,
        *(f"encoder.clip.*_model.encoder.layers.{block}" for block in range(below)),
    )


def schedule_factor(step: int, total: int, settings: OptimSettings) -> float:
    """What the rates are multiplied by at 0-based `step` of `total`."""
    return SCHEDULES[settings.schedule](step, total, settings.warmup)


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """The factor on the learning rate at 0-based `step` of `total`: linear up to 1, then a half
    cosine down to 0.

    >>> [round(warmup_cosine(step, 10, 0.2), 2) for step in (0, 1, 2, 9)]
    [0.5, 1.0, 1.0, 0.04]
    """
    ramp = max(1, round(total * warmup))
    if step < ramp:
        return (step + 1) / ramp
    return 0.5 * (1 + math.cos(math.pi * (step - ramp) / max(1, total - ramp)))


def published_cosine(step: int, total: int, warmup: float) -> float:
    """The published schedule: the first step's factor is 0, and the cosine starts at step 0, not
    after the warm-up, so that the factor jumps where the warm-up ends. Source: UCoFiA
    `optimization.py:30-40`.

    >>> [round(published_cosine(step, 10, 0.2), 2) for step in (0, 1, 2, 9)]
    [0.0, 0.5, 0.9, 0.02]
    """
    progress = step / total
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * progress))


def _matrices(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim >= 2 and "embedding" not in name and "position" not in name


def _published(name: str, parameter: nn.Parameter) -> bool:
    return not any(part in name for part in ("bias", "LayerNorm.weight"))


def _adamw(groups: list[dict[str, Any]], settings: OptimSettings) -> torch.optim.Optimizer:
    return AdamW(groups, betas=(0.9, 0.98), eps=1e-6)


def _bert_adam(groups: list[dict[str, Any]], settings: OptimSettings) -> torch.optim.Optimizer:
    return BertAdam(groups, settings.lr, settings.weight_decay, settings.bert_adam)


# What decays: matrices but no embeddings (a scale, a bias or a norm never does); or, published, all
# but biases, so that norms, embeddings, the logit scale and the identity matrices of the head are
# pulled to 0.
DECAYS: dict[str, Callable[[str, nn.Parameter], bool]] = {
    "matrices": _matrices,
    "published": _published,
}
SCHEDULES: dict[str, Callable[[int, int, float], float]] = {
    "warmup_cosine": warmup_cosine,
    "published": published_cosine,
}
OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], OptimSettings], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "bertadam": _bert_adam,
}
