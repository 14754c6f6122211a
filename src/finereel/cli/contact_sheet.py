"""Draw search results as a picture: one row per query, each hit with a still and a film strip."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finereel.errors import VideoError
from finereel.io.atomic import replace_file, writes
from finereel.types import Hit, Window
from finereel.video import ClipPlan, VideoReader

_INK, _PALE, _PAPER, _CARD, _EDGE, _EMPTY = (
    "#1c2330",
    "#6b7688",
    "#f5f6f8",
    "#ffffff",
    "#dfe3e9",
    "#c9d0da",
)
_RIGHT, _WORD = "#1f9d55", "#c2410c"
_MARGIN, _GAP, _STILL, _TITLE, _LABEL = 36, 18, 208, 44, 30
_STRIP, _FRAME, _FRAME_GAP = 4, 49, 4
_ROW = _TITLE + _STILL + _FRAME_GAP + _FRAME + _LABEL + _GAP


@dataclass(frozen=True)
class ContactSheetRow:
    """A query and its hits, best first. `word` is set in colour; the hit of video `right` gets a
    green frame.
    """

    query: str
    hits: Sequence[Hit]
    right: str = ""
    word: str = ""


@writes("path")
def draw_contact_sheet(
    rows: Sequence[ContactSheetRow], path: Path, columns: int = 5, kind: str = "PNG"
) -> None:
    """Write the picture to `path` as a file of Pillow's format `kind`; every row shows its first
    `columns` hits.

    The still is the library's thumbnail; the strip below is read from the video, and left out where
    that is gone.
    """
    width = 2 * _MARGIN + columns * _STILL + (columns - 1) * _GAP
    page = Image.new("RGB", (width, 2 * _MARGIN + len(rows) * _ROW - _GAP), _PAPER)
    with VideoReader() as reader:
        for number, row in enumerate(rows):
            top = _MARGIN + number * _ROW
            _draw_query(page, row, top)
            for column, hit in enumerate(row.hits[:columns]):
                corner = (_MARGIN + column * (_STILL + _GAP), top + _TITLE)
                _draw_hit(page, hit, corner, right=hit.video == row.right)
                _draw_strip(page, _strip(reader, hit), (corner[0], corner[1] + _STILL + _FRAME_GAP))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as fresh:
        page.save(fresh, kind, optimize=True)


def _draw_query(page: Image.Image, row: ContactSheetRow, top: int) -> None:
    draw = ImageDraw.Draw(page)
    font = _fitting_font(draw, row.query, 24, float(page.width - 2 * _MARGIN))
    left: float = _MARGIN
    for word in row.query.split():
        draw.text((left, top), word, font=font, fill=_WORD if word == row.word else _INK)
        length = draw.textlength(word, font=font)
        if word == row.word:
            draw.line((left, top + 32, left + length, top + 32), fill=_WORD, width=3)
        left += length + draw.textlength(" ", font=font)


def _draw_hit(page: Image.Image, hit: Hit, corner: tuple[int, int], right: bool) -> None:
    left, top = corner
    draw = ImageDraw.Draw(page)
    bottom = top + _STILL + _FRAME_GAP + _FRAME
    card = (left - 5, top - 5, left + _STILL + 5, bottom + _LABEL)
    draw.rounded_rectangle(
        card, 12, fill=_CARD, outline=_RIGHT if right else _EDGE, width=4 if right else 1
    )
    with (
        Image.open(io.BytesIO(hit.thumbnail))
        if hit.thumbnail
        else Image.new("RGB", (1, 1), _EMPTY) as still
    ):
        _paste(page, still, corner, _STILL)
    score, name = f"{hit.score:.2f}", Path(hit.video).stem
    room = _STILL - 12 - draw.textlength(score, font=ImageFont.load_default(16)) - 8.0
    ink = _RIGHT if right else _PALE
    name, font = fitting_name(draw, name, room)
    draw.text((left + 4, bottom + 5), name, font=font, fill=ink)
    draw.text(
        (left + _STILL - 4, bottom + 5),
        score,
        font=ImageFont.load_default(16),
        fill=ink,
        anchor="ra",
    )


def _draw_strip(page: Image.Image, frames: Sequence[Image.Image], corner: tuple[int, int]) -> None:
    for number, frame in enumerate(frames):
        _paste(page, frame, (corner[0] + number * (_FRAME + _FRAME_GAP), corner[1]), _FRAME)


def _strip(reader: VideoReader, hit: Hit) -> list[Image.Image]:
    """Frames evenly spread over the clip, in the order of time."""
    plan = ClipPlan(
        num_frames=_STRIP, mode="sequential", size=2 * _FRAME, windows=(Window(hit.start, hit.end),)
    )
    try:
        return [
            Image.fromarray(pixels)
            for clip in reader.read(hit.video, plan)
            for pixels in clip.frames.pixels
        ]
    except (VideoError, OSError):
        return []


def _paste(page: Image.Image, picture: Image.Image, corner: tuple[int, int], size: int) -> None:
    """The middle square of a picture, with round corners."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.convert("RGB").crop((left, top, left + side, top + side))
    mask = Image.new("L", (size, size), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size - 1, size - 1), size // 24, fill=255)
    page.paste(square.resize((size, size), Image.Resampling.LANCZOS), corner, mask)


def fitting_name(
    draw: ImageDraw.ImageDraw, name: str, room: float
) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """A file name within `room` pixels and its font: smaller down to 12 points, then without its
    middle.
    """
    size = 16
    while size > 12 and draw.textlength(name, font=ImageFont.load_default(size)) > room:
        size -= 1
    font, kept, shown = ImageFont.load_default(size), len(name), name
    while kept > 2 and draw.textlength(shown, font=font) > room:
        kept -= 1
        shown = f"{name[: (kept + 1) // 2]}…{name[len(name) - kept // 2 :]}"
    return shown, font


def _fitting_font(
    draw: ImageDraw.ImageDraw, text: str, size: int, room: float
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The built-in font at `size`, or smaller until the text fits; never below 8 points."""
    while size > 8 and draw.textlength(text, font=ImageFont.load_default(size)) > room:
        size -= 1
    return ImageFont.load_default(size)
