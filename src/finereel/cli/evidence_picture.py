"""Draw the evidence for a hit: its frame with the places of words, and each word with its
verdict.
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finereel.cli.output import moment
from finereel.index.explain import Evidence
from finereel.io.atomic import replace_file, writes

_INK, _PALE, _PAPER = "#1c2330", "#6b7688", "#ffffff"
# A verdict is told by its sign and its words; its colour only repeats them.
_SIGNS = {
    "supported": ("+", "#0072b2"),
    "undecided": ("?", "#6b7688"),
    "contradicted": ("x", "#d55e00"),
    "not checked": ("-", "#9aa3b0"),
}
_BOXES = ("#f0e442", "#56b4e9", "#e69f00", "#ffffff")
_WIDTH, _MARGIN, _LINE = 720, 28, 30


@writes("path")
def draw_evidence(evidence: Evidence, path: Path, kind: str = "PNG") -> None:
    """Write the picture to `path` as a file of Pillow's format `kind`.

    Boxes are drawn for the places in the frame that is shown; each has its word beside it.
    """
    assert evidence.picture is not None
    still = Image.fromarray(evidence.picture)
    height = round(_WIDTH * still.height / still.width)
    still = still.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    _draw_places(still, evidence)
    lines = max(1, len(evidence.words))
    size = (_WIDTH + 2 * _MARGIN, height + 3 * _MARGIN + (3 + lines) * _LINE)
    page = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(page)
    _text(draw, (_MARGIN, _MARGIN - 8), evidence.query, 22, _INK)
    page.paste(still, (_MARGIN, _MARGIN + _LINE))
    top = _MARGIN + _LINE + height + 8
    under = (
        f"{Path(evidence.hit.video).name} at {moment(evidence.picture_seconds)}, score "
        f"{evidence.hit.score:.2f}"
    )
    _text(draw, (_MARGIN, top), under, 16, _PALE)
    for number, word in enumerate(evidence.words):
        sign, colour = _SIGNS[word.verdict]
        row = top + _LINE * (number + 1)
        draw.ellipse((_MARGIN, row, _MARGIN + 22, row + 22), fill=colour)
        _text(draw, (_MARGIN + 11, row + 11), sign, 18, _PAPER, "mm")
        _text(draw, (_MARGIN + 34, row), word.word, 18, _INK)
        _text(draw, (_MARGIN + 234, row), word.said, 18, colour)
    if not evidence.places:
        _text(draw, (_MARGIN, size[1] - _MARGIN - 8), "no place found", 16, _PALE)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as fresh:
        page.save(fresh, kind)


def _draw_places(still: Image.Image, evidence: Evidence) -> None:
    draw = ImageDraw.Draw(still)
    here = [place for place in evidence.places if place.frame == evidence.places[0].frame]
    for number, place in enumerate(here):
        box, colour = place.box, _BOXES[number % len(_BOXES)]
        edges = (
            box.left * still.width + 2 * number,
            box.top * still.height + 2 * number,
            box.right * still.width - 1 - 2 * number,
            box.bottom * still.height - 1 - 2 * number,
        )
        draw.rectangle(edges, outline=_INK, width=7)
        draw.rectangle(edges, outline=colour, width=4)
        font = ImageFont.load_default(18)
        label = (edges[0] + 8, edges[1] + 8 + 26 * number)
        draw.rectangle(draw.textbbox(label, place.word, font=font), fill=_INK)
        draw.text(label, place.word, font=font, fill=colour)


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    colour: str,
    anchor: str = "la",
) -> None:
    draw.text(at, text, font=ImageFont.load_default(size), fill=colour, anchor=anchor)
