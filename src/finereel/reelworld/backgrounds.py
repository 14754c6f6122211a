"""Backgrounds: plain, textured, cluttered, hilly. Pale and greyish, so that every object colour stands out.

A background is a function of (kind, seed) in frame widths; the size only decides how finely it is drawn.
"""

import colorsys
import math
import random
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from finereel.reelworld.factors import dice
from finereel.reelworld.palette import Rgb, mix


def pale(rng: random.Random, lightness: float = 0.74) -> Rgb:
    """A greyish tone of any hue."""
    red, green, blue = colorsys.hls_to_rgb(rng.random(), lightness + (rng.random() - 0.5) * 0.1, 0.16 + 0.14 * rng.random())
    return round(red * 255), round(green * 255), round(blue * 255)


def gradient(top: Rgb, bottom: Rgb, size: int) -> Image.Image:
    """From one colour down to another."""
    share = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    rows = np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share
    return Image.fromarray(np.broadcast_to(rows.round().astype(np.uint8), (size, size, 3)).copy())


def plain(rng: random.Random, size: int) -> Image.Image:
    tone = pale(rng)
    return gradient(mix(tone, (255, 255, 255), 0.18), mix(tone, (60, 60, 80), 0.12), size)


def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * (9 * y + 0.35 * np.sin(2 * np.pi * 2.5 * x)))


def weave(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where((np.floor(x * 10) + np.floor(y * 10)) % 2 > 0, np.sin(2 * np.pi * 30 * x), np.sin(2 * np.pi * 30 * y)) * 0.8


def tiles(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    row = np.floor(y * 8)
    joints = ((y * 8) % 1 < 0.12) | ((x * 5 + 0.5 * (row % 2)) % 1 < 0.08)
    return np.where(joints, -1.3, 0.25 * np.sin(37.0 * row + 91.0 * np.floor(x * 5 + 0.5 * (row % 2))))


def grain(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    board = np.floor(y * 5)
    lines = np.sin(2 * np.pi * (y * 26 + 0.5 * np.sin(5 * x + 3 * board) + 0.2 * np.sin(13 * x)))
    return np.where((y * 5) % 1 < 0.06, -1.6, 0.6 * lines + 0.4 * np.sin(41 * board))


def dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(np.hypot((x * 11 + 0.5 * (np.floor(y * 11) % 2)) % 1 - 0.5, (y * 11) % 1 - 0.5) < 0.25, 1.0, -0.4)


TEXTURES: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...] = (waves, weave, tiles, grain, dots)


def textured(rng: random.Random, size: int) -> Image.Image:
    texture, angle, fine = TEXTURES[int(rng.random() * len(TEXTURES))], rng.random() * 0.5 - 0.25, 2 * size
    tone = pale(rng)
    axis = (np.arange(fine, dtype=np.float32) + 0.5) / fine
    x, y = np.meshgrid(axis, axis)
    turned_x = math.cos(angle) * x + math.sin(angle) * y + rng.random()
    turned_y = math.cos(angle) * y - math.sin(angle) * x + 1 + rng.random()
    relief = texture(turned_x, turned_y)[..., None]
    lit = np.array(tone, np.float32) * (1 + 0.10 * relief) - 12 * y[..., None]
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8)).reduce(2)


def cluttered(rng: random.Random, size: int) -> Image.Image:
    fine = 2 * size
    tone = pale(rng, 0.78)
    picture = gradient(tone, mix(tone, (60, 60, 80), 0.12), fine)
    draw = ImageDraw.Draw(picture)
    for _ in range(46):
        x, y, radius, angle = rng.random(), rng.random(), 0.02 + 0.06 * rng.random(), rng.random() * 2 * math.pi
        fill = pale(rng, 0.70)
        corners = int(rng.random() * 5)
        if corners < 2:
            draw.ellipse([(x - radius) * fine, (y - radius) * fine, (x + radius) * fine, (y + radius) * fine], fill=fill)
            continue
        turns = [angle + 2 * math.pi * step / (corners + 1) for step in range(corners + 1)]
        draw.polygon([((x + radius * math.cos(turn)) * fine, (y + radius * math.sin(turn)) * fine) for turn in turns], fill=fill)
    return picture.reduce(2)


def hilly(rng: random.Random, size: int) -> Image.Image:
    fine = 2 * size
    sky, land = colorsys.hls_to_rgb(0.55 + 0.06 * rng.random(), 0.84, 0.4), 0.22 + 0.14 * rng.random()
    tone = (round(sky[0] * 255), round(sky[1] * 255), round(sky[2] * 255))
    picture = gradient(mix(tone, (200, 214, 226), 0.5), (236, 236, 230), fine)
    draw = ImageDraw.Draw(picture)
    for _ in range(2):
        x, y, wide = rng.random(), 0.08 + 0.22 * rng.random(), 0.05 + 0.04 * rng.random()
        for dx, dy, scale in ((-1.1, 0.2, 0.8), (0.0, 0.0, 1.2), (1.1, 0.2, 0.9)):
            left, top, radius = x + dx * wide, y + dy * wide, wide * scale
            draw.ellipse([(left - radius) * fine, (top - radius * 0.7) * fine, (left + radius) * fine, (top + radius * 0.7) * fine], fill=(246, 247, 247))
    for layer in range(3):
        red, green, blue = colorsys.hls_to_rgb(land, 0.76 - 0.05 * layer, 0.26)
        shift, waviness = rng.random() * 7, 3 + 4 * rng.random()
        ridge = [
            (step / 40 * fine, (0.52 + 0.15 * layer + 0.05 * math.sin(waviness * step / 40 + shift)) * fine)
            for step in range(41)
        ]
        draw.polygon([*ridge, (fine, fine), (0, fine)], fill=(round(red * 255), round(green * 255), round(blue * 255)))
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
    return KINDS[kind](dice("background", kind, seed), size)
