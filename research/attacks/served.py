"""A server in a process of its own, to be attacked."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.serving import ServerProcess
from support.serving import server_process as served

__all__ = ["ServerProcess", "served"]
