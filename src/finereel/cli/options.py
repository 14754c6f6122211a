"""Options that several commands share, so that one flag means one thing everywhere."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_LIBRARY = Path("~/.finereel").expanduser()

LibraryOption = Annotated[
    Path,
    typer.Option(
        "--library",
        metavar="DIR",
        envvar="FINEREEL_LIBRARY",
        show_default="~/.finereel",
        help="The folder of the library.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="DIR_OR_ID",
        help="A bundled name such as reelworld-tiny, a model directory or a hub id; `finereel "
        "models` lists them.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")
]
