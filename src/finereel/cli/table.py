"""Ranked results as lines of a table: what does not fit the screen vanishes or shrinks, rank, name,
time and score never do.
"""

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import typer
from rich.cells import cell_len

from finereel.cli.output import bar, fits_a_screen, shown

_WIDE = 110
_LEAST = 24
"""Cells that a name keeps for as long as there is something left to give up."""
_SMALLEST = 6


@dataclass(frozen=True)
class Column:
    """A column. `part`: shows a part of the score, dropped first; `extra`: dropped next; `shrinks`:
    takes the rest.
    """

    name: str
    cells: tuple[str, ...]
    right: bool = False
    part: bool = False
    extra: bool = False
    shrinks: bool = False

    @property
    def width(self) -> int:
        """In cells of the screen."""
        return max(map(cell_len, (self.name, *self.cells)))


def print_results(columns: Sequence[Column], notes: Sequence[str] = ()) -> None:
    """The table on stdout; notes: a line under each row, empty for none. Piped, nothing is
    shortened.
    """
    width = shutil.get_terminal_size().columns if fits_a_screen() else None
    columns = [_safe(column, width is not None) for column in columns]
    if width is not None:
        columns = fitted(columns, width)
    gap = "  " if width is None or width >= _WIDE else " "
    rows = zip(*(column.cells for column in columns), strict=True)
    header = _line([column.name for column in columns], columns, gap)
    typer.echo(typer.style(header, bold=True) if sys.stdout.isatty() else header)
    for number, row in enumerate(rows):
        typer.echo(_line(row, columns, gap))
        if number < len(notes) and notes[number]:
            line = f"   {shown(notes[number])}"
            typer.echo(line if width is None else shorten(line, width, keep_end=False))


def part_columns(parts: Sequence[dict[str, float]], screen: int | None = None) -> list[Column]:
    """A column per granularity, on wide screens with bars on one common scale.

    Bars compare within one table only: a score has no absolute meaning across queries.
    """
    largest = max((value for row in parts for value in row.values()), default=0.0)
    width = screen or (shutil.get_terminal_size().columns if fits_a_screen() else 2 * _WIDE)

    def drawn(value: float) -> str:
        return (f"{bar(value, largest)} " if width >= _WIDE else "") + f"{value:6.3f}"

    names = list(parts[0]) if parts else []
    return [
        Column(name.replace("_", "-"), tuple(drawn(row[name]) for row in parts), part=True)
        for name in names
    ]


def fitted(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns of a screen `width` cells wide: short names of the parts, no parts, no extras,
    then shorter names.
    """
    chosen = list(columns)
    for attempt in (
        chosen,
        short := [
            replace(column, name=_short(column.name)) if column.part else column
            for column in chosen
        ],
        bare := [column for column in short if not column.part],
        [column for column in bare if not column.extra],
    ):
        chosen = attempt
        if all(
            _room(chosen, column, width) >= min(column.width, _LEAST)
            for column in chosen
            if column.shrinks
        ):
            break
    return [
        _shrunk(column, _room(chosen, column, width)) if column.shrinks else column
        for column in chosen
    ]


def shorten(text: str, width: int, keep_end: bool = True) -> str:
    """A text in at most `width` cells: its middle becomes "…" (its end, without `keep_end`).

    >>> shorten("holiday/in/norway/fjord.mp4", 16), shorten("dog.mp4", 16)
    ('holiday…jord.mp4', 'dog.mp4')
    """
    if cell_len(text) <= width:
        return text
    tail_cells = (width - 1 + 1) // 2 if keep_end else 0
    tail = _cut(text[::-1], tail_cells)[::-1]
    return _cut(text, max(0, width - 1 - cell_len(tail))) + "…" + tail


def _cut(text: str, cells: int) -> str:
    """The longest beginning of a text that fits."""
    used = 0
    for place, character in enumerate(text):
        used += cell_len(character)
        if used > cells:
            return text[:place]
    return text


def _room(columns: Sequence[Column], column: Column, width: int) -> int:
    gaps = (len(columns) - 1) * (2 if width >= _WIDE else 1)
    return max(
        _SMALLEST, width - gaps - sum(other.width for other in columns if other is not column)
    )


def _shrunk(column: Column, room: int) -> Column:
    return replace(column, cells=tuple(shorten(cell, room) for cell in column.cells))


def _short(name: str) -> str:
    """The name of a part in six letters, as wide as its numbers.

    >>> _short("video-sentence"), _short("patch-word")
    ('v-sent', 'p-word')
    """
    first, _, second = name.partition("-")
    return f"{first[:1]}-{second[:4]}" if second else name[:6]


def _safe(column: Column, on_screen: bool) -> Column:
    cells = [shown(cell) for cell in column.cells]
    return replace(column, cells=tuple(map(_kept_apart, cells) if on_screen else cells))


def _kept_apart(cell: str) -> str:
    """A cell with letters that run from right to left ends in a mark, so that the cells after it
    stay in place.
    """
    return (
        cell + "\u200e"
        if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in cell)
        else cell
    )


def _line(cells: Sequence[str], columns: Sequence[Column], gap: str) -> str:
    padded = []
    for cell, column in zip(cells, columns, strict=True):
        space = " " * (column.width - cell_len(cell))
        padded.append(space + cell if column.right else cell + space)
    return gap.join(padded).rstrip()
