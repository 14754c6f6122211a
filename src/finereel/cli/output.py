"""How results look: times, bars, safe names, tables, and JSON on stdout."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 200
_WIDE = 110
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def console() -> Console:
    """Where tables go: stdout; piped, it is plain and wide enough that paths stay in one piece."""
    fits_a_screen = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if fits_a_screen else _PIPE_WIDTH)


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


def bar(value: float, largest: float, width: int = 8) -> str:
    """A part of a score as a bar of at most `width` cells; nothing for what lowers the score.

    >>> bar(0.5, 1.0, 4), bar(0.3, 1.0, 4), bar(-1.0, 1.0, 4)
    ('██  ', '█▎  ', '    ')
    """
    eighths = round(max(value, 0.0) / largest * width * 8) if largest > 0 else 0
    full, rest = divmod(min(eighths, width * 8), 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def shown(name: str) -> str:
    """A file name or caption without what could steer a terminal: control characters and broken bytes become marks.

    >>> shown("a\\x1b[31m.mp4"), shown("b\\udcff.mp4")
    ('a\\ufffd[31m.mp4', 'b\\ufffd.mp4')
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def short_path(path: str, here: Path | None = None) -> str:
    """A path as the user would type it: relative where it lies below the current folder.

    >>> short_path("/videos/a/b.mp4", Path("/videos")), short_path("/other/b.mp4", Path("/videos"))
    ('a/b.mp4', '/other/b.mp4')
    """
    folder = here or Path.cwd()
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


class PartsTable:
    """Rows of ranked results; every granularity has a column, on wide screens with bars on one common scale.

    Bars compare within one table only: a score has no absolute meaning across queries.
    """

    def __init__(self, first_columns: Sequence[str], parts: Sequence[dict[str, float]]) -> None:
        self._console = console()
        self._largest = max((value for row in parts for value in row.values()), default=0.0)
        self.table = Table(box=None, pad_edge=False, header_style="bold")
        self.table.add_column("#", justify="right")
        for name in first_columns:
            self.table.add_column(name, overflow="fold")
        self.table.add_column("score", justify="right")
        for name in parts[0] if parts else ():
            self.table.add_column(name.replace("_", "-"), no_wrap=True)

    def add(self, cells: Sequence[str], score: float, parts: dict[str, float]) -> None:
        """One result, best first."""
        rank = str(self.table.row_count + 1)
        self.table.add_row(
            rank, *(Text(shown(cell)) for cell in cells), f"{score:.3f}", *map(self._part, parts.values())
        )

    def print(self) -> None:
        """On stdout."""
        self._console.print(self.table)

    def _part(self, value: float) -> Text:
        drawn = f"{bar(value, self._largest)} " if self._console.width >= _WIDE else ""
        return Text(f"{drawn}{value:6.3f}")
