"""Saving a run so that it resumes exactly: weights, optimizer, step and random state, written whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finereel.errors import CheckpointError


@dataclass(frozen=True)
class Checkpoint:
    """One file per run, `checkpoint.pt`, replaced atomically: a crash leaves the previous one."""

    path: Path

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, step: int, best: float) -> None:
        """Write beside, sync, rename."""
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "best": best,
            "random": torch.get_rng_state(),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
        """The next step and the best validation so far; (0, -inf) where nothing was saved yet."""
        if not self.path.exists():
            return 0, float("-inf")
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["random"])
            return int(state["step"]), float(state["best"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} does not fit this run ({error}); train into another folder, or delete it to start over"
            ) from error
