"""The picture of search results."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from finereel.cli.contact_sheet import ContactSheetRow, draw_contact_sheet, fitting_name
from finereel.types import Hit
from support.media import BLUE, Recipe, make_video


def thumbnail(colour: str) -> bytes:
    stored = io.BytesIO()
    Image.new("RGB", (240, 135), colour).save(stored, "JPEG", quality=95)
    return stored.getvalue()


def test_shows_thumbnails_in_order_and_frames_the_right_one(tmp_path: Path) -> None:
    hits = [
        Hit("/v/a.mp4", 0.0, 3.0, 2.0, {}, 1.5, "a", thumbnail("#c80000")),
        Hit("/v/b.mp4", 0.0, 3.0, 1.0, {}, 1.5, "b", thumbnail("#0000c8")),
        Hit("/v/c.mp4", 0.0, 3.0, 0.5, {}, 1.5, "c"),
    ]
    rows = [
        ContactSheetRow("a red car jumps", hits, "/v/b.mp4", "jumps"),
        ContactSheetRow("nothing", []),
    ]
    draw_contact_sheet(rows, tmp_path / "deep" / "sheet.png", columns=3)
    with Image.open(tmp_path / "deep" / "sheet.png") as picture:
        picture = picture.convert("RGB")
    assert picture.size == (
        2 * 36 + 3 * 208 + 2 * 18,
        2 * 36 + 2 * (44 + 208 + 4 + 49 + 30 + 18) - 18,
    )
    centres = [picture.getpixel((36 + column * 226 + 104, 36 + 44 + 104)) for column in range(3)]
    assert centres[0][0] > 180
    assert centres[1][2] > 180
    assert centres[2] == (0xC9, 0xD0, 0xDA)
    green = (0x1F, 0x9D, 0x55)
    frames = [
        picture.getpixel((36 + column * 226 + 104, 36 + 44 - 4)) == green for column in range(3)
    ]
    assert frames == [False, True, False]


def test_the_strip_comes_from_the_clip(tmp_path: Path) -> None:
    video = make_video(tmp_path / "blue.mp4", Recipe(colour=BLUE))
    hit = Hit(str(video), 0.5, 1.5, 1.0, {}, 1.0, "blue", thumbnail("#c80000"))
    draw_contact_sheet(
        [ContactSheetRow("a query that is much too long for its line " * 5, [hit])],
        tmp_path / "sheet.png",
        columns=1,
    )
    with Image.open(tmp_path / "sheet.png") as picture:
        frames = [
            picture.convert("RGB").getpixel((36 + 24 + 53 * number, 36 + 44 + 208 + 28))
            for number in range(4)
        ]
    assert all(blue > 180 and red < 80 for red, _, blue in frames)


@pytest.mark.parametrize("name", ["cat", "A_Couple_In_A_Public_Display_Of_Affection" * 2, "é" * 90])
def test_a_name_does_not_reach_into_the_score(name: str) -> None:
    draw = ImageDraw.Draw(Image.new("RGB", (300, 50)))
    shown, font = fitting_name(draw, name, 140.0)
    assert draw.textlength(shown, font=font) <= 140
    start, _, end = shown.partition("…")
    assert name.startswith(start)
    assert name.endswith(end)
    assert (shown == name) == ("…" not in shown)
