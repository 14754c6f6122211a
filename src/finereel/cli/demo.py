"""`demo`: search real pictures and a small rendered library, so that a newcomer sees Finereel work
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
    videos: Annotated[
        Path | None,
        typer.Option(
            "--videos", metavar="DIR", help="Search your own videos instead; they are only read."
        ),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query",
            metavar="TEXT",
            help="What to look for in your own videos; may be given several times.",
        ),
    ] = None,
) -> None:
    """Search real photos and a clip that ship with Finereel, then rendered scenes that differ in one
    word, and suggest the next commands.

    It needs no network and no videos. The first run takes a minute or two, later ones take seconds.
    With --videos it indexes that folder into a library of its own and searches it.
    """
    if query and videos is None:
        raise typer.BadParameter("it needs --videos DIR, whose videos it searches")
    if videos is not None:
        from finereel.cli.demo_pictures import search_own

        search_own(folder, videos.expanduser(), query or ())
        return
    from finereel.cli.demonstration import demonstrate

    demonstrate(folder, scenes)
