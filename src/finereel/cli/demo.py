"""`demo`: render a small library, index it and search it, so that a newcomer sees Finereel work
without own videos.
"""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder to write the demo to.")
    ] = Path("finereel-demo"),
    scenes: Annotated[
        int,
        typer.Option(
            "--scenes",
            min=3,
            help="Number of scenes to render; each comes with twins that differ in one word.",
        ),
    ] = 8,
) -> None:
    """Render a small library of ReelWorld videos, index it, search it, and suggest the next
    commands.

    It needs no network and no videos. The first run takes a minute or two, later ones take seconds.
    """
    from finereel.cli.demonstration import demonstrate

    demonstrate(folder, scenes)
