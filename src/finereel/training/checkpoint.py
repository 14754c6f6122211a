"""Save a run atomically so that it resumes exactly: weights, optimizer and position."""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from finereel.errors import CheckpointError, ConfigError, StorageError, TrainingError
from finereel.io.atomic import replace_file
from finereel.training.health import Validation

Parts = Mapping[str, Any]
"""What has `state_dict` and `load_state_dict`, by name: the learner, the optimizer, the loss
scaler.
"""
Settings = Mapping[str, str]
_UNREADABLE = (
    RuntimeError,
    KeyError,
    TypeError,
    ValueError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    step: steps done, which is also the place in the schedule and in the batches; best, best_step:
    highest validation score and when; stale: validations since then; skipped: batches left out
    because something was not finite; alarmed: whether the chance alarm went off; history: (step,
    score) of every validation; log_bytes: length of the log.
    """

    step: int = 0
    best: float = float("-inf")
    best_step: int = 0
    stale: int = 0
    skipped: int = 0
    alarmed: bool = False
    history: tuple[tuple[int, float], ...] = ()
    log_bytes: int = 0

    def stepped(self, finite: bool) -> "RunState":
        """One step later; a step that was not finite was skipped."""
        return replace(self, step=self.step + 1, skipped=self.skipped + (not finite))

    def judged(self, validation: Validation) -> "RunState":
        """After a validation: a new best is one that is higher than all before."""
        history = (*self.history, (self.step, validation.score))
        if validation.score > self.best:
            return replace(
                self, best=validation.score, best_step=self.step, stale=0, history=history
            )
        return replace(self, stale=self.stale + 1, history=history)


@dataclass(frozen=True)
class Checkpoint:
    """One file per run, `checkpoint.pt`, replaced atomically: a crash leaves the previous one.

    settings: what must be the same for a run to go on, as text by name.
    """

    path: Path
    settings: Settings

    def save(self, parts: Parts, state: RunState) -> None:
        """Write beside, sync, rename. TrainingError when it cannot be written; the previous one
        stays.
        """
        values = {name: part.state_dict() for name, part in parts.items()}
        values |= {"state": asdict(state), "settings": dict(self.settings)}
        with writing(self.path, keeps=f"the checkpoint before it in {self.path.parent}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(self.path) as fresh, fresh.open("wb") as file:
                torch.save(values, file)

    def restore(self, parts: Parts) -> RunState:
        """Load every part; where nothing was saved yet, change nothing and start at step 0.

        Raises ConfigError naming the settings that differ, CheckpointError when the file does not
        fit or does not read.
        """
        if not self.path.exists():
            return RunState()
        try:
            saved: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            settings, state = dict(saved["settings"]), _state_from(saved["state"])
        except _UNREADABLE as error:
            raise self._misfit(error) from error
        self._refuse_other(settings)
        try:
            for name, part in parts.items():
                part.load_state_dict(saved[name])
        except _UNREADABLE as error:
            raise self._misfit(error) from error
        return state

    def _misfit(self, error: Exception) -> CheckpointError:
        damaged = isinstance(error, pickle.UnpicklingError | EOFError | zipfile.BadZipFile)
        reason = (
            "it is damaged" if damaged else str(error)
        )  # torch's advice there is to trust the file
        return CheckpointError(
            f"{self.path} does not fit this run ({reason}); train into another folder, or delete "
            "it to start over"
        )

    def _refuse_other(self, saved: Settings) -> None:
        names = sorted({*saved, *self.settings})
        names = [name for name in names if saved.get(name) != self.settings.get(name)]
        if not names:
            return
        differing = [
            f"{name} was {saved.get(name, 'not set')} and is {self.settings.get(name, 'not set')}"
            for name in names
        ]
        length = (
            "The learning rates follow the number of steps, so a run keeps its length. "
            if "steps" in names
            else ""
        )
        raise ConfigError(
            f"the run in {self.path.parent} has other settings: {'; '.join(differing)}. {length}"
            "Give the same settings to go on with it, or train into another folder, which may "
            "start from the model of "
            f"this one ({self.path.with_name('best')})"
        )


def _state_from(values: dict[str, Any]) -> RunState:
    known = {field.name: values[field.name] for field in fields(RunState)}
    return RunState(**known | {"history": tuple((step, score) for step, score in known["history"])})


@contextmanager
def writing(path: Path, keeps: str) -> Iterator[None]:
    """For what cannot be written, on a full disk say, a TrainingError that says what is kept."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError, StorageError) as error:
        raise TrainingError(
            f"{path.parent} could not be written to ({error}); {keeps} is kept: make room "
            "there, then give the same "
            "command again"
        ) from error
