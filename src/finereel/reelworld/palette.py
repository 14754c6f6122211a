"""The colours as RGB, and functions to change one."""

Rgb = tuple[int, int, int]

RGB: dict[str, Rgb] = {
    "red": (222, 44, 48),
    "yellow": (250, 207, 32),
    "green": (44, 160, 68),
    "blue": (40, 96, 214),
    "purple": (132, 58, 178),
    "pink": (250, 138, 186),
    "brown": (150, 92, 46),
    "white": (246, 246, 244),
    "black": (34, 34, 40),
}
LIGHT = frozenset({"yellow", "pink", "white"})
"""Colours on which a pattern is drawn darker instead of lighter."""

GLASS, METAL, RUBBER, CREAM, WOOD = (
    (206, 232, 244),
    (150, 154, 164),
    (52, 52, 58),
    (246, 232, 204),
    (112, 84, 62),
)
WHITE, INK, LAMP, BEAK, FLAME = (
    (252, 252, 250),
    (28, 28, 34),
    (255, 240, 170),
    (244, 160, 48),
    (255, 164, 44),
)


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """`first` with a share of `second` stirred in.

    >>> mix((0, 0, 0), (100, 200, 50), 0.5)
    (50, 100, 25)
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def accent(colour: str) -> Rgb:
    """The second colour of a pattern: lighter on dark colours, darker on light ones."""
    return (
        mix(RGB[colour], (40, 20, 30), 0.55) if colour in LIGHT else mix(RGB[colour], WHITE, 0.82)
    )


def outline(colour: str) -> Rgb:
    """The line around an object of a colour."""
    return mix(RGB[colour], (12, 10, 20), 0.72)
