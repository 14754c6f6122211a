"""A server in a process of its own, to be attacked, and small videos for it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from support.media import Recipe
from support.media import make_video as _make_video
from support.serving import ServerProcess
from support.serving import server_process as served

__all__ = ["ServerProcess", "make_video", "served"]


def make_video(path: Path, number: int) -> None:
    """Two seconds of a colour of its own."""
    colour = (40 * number % 256, 90 * number % 256, 200 - 20 * number)
    _make_video(path, Recipe(colour=colour, width=96, height=64))
