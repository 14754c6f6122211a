"""Draw backgrounds: plain, textured, cluttered or hilly.

A background is a function of (kind, seed) in frame widths; the size only decides how finely it is
drawn.
"""

import math
import random
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from finereel.reelworld.factors import rng_of
from finereel.reelworld.palette import Rgb, mix
from finereel.reelworld.periodic import Grid, fraction, odd, turn


def rgb(hue: float, lightness: float, saturation: float) -> Rgb:
    """A colour by hue, lightness and saturation in [0, 1]: `colorsys.hls_to_rgb`, which takes
    remainders.

    >>> rgb(0.0, 0.5, 1.0), rgb(1 / 3, 0.25, 1.0)
    ((255, 0, 0), (0, 128, 0))
    """
    high = (
        lightness * (1 + saturation)
        if lightness <= 0.5
        else lightness + saturation - lightness * saturation
    )
    low = 2 * lightness - high

    def channel(place: float) -> int:
        if place < 1 / 6:
            share = low + (high - low) * place * 6
        elif place < 0.5:
            share = high
        elif place < 2 / 3:
            share = low + (high - low) * (2 / 3 - place) * 6
        else:
            share = low
        return round(share * 255)

    return channel(turn(hue + 1 / 3)), channel(turn(hue)), channel(turn(hue - 1 / 3))


def pale(rng: random.Random, lightness: float = 0.74) -> Rgb:
    """A greyish tone of any hue."""
    hue, lightness, saturation = (
        rng.random(),
        lightness + (rng.random() - 0.5) * 0.1,
        0.16 + 0.14 * rng.random(),
    )
    return rgb(hue, lightness, saturation)


def gradient(top: Rgb, bottom: Rgb, size: int) -> Image.Image:
    """From one colour down to another."""
    share = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    rows = np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share
    return Image.fromarray(np.broadcast_to(rows.round().astype(np.uint8), (size, size, 3)).copy())


def plain(rng: random.Random, size: int) -> Image.Image:
    tone = pale(rng)
    return gradient(mix(tone, (255, 255, 255), 0.18), mix(tone, (60, 60, 80), 0.12), size)


# Textures: relief in about [-1.6, 1] at unit coordinates.


def waves(x: Grid, y: Grid) -> Grid:
    return np.asarray(np.sin(2 * np.pi * (9 * y + 0.35 * np.sin(2 * np.pi * 2.5 * x))))


def weave(x: Grid, y: Grid) -> Grid:
    over = odd(np.floor(x * 10) + np.floor(y * 10)) > 0
    return 0.8 * np.sin(2 * np.pi * 30 * np.where(over, x, y))


def tiles(x: Grid, y: Grid) -> Grid:
    row = np.floor(y * 8)
    along = x * 5 + 0.5 * odd(row)
    joints = (fraction(y * 8) < 0.12) | (fraction(along) < 0.08)
    return np.where(joints, -1.3, 0.25 * np.sin(37.0 * row + 91.0 * np.floor(along)))


def grain(x: Grid, y: Grid) -> Grid:
    board = np.floor(y * 5)
    lines = np.sin(2 * np.pi * (y * 26 + 0.5 * np.sin(5 * x + 3 * board) + 0.2 * np.sin(13 * x)))
    return np.where(fraction(y * 5) < 0.06, -1.6, 0.6 * lines + 0.4 * np.sin(41 * board))


def dots(x: Grid, y: Grid) -> Grid:
    shifted = x * 11 + 0.5 * odd(np.floor(y * 11))
    return np.where(np.hypot(fraction(shifted) - 0.5, fraction(y * 11) - 0.5) < 0.25, 1.0, -0.4)


TEXTURES: tuple[Callable[[Grid, Grid], Grid], ...] = (waves, weave, tiles, grain, dots)


def textured(rng: random.Random, size: int) -> Image.Image:
    texture, angle, fine = (
        TEXTURES[int(rng.random() * len(TEXTURES))],
        rng.random() * 0.5 - 0.25,
        2 * size,
    )
    tone = pale(rng)
    axis = (np.arange(fine, dtype=np.float32) + 0.5) / fine
    x, y = np.meshgrid(axis, axis)
    turned_x = math.cos(angle) * x + math.sin(angle) * y + rng.random()
    turned_y = math.cos(angle) * y - math.sin(angle) * x + 1 + rng.random()
    relief = texture(turned_x, turned_y)[..., None]
    lit = np.array(tone, np.float32) * (1 + 0.10 * relief) - 12 * y[..., None]
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8)).reduce(2)


def disc(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radii: tuple[float, float], fill: Rgb
) -> None:
    """An ellipse in pixels."""
    (x, y), (rx, ry) = centre, radii
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)


def cluttered(rng: random.Random, size: int) -> Image.Image:
    fine = 2 * size
    tone = pale(rng, 0.78)
    picture = gradient(tone, mix(tone, (60, 60, 80), 0.12), fine)
    draw = ImageDraw.Draw(picture)
    for _ in range(46):
        x, y, radius = rng.random() * fine, rng.random() * fine, (0.02 + 0.06 * rng.random()) * fine
        angle, corners, fill = (
            rng.random() * 2 * math.pi,
            int(rng.random() * 5) + 1,
            pale(rng, 0.70),
        )
        if corners < 3:
            disc(draw, (x, y), (radius, radius), fill)
            continue
        turns = [angle + 2 * math.pi * step / corners for step in range(corners)]
        draw.polygon(
            [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns],
            fill=fill,
        )
    return picture.reduce(2)


def clouds(rng: random.Random, draw: ImageDraw.ImageDraw, fine: int) -> None:
    """Two clouds of three puffs each."""
    for _ in range(2):
        x, y, wide = (
            rng.random() * fine,
            (0.08 + 0.22 * rng.random()) * fine,
            (0.05 + 0.04 * rng.random()) * fine,
        )
        for dx, dy, scale in ((-1.1, 0.2, 0.8), (0.0, 0.0, 1.2), (1.1, 0.2, 0.9)):
            disc(
                draw,
                (x + dx * wide, y + dy * wide),
                (wide * scale, wide * scale * 0.7),
                (246, 247, 247),
            )


def hilly(rng: random.Random, size: int) -> Image.Image:
    fine = 2 * size
    sky, land = rgb(0.55 + 0.06 * rng.random(), 0.84, 0.4), 0.22 + 0.14 * rng.random()
    picture = gradient(mix(sky, (200, 214, 226), 0.5), (236, 236, 230), fine)
    draw = ImageDraw.Draw(picture)
    clouds(rng, draw, fine)
    for layer in range(3):
        shift, waviness = rng.random() * 7, 3 + 4 * rng.random()
        ridge = [
            (
                step / 40 * fine,
                (0.52 + 0.15 * layer + 0.05 * math.sin(waviness * step / 40 + shift)) * fine,
            )
            for step in range(41)
        ]
        draw.polygon([*ridge, (fine, fine), (0, fine)], fill=rgb(land, 0.76 - 0.05 * layer, 0.26))
    return picture.reduce(2)


KINDS: dict[str, Callable[[random.Random, int], Image.Image]] = {
    "plain": plain,
    "textured": textured,
    "cluttered": cluttered,
    "hilly": hilly,
}


@lru_cache(maxsize=1024)
def background(kind: str, seed: int, size: int) -> Image.Image:
    """The RGB background number `seed` of a kind. Shared: copy before drawing on it."""
    return KINDS[kind](rng_of("background", kind, seed), size)
