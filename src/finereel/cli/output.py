"""Format results for the terminal: times, bars, safe names, tables, and JSON."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from finereel.io.storage.places import place_of

_PIPE_WIDTH = 200
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def console() -> Console:
    """Open stdout for tables. Piped, it is plain and so wide that paths stay in one piece."""
    return Console(highlight=False, width=None if fits_a_screen() else _PIPE_WIDTH)


def fits_a_screen() -> bool:
    """Whether somebody reads stdout on a screen, whose width then counts."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def print_json(value: Any) -> None:
    """One JSON value on stdout, in ASCII so that any terminal and any file name survive."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def clock(seconds: float) -> str:
    """A time in a video as people read it, to the second.

    >>> clock(7.4), clock(83.0), clock(3723.9)
    ('0:07', '1:23', '1:02:03')
    """
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def moment(seconds: float) -> str:
    """A time in a video to the nearest tenth of a second.

    >>> moment(7.44), moment(0.96), moment(3723.96)
    ('0:07.4', '0:01.0', '1:02:04.0')
    """
    tenths = round(seconds * 10)
    return f"{clock(float(tenths // 10))}.{tenths % 10}"


def bar(value: float, largest: float, width: int = 8) -> str:
    """A part of a score as a bar of at most `width` cells; nothing for what lowers the score.

    >>> bar(0.5, 1.0, 4), bar(0.3, 1.0, 4), bar(-1.0, 1.0, 4)
    ('██  ', '█▎  ', '    ')
    """
    eighths = round(max(value, 0.0) / largest * width * 8) if largest > 0 else 0
    full, rest = divmod(min(eighths, width * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def shown(name: str) -> str:
    """A file name or caption without what could steer a terminal: control characters and broken
    bytes become marks.

    >>> shown("a\\x1b[31m.mp4"), shown("b\\udcff.mp4")
    ('a\\ufffd[31m.mp4', 'b\\ufffd.mp4')
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def share_of(percent: int) -> str:
    """A whole percentage before what it is of.

    >>> share_of(99), share_of(100)
    ('99 % of', 'all')
    """
    return "all" if percent == 100 else f"{percent} % of"


def short_path(path: str, here: Path | None = None) -> str:
    """A path as the user would type it: relative where it lies below the current folder.

    >>> short_path("/videos/a/b.mp4", Path("/videos")), short_path("/other/b.mp4", Path("/videos"))
    ('a/b.mp4', '/other/b.mp4')
    """
    folder = here or Path.cwd()
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


# Options that several commands share, so that one flag means one thing everywhere.
DEFAULT_LIBRARY = Path("~/.finereel").expanduser()

LibraryOption = Annotated[
    Path,
    typer.Option(
        "--library",
        metavar="DIR",
        envvar="FINEREEL_LIBRARY",
        show_default="~/.finereel",
        help="The folder of the library, or its address in an object store, such as "
        "s3://BUCKET/NAME.",
    ),
]


def library_option(library: Path) -> str:
    """What a command line needs to name a library: nothing for the default one.

    >>> library_option(DEFAULT_LIBRARY), library_option(Path("a b"))
    ('', " --library 'a b'")
    """
    return "" if library == DEFAULT_LIBRARY else f" --library {shlex.quote(str(place_of(library)))}"


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="DIR_OR_ID",
        show_default="the library's own; for a new one CLIP if it is here, else everyday",
        help="A bundled model such as everyday, clip, a model directory or a hub id; `finereel "
        "models` lists the models on this machine.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")
]

# Options of the commands that read a data set. Every one of them may be left out.
AnnotationsOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Annotation files of the data set.")
]
VideosOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Videos of the data set.")]
FeaturesOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Precomputed tokens to use instead of videos.")
]
RunNameOption = Annotated[str, typer.Option(help="Name of the run in tables.")]
DeviceOption = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Device to compute on.")]
