"""Draw the objects: each noun is a function that draws on a `Canvas` in unit coordinates (x right,
y down).

`body` takes the object's colour and pattern; `detail` has a colour of its own and lies on top.
Details stay few and neutral, so that the colour word is certain. Objects with a front face right.
"""

import math
from collections.abc import Callable

from PIL import Image, ImageDraw

from finereel.reelworld import palette
from finereel.reelworld.palette import Rgb

Points = tuple[tuple[float, float], ...]


class Canvas:
    """A square canvas: a mask of the body and a transparent layer of details."""

    def __init__(self, pixels: int, colour: Rgb) -> None:
        self.pixels = pixels
        self.colour = colour
        self.body = Image.new("L", (pixels, pixels))
        self.details = Image.new("RGBA", (pixels, pixels))
        self._body = ImageDraw.Draw(self.body)
        self._details = ImageDraw.Draw(self.details)

    def scaled(self, points: Points) -> list[tuple[float, float]]:
        return [(x * self.pixels, y * self.pixels) for x, y in points]

    def polygon(self, points: Points, fill: Rgb | None = None) -> None:
        """A polygon of the body, or with `fill` of the details."""
        if fill is None:
            self._body.polygon(self.scaled(points), fill=255)
        else:
            self._details.polygon(self.scaled(points), fill=(*fill, 255))

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Rgb | None = None) -> None:
        """An ellipse around (x, y)."""
        box = self.scaled(((x - rx, y - ry), (x + rx, y + ry)))
        if fill is None:
            self._body.ellipse(box, fill=255)
        else:
            self._details.ellipse(box, fill=(*fill, 255))

    def box(
        self,
        corners: tuple[float, float, float, float],
        radius: float = 0.0,
        fill: Rgb | None = None,
    ) -> None:
        """A rectangle (left, top, right, bottom) with rounded corners."""
        area = self.scaled((corners[:2], corners[2:]))
        if fill is None:
            self._body.rounded_rectangle(area, radius * self.pixels, fill=255)
        else:
            self._details.rounded_rectangle(area, radius * self.pixels, fill=(*fill, 255))

    def line(self, points: Points, width: float, fill: Rgb) -> None:
        """A line with round joints, on the details."""
        thick = max(1, round(width * self.pixels))
        self._details.line(self.scaled(points), fill=(*fill, 255), width=thick, joint="curve")

    def tone(self, share: float) -> Rgb:
        """The object's own colour, darker (share > 0) or lighter (share < 0)."""
        return palette.mix(self.colour, palette.INK if share > 0 else palette.WHITE, abs(share))

    def eye(self, x: float, y: float, radius: float) -> None:
        self.ellipse(x, y, radius, radius, palette.WHITE)
        self.ellipse(x + radius * 0.25, y, radius * 0.55, radius * 0.55, palette.INK)


def car(s: Canvas) -> None:
    # The cabin sits far back over a long bonnet, so that front and rear cannot be confused.
    s.box((0.03, 0.44, 0.60, 0.76), 0.07)
    s.polygon(((0.40, 0.47), (0.62, 0.47), (0.90, 0.53), (0.98, 0.62), (0.98, 0.76), (0.40, 0.76)))
    s.polygon(((0.04, 0.50), (0.09, 0.18), (0.48, 0.18), (0.66, 0.50)))
    s.polygon(((0.12, 0.44), (0.15, 0.25), (0.28, 0.25), (0.28, 0.44)), palette.GLASS)
    s.polygon(((0.33, 0.44), (0.33, 0.25), (0.45, 0.25), (0.56, 0.44)), palette.GLASS)
    s.ellipse(0.92, 0.61, 0.05, 0.055, palette.LAMP)
    for x in (0.23, 0.76):
        s.ellipse(x, 0.76, 0.125, 0.125, palette.RUBBER)
        s.ellipse(x, 0.76, 0.06, 0.06, palette.METAL)


def boat(s: Canvas) -> None:
    s.polygon(((0.03, 0.66), (0.99, 0.58), (0.80, 0.90), (0.12, 0.90)))
    s.polygon(((0.57, 0.05), (0.57, 0.57), (0.06, 0.57)))
    s.polygon(((0.68, 0.22), (0.68, 0.54), (0.93, 0.54)))
    s.line(((0.625, 0.03), (0.625, 0.64)), 0.045, palette.WOOD)
    s.polygon(((0.06, 0.755), (0.895, 0.715), (0.865, 0.77), (0.085, 0.81)), palette.WHITE)


def ball(s: Canvas) -> None:
    s.ellipse(0.5, 0.5, 0.46, 0.46)
    for bulge in (0.20, -0.20):
        turns = [math.pi * (step / 20 - 0.5) for step in range(21)]
        seam = [
            (0.5 + bulge * math.cos(turn) + 0.06 * math.sin(turn), 0.5 + 0.45 * math.sin(turn))
            for turn in turns
        ]
        s.line(tuple(seam), 0.035, s.tone(0.5))
    s.line(((0.05, 0.54), (0.5, 0.58), (0.95, 0.46)), 0.035, s.tone(0.5))
    s.ellipse(0.30, 0.28, 0.10, 0.07, palette.WHITE)


def kite(s: Canvas) -> None:
    s.polygon(((0.60, 0.02), (0.95, 0.34), (0.52, 0.72), (0.24, 0.30)))
    s.line(((0.60, 0.02), (0.52, 0.72)), 0.03, s.tone(0.5))
    s.line(((0.24, 0.30), (0.95, 0.34)), 0.03, s.tone(0.5))
    s.line(
        ((0.52, 0.72), (0.42, 0.80), (0.34, 0.78), (0.24, 0.88), (0.10, 0.90)), 0.035, palette.INK
    )
    for x, y in ((0.38, 0.80), (0.20, 0.89)):
        s.polygon(
            (
                (x - 0.09, y - 0.06),
                (x + 0.09, y + 0.06),
                (x + 0.09, y - 0.06),
                (x - 0.09, y + 0.06),
            ),
            s.tone(0.3),
        )


def fish(s: Canvas) -> None:
    s.ellipse(0.58, 0.5, 0.39, 0.27)
    s.polygon(((0.28, 0.5), (0.02, 0.22), (0.10, 0.5), (0.02, 0.78)))
    s.polygon(((0.42, 0.30), (0.52, 0.12), (0.74, 0.28)))
    s.polygon(((0.46, 0.56), (0.40, 0.72), (0.62, 0.60)), s.tone(0.35))
    s.line(((0.92, 0.56), (0.83, 0.60)), 0.03, palette.INK)
    s.eye(0.80, 0.43, 0.065)


def bird(s: Canvas) -> None:
    s.polygon(((0.30, 0.56), (0.02, 0.34), (0.06, 0.56), (0.24, 0.72)))
    s.ellipse(0.46, 0.58, 0.30, 0.23)
    s.ellipse(0.71, 0.33, 0.18, 0.18)
    s.polygon(((0.86, 0.27), (1.0, 0.36), (0.86, 0.42)), palette.BEAK)
    s.polygon(((0.32, 0.50), (0.60, 0.48), (0.50, 0.72), (0.20, 0.66)), s.tone(0.35))
    for x in (0.42, 0.54):
        s.line(((x, 0.79), (x, 0.95), (x + 0.08, 0.95)), 0.035, palette.BEAK)
    s.eye(0.75, 0.30, 0.055)


def house(s: Canvas) -> None:
    s.box((0.14, 0.42, 0.86, 0.96))
    s.box((0.68, 0.10, 0.80, 0.40))
    s.polygon(((0.02, 0.46), (0.5, 0.04), (0.98, 0.46)))
    s.polygon(
        ((0.02, 0.46), (0.5, 0.04), (0.98, 0.46), (0.86, 0.46), (0.5, 0.15), (0.14, 0.46)),
        s.tone(0.5),
    )
    s.box((0.56, 0.62, 0.76, 0.96), 0.02, palette.WOOD)
    s.box((0.22, 0.56, 0.44, 0.76), 0.01, palette.GLASS)
    s.line(((0.33, 0.56), (0.33, 0.76)), 0.025, s.tone(0.5))
    s.line(((0.22, 0.66), (0.44, 0.66)), 0.025, s.tone(0.5))


def tree(s: Canvas) -> None:
    s.box((0.43, 0.80, 0.57, 0.98), 0.01, palette.WOOD)
    for top, bottom, half in ((0.02, 0.40, 0.24), (0.20, 0.62, 0.33), (0.40, 0.84, 0.42)):
        s.polygon(((0.5, top), (0.5 + half, bottom), (0.5 - half, bottom)))
    for bottom, half in ((0.40, 0.22), (0.62, 0.31)):
        s.line(
            ((0.5 - half, bottom), (0.5 - half * 0.2, bottom + 0.03), (0.5 + half, bottom)),
            0.028,
            s.tone(0.4),
        )


def star(s: Canvas) -> None:
    corners = []
    for step in range(10):
        radius, angle = (0.5 if step % 2 == 0 else 0.24), math.pi * (step / 5 - 0.5)
        corners.append((0.5 + radius * math.cos(angle), 0.54 + radius * math.sin(angle)))
    s.polygon(tuple(corners))
    for x in (0.42, 0.58):
        s.ellipse(x, 0.48, 0.035, 0.055, palette.INK)
    s.line(((0.40, 0.60), (0.45, 0.645), (0.55, 0.645), (0.60, 0.60)), 0.03, palette.INK)


def cup(s: Canvas) -> None:
    s.ellipse(0.74, 0.54, 0.22, 0.20)
    s.ellipse(0.74, 0.54, 0.115, 0.10, palette.CREAM)
    s.polygon(((0.08, 0.22), (0.76, 0.22), (0.66, 0.92), (0.18, 0.92)))
    s.polygon(((0.08, 0.22), (0.76, 0.22), (0.745, 0.32), (0.095, 0.32)), palette.CREAM)
    s.ellipse(0.42, 0.22, 0.34, 0.09, palette.CREAM)
    s.ellipse(0.42, 0.22, 0.27, 0.055, palette.WOOD)


def plane(s: Canvas) -> None:
    s.ellipse(0.52, 0.50, 0.46, 0.15)
    s.polygon(((0.10, 0.48), (0.02, 0.16), (0.16, 0.16), (0.34, 0.42)))
    s.polygon(((0.60, 0.54), (0.40, 0.54), (0.22, 0.92), (0.36, 0.92)))
    s.polygon(((0.60, 0.42), (0.44, 0.42), (0.36, 0.16), (0.46, 0.16)), s.tone(0.35))
    s.polygon(((0.60, 0.54), (0.40, 0.54), (0.22, 0.92), (0.36, 0.92)), s.tone(0.35))
    s.polygon(((0.82, 0.40), (0.93, 0.46), (0.84, 0.48), (0.78, 0.46)), palette.GLASS)
    for x in (0.44, 0.54, 0.64):
        s.ellipse(x, 0.47, 0.03, 0.03, palette.GLASS)


def heart(s: Canvas) -> None:
    points = []
    for step in range(60):
        angle = 2 * math.pi * step / 60
        x = 16 * math.sin(angle) ** 3
        y = (
            13 * math.cos(angle)
            - 5 * math.cos(2 * angle)
            - 2 * math.cos(3 * angle)
            - math.cos(4 * angle)
        )
        points.append((0.5 + x / 34, 0.47 - y / 34))
    s.polygon(tuple(points))
    s.ellipse(0.29, 0.30, 0.08, 0.06, s.tone(-0.75))


def mushroom(s: Canvas) -> None:
    s.box((0.36, 0.48, 0.64, 0.95), 0.08, palette.CREAM)
    turns = [math.pi * (1 + step / 30) for step in range(31)]
    s.polygon(tuple((0.5 + 0.48 * math.cos(turn), 0.56 + 0.50 * math.sin(turn)) for turn in turns))
    s.box((0.02, 0.50, 0.98, 0.60), 0.05)
    s.box((0.08, 0.555, 0.92, 0.60), 0.02, s.tone(0.4))


def rocket(s: Canvas) -> None:
    s.polygon(((0.40, 0.84), (0.60, 0.84), (0.5, 1.0)), palette.FLAME)
    s.polygon(((0.34, 0.56), (0.10, 0.88), (0.34, 0.82)))
    s.polygon(((0.66, 0.56), (0.90, 0.88), (0.66, 0.82)))
    hull = (
        (0.5, 0.01),
        (0.62, 0.16),
        (0.68, 0.38),
        (0.68, 0.66),
        (0.62, 0.85),
        (0.38, 0.85),
        (0.32, 0.66),
    )
    s.polygon((*hull, (0.32, 0.38), (0.38, 0.16)))
    s.ellipse(0.5, 0.38, 0.105, 0.105, palette.METAL)
    s.ellipse(0.5, 0.38, 0.07, 0.07, palette.GLASS)
    s.box((0.33, 0.70, 0.67, 0.76), 0.01, s.tone(0.45))


def snail(s: Canvas) -> None:
    foot = (
        (0.02, 0.92),
        (0.20, 0.78),
        (0.66, 0.80),
        (0.72, 0.40),
        (0.90, 0.40),
        (0.96, 0.56),
        (0.88, 0.92),
    )
    s.polygon(foot, palette.CREAM)
    s.ellipse(0.87, 0.49, 0.11, 0.11, palette.CREAM)
    for x in (0.82, 0.95):
        s.line(((x - 0.02, 0.44), (x, 0.20)), 0.035, palette.CREAM)
        s.ellipse(x, 0.18, 0.035, 0.035, palette.INK)
    s.ellipse(0.40, 0.50, 0.36, 0.36)
    spiral = [
        (0.40 + 0.27 * (1 - k / 44) * math.cos(k / 4), 0.52 + 0.27 * (1 - k / 44) * math.sin(k / 4))
        for k in range(42)
    ]
    s.line(tuple(spiral), 0.045, s.tone(0.45))


DRAWINGS: dict[str, Callable[[Canvas], None]] = {
    "car": car,
    "boat": boat,
    "ball": ball,
    "kite": kite,
    "fish": fish,
    "bird": bird,
    "house": house,
    "tree": tree,
    "star": star,
    "cup": cup,
    "plane": plane,
    "heart": heart,
    "mushroom": mushroom,
    "rocket": rocket,
    "snail": snail,
}
