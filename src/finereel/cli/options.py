"""Options that several commands share, so that an option means the same everywhere."""

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
        help="A bundled model such as reelworld-tiny, a model directory or a hub id; `finereel "
        "models` lists the models on this machine.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")
]
