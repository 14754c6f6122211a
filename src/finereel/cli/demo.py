"""`demo`: a small rendered library, indexed and searched, so that a newcomer sees it work before
bringing videos.
"""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to put it.")] = Path(
        "finereel-demo"
    ),
    scenes: Annotated[
        int, typer.Option("--scenes", min=3, help="How many scenes; each brings its twins.")
    ] = 8,
) -> None:
    """Render a small library of ReelWorld videos, index it, search it, and say what to do next.

    Needs no network and no videos of yours. Takes a minute or two the first time, seconds after
    that.
    """
    from finereel.cli.demonstration import demonstrate

    demonstrate(folder, scenes)
