"""The log of a run: one JSON object per line in `log.jsonl`, and TensorBoard scalars if that is
installed.

No step occurs twice: a resumed run cuts the log back to where its checkpoint was written.
"""

import importlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finereel.errors import TrainingError

LOG_FILE = "log.jsonl"
WITHOUT_TENSORBOARD = (
    "no TensorBoard scalars, tensorboardX is not installed: pip install 'finereel[train]' for them"
)


@dataclass(frozen=True)
class RunLog:
    """An open log. Lines are {"kind": "step" | "validation" | "note", "step": ..., ...}; nan and
    inf become null.

    path: of the JSON lines, None for a process that writes nothing; writer: TensorBoard's, None
    without it.
    """

    path: Path | None
    writer: Any = None

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """One line, and a scalar `kind/name` for every number in it. TrainingError when the disk is
        full.
        """
        if self.path is None:
            return
        line = {"kind": kind, "step": step} | {
            name: _finite(value) for name, value in values.items()
        }
        with _logging(self.path):
            with self.path.open("ab", buffering=0) as file:
                file.write((json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode())
            if self.writer is not None:
                for name, value in _numbers(line):
                    self.writer.add_scalar(f"{kind}/{name}", value, step)

    def synced(self) -> int:
        """Force everything to disk; the length of the log in bytes, for the checkpoint."""
        if self.path is None or not self.path.exists():
            return 0
        with _logging(self.path):
            if self.writer is not None:
                self.writer.flush()
            with self.path.open("ab") as file:
                os.fsync(file.fileno())
                return file.tell()


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """What cannot be written, on a full disk say, is a TrainingError that says what is kept."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path} could not be written to ({error}); the last checkpoint beside it is kept: "
            "make room "
            "there, then give the same command again"
        ) from error


@contextmanager
def open_log(folder: Path, length: int, step: int, enabled: bool = True) -> Iterator[RunLog]:
    """The log in `folder`, cut to the `length` it had after `step` steps; not `enabled`, one that
    writes nothing.
    """
    if not enabled:
        yield RunLog(None)
        return
    path = folder / LOG_FILE
    with _logging(path):
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(min(length, file.tell()))
        writer = _tensorboard(folder / "tensorboard", step)
    try:
        yield RunLog(path, writer)
    finally:
        if writer is not None:
            with _logging(path):
                writer.close()


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        tensorboard = importlib.import_module("tensorboardX")  # an extra, and slow to import
    except ImportError:
        return None
    return tensorboard.SummaryWriter(str(folder), purge_step=step + 1)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and name != "step":
            yield prefix + name, float(value)
