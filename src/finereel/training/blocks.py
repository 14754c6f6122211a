"""Run the blocks of towers in other ways while they train: forget activations, or compile.

Both change how a block is called, not what it holds, so weights keep their names and checkpoints
fit either way.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]

NO_COMPILER = (
    "towers are not compiled: that needs a C++ compiler (g++ or clang++) on a processor, Triton on "
    "CUDA"
)


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """The blocks that a module's lists hold, in the order they run.

    >>> [type(block).__name__ for block in blocks_of(nn.Sequential(nn.ModuleList([nn.Linear(1, 1)])))]
    ['Linear']
    """
    lists = [inner for inner in module.modules() if isinstance(inner, nn.ModuleList)]
    return [block for inner in lists for block in inner]


@contextmanager
def training_blocks(module: nn.Module, recompute: bool, compiled: bool) -> Iterator[None]:
    """Call the blocks of a module as the settings say, and as before afterwards.

    recompute: keep no activations within a block; backward runs it forward once more, with the same
    random numbers (Chen et al. 2016, arXiv 1604.06174). compiled: by `torch.compile`, block by
    block; sums may round differently.
    """
    with ExitStack() as stack:
        if compiled:
            stack.enter_context(_called(module, torch.compile))
        if recompute:
            stack.enter_context(_called(module, _recomputed))
        yield


def can_compile(device: torch.device) -> bool:
    """Whether `torch.compile` finds here what it needs."""
    if device.type == "cpu":
        return any(map(shutil.which, ("g++", "clang++")))
    return torch.utils._triton.has_triton()


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    return partial(checkpoint, forward, use_reentrant=False)


@contextmanager
def _called(module: nn.Module, wrap: Wrap) -> Iterator[None]:
    """Every block's `forward` wrapped."""
    blocks = blocks_of(module)
    before = [block.__dict__.get("forward") for block in blocks]
    for block in blocks:
        block.forward = wrap(block.forward)
    try:
        yield
    finally:
        for block, forward in zip(blocks, before, strict=True):
            if forward is None:
                del block.forward
            else:
                block.forward = forward
