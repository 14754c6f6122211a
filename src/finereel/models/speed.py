"""How fast models encode on this machine, kept in the user's cache. Without torch.

One JSON file, `machine.json`, with an entry per machine and model, since several machines may share
a home folder. It can be deleted at any time; what cannot be read or written is measured again.
"""

import json
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finereel.errors import StorageError
from finereel.io.atomic import write_file
from finereel.io.user_cache import user_cache

NAME = "machine.json"


@dataclass(frozen=True)
class EncodingSpeed:
    """What was measured for a model on this machine.

    Attributes:
        milliseconds: Time to encode a frame.
        threads: Number of threads that encode fastest; 0 where it was not tried.
        decode_milliseconds: Time to decode a frame, None before anything was indexed.
    """

    milliseconds: float
    threads: int = 0
    decode_milliseconds: float | None = None

    def seconds(self, frames: int) -> float:
        """The time for decoding and encoding so many frames; the two overlap on several cores."""
        decode = self.decode_milliseconds or 0.0
        parts = (self.milliseconds, decode)
        return frames * (max(parts) if cores() > 1 else sum(parts)) / 1000


def cores() -> int:
    """The number of processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this operating system
        return os.cpu_count() or 1


def recorded_speed(model: str) -> EncodingSpeed | None:
    """What was measured earlier, None where nothing was."""
    try:
        kept = _read(_file())[_machine()][model]
        decode = kept["decode_milliseconds"]
        return EncodingSpeed(
            float(kept["milliseconds"]),
            int(kept["threads"]),
            None if decode is None else float(decode),
        )
    except (KeyError, TypeError, ValueError):
        return None


def record_speed(model: str, speed: EncodingSpeed) -> None:
    """Keep a measurement; nothing happens where the user's cache cannot be written."""
    every = _read(_file())
    every.setdefault(_machine(), {})[model] = asdict(speed)
    with suppress(OSError, StorageError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_file(_file(), json.dumps(every, indent=2) + "\n")


def _file() -> Path:
    return user_cache() / NAME


def _machine() -> str:
    return f"{platform.node()} {platform.machine()}, {cores()} cores"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        every = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return (
        {name: models for name, models in every.items() if isinstance(models, dict)}
        if isinstance(every, dict)
        else {}
    )
