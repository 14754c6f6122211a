"""Record how a result was made: program and library versions, kind of machine, and the commit of a
checkout.
"""

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import finereel

_GIT_SECONDS = 10


@dataclass(frozen=True)
class Environment:
    """Versions and machine. commit: of the checkout the program runs from, with `+` where files
    differ from it; empty for an installed package. device: what scored.
    """

    finereel: str
    torch: str
    numpy: str
    python: str
    platform: str
    device: str
    threads: int
    commit: str


def environment(device: torch.device) -> Environment:
    """Of this process.

    >>> environment(torch.device("cpu")).finereel == finereel.__version__
    True
    """
    return Environment(
        finereel=finereel.__version__,
        torch=torch.__version__,
        numpy=np.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        commit=commit(Path(finereel.__file__).resolve().parents[2]),
    )


def commit(checkout: Path) -> str:
    """The commit of a checkout, 40 hex characters and `+` for changed files; empty where `checkout`
    is none.
    """
    if not ((checkout / ".git").exists() and (checkout / "pyproject.toml").exists()):
        return ""
    try:
        found = _git(checkout, "rev-parse", "HEAD").strip()
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return found + ("+" if changed else "")


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS
    ).stdout
