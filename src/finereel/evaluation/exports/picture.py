"""Records as a picture: R@1 with its 95 % interval, a line per run and direction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finereel.errors import DataError
from finereel.evaluation.exports import TableRow, table
from finereel.evaluation.record import RunRecord
from finereel.io.atomic import replace_file, writes

_INK, _PALE, _PAPER, _EDGE = "#1c2330", "#6b7688", "#ffffff", "#dfe3e9"
_COLOURS = {"text_to_video": "#1f6feb", "video_to_text": "#c2410c"}
_WIDTH, _LABELS, _RIGHT, _TOP, _ROW, _BOTTOM = 1000, 330, 90, 64, 46, 44
_FONT = 16


@dataclass(frozen=True)
class Axis:
    """Percent to pixels, between two round numbers."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, rows: Sequence[TableRow]) -> "Axis":
        """Wide enough for every interval, about five steps."""
        values = [value for row in rows for value in _ends(row)]
        width = max(max(values) - min(values), 5.0)
        step = next(
            step for step in (1.0, 2.0, 5.0, 10.0, 20.0) if width / step <= 7 or step == 20.0
        )
        low, high = step * math.floor(min(values) / step), step * math.ceil(max(values) / step)
        if low == high:
            low, high = max(0.0, low - step), min(100.0, high + step)
        return cls(low, high, step)

    @property
    def ticks(self) -> list[float]:
        """Return the positions of the marks on an axis, from low to high."""
        return [
            self.low + self.step * n for n in range(round((self.high - self.low) / self.step) + 1)
        ]

    def place(self, percent: float) -> float:
        """The column of a value."""
        return _LABELS + (percent - self.low) / (self.high - self.low) * (_WIDTH - _LABELS - _RIGHT)


@writes("path")
def draw_picture(records: Sequence[RunRecord], path: Path) -> None:
    """Write a PNG; protocol and coverage stand beside every run. Raises DataError without
    records.
    """
    rows = table(records)
    if not rows:
        raise DataError("a picture needs at least one run, got none")
    axis = Axis.around(rows)
    picture = Image.new("RGB", (_WIDTH, _TOP + _ROW * len(rows) + _BOTTOM), _PAPER)
    draw = ImageDraw.Draw(picture)
    _draw_axis(draw, axis, _TOP + _ROW * len(rows))
    for number, row in enumerate(rows):
        _draw_row(draw, axis, row, _TOP + _ROW * number + _ROW // 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as fresh:
        picture.save(fresh, "PNG", optimize=True)


def _ends(row: TableRow) -> tuple[float, ...]:
    return (
        row.metrics["R@1"],
        *(() if row.interval is None else (row.interval.low, row.interval.high)),
    )


def _draw_axis(draw: ImageDraw.ImageDraw, axis: Axis, bottom: int) -> None:
    font = ImageFont.load_default(_FONT)
    left = 480.0
    draw.text(
        (10, 12), "R@1 in percent, bars: 95 % interval", font=ImageFont.load_default(20), fill=_INK
    )
    for name, colour in _COLOURS.items():
        label = name.replace("_", " ")
        draw.text((left, 15), label, font=font, fill=colour)
        left += draw.textlength(label, font=font) + 24
    for tick in axis.ticks:
        place = axis.place(tick)
        draw.line((place, _TOP - 8, place, bottom), fill=_EDGE, width=1)
        draw.text((place, bottom + 8), f"{tick:g}", font=font, fill=_PALE, anchor="ma")


def _draw_row(draw: ImageDraw.ImageDraw, axis: Axis, row: TableRow, middle: int) -> None:
    colour = _COLOURS[row.direction]
    label = f"{row.run}  {row.data}"
    facts = f"{row.protocol}, {row.coverage}"
    for text, size, colour_of_text, offset in ((label, _FONT, _INK, -9), (facts, 12, _PALE, 11)):
        shown = _fitted(draw, text, size, _LABELS - 20.0)
        draw.text(
            (10, middle + offset),
            shown,
            font=ImageFont.load_default(size),
            fill=colour_of_text,
            anchor="lm",
        )
    if row.interval is not None:
        low, high = axis.place(row.interval.low), axis.place(row.interval.high)
        draw.line((low, middle, high, middle), fill=colour, width=3)
        for end in (low, high):
            draw.line((end, middle - 5, end, middle + 5), fill=colour, width=2)
    centre = axis.place(row.metrics["R@1"])
    draw.ellipse((centre - 5, middle - 5, centre + 5, middle + 5), fill=colour)
    value = f"{row.metrics['R@1']:.1f}"
    draw.text(
        (_WIDTH - 14, middle), value, font=ImageFont.load_default(_FONT), fill=colour, anchor="rm"
    )


def _fitted(draw: ImageDraw.ImageDraw, text: str, size: int, width: float) -> str:
    """The text, or its beginning and dots where it is too long."""
    text = "".join(character if character.isprintable() else "?" for character in text)
    font = ImageFont.load_default(size)
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "...", font=font) > width:
        text = text[:-1]
    return text + "..."
