"""A picture of search results: one row per query, the thumbnails of its best clips, the right one framed."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finereel.types import Hit

_INK, _PALE, _PAPER, _CARD = "#1c2330", "#6b7688", "#f5f6f8", "#ffffff"
_RIGHT, _WORD = "#1f9d55", "#c2410c"
_MARGIN, _GAP, _THUMB, _TITLE, _LABEL = 36, 18, 208, 44, 40


@dataclass(frozen=True)
class SheetRow:
    """A query and its hits, best first. `word` is set in colour; the hit of video `right` gets a green frame."""

    query: str
    hits: Sequence[Hit]
    right: str = ""
    word: str = ""


def draw_sheet(rows: Sequence[SheetRow], path: Path, columns: int = 5) -> None:
    """Write the picture as PNG to `path`; every row shows its first `columns` hits."""
    width = 2 * _MARGIN + columns * _THUMB + (columns - 1) * _GAP
    row_height = _TITLE + _THUMB + _LABEL + _GAP
    sheet = Image.new("RGB", (width, 2 * _MARGIN + len(rows) * row_height - _GAP), _PAPER)
    for number, row in enumerate(rows):
        top = _MARGIN + number * row_height
        _draw_query(sheet, row, top)
        for column, hit in enumerate(row.hits[:columns]):
            _draw_hit(sheet, hit, (_MARGIN + column * (_THUMB + _GAP), top + _TITLE), right=hit.video == row.right)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _draw_query(sheet: Image.Image, row: SheetRow, top: int) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(24)
    left: float = _MARGIN
    for word in row.query.split():
        draw.text((left, top), word, font=font, fill=_WORD if word == row.word else _INK)
        length = draw.textlength(word, font=font)
        if word == row.word:
            draw.line((left, top + 32, left + length, top + 32), fill=_WORD, width=3)
        left += length + draw.textlength(" ", font=font)


def _draw_hit(sheet: Image.Image, hit: Hit, corner: tuple[int, int], right: bool) -> None:
    left, top = corner
    draw = ImageDraw.Draw(sheet)
    card = (left - 5, top - 5, left + _THUMB + 5, top + _THUMB + _LABEL)
    draw.rounded_rectangle(card, 12, fill=_CARD, outline=_RIGHT if right else "#dfe3e9", width=4 if right else 1)
    picture, mask = _thumbnail(hit)
    sheet.paste(picture, (left, top), mask)
    label = f"{Path(hit.video).stem}   {hit.score:.3f}"
    place = (left + 6, top + _THUMB + 8)
    draw.text(place, label, font=ImageFont.load_default(18), fill=_RIGHT if right else _PALE)


def _thumbnail(hit: Hit) -> tuple[Image.Image, Image.Image]:
    """The hit's picture cut to a square with round corners, and its mask; grey where the library stores none."""
    size = (_THUMB, _THUMB)
    picture = Image.new("RGB", size, "#c9d0da")
    if hit.thumbnail:
        with Image.open(io.BytesIO(hit.thumbnail)) as stored:
            side = min(stored.size)
            box = ((stored.width - side) // 2, (stored.height - side) // 2)
            square = stored.convert("RGB").crop((*box, box[0] + side, box[1] + side))
            picture = square.resize(size, Image.Resampling.LANCZOS)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, _THUMB - 1, _THUMB - 1), 8, fill=255)
    return picture, mask
