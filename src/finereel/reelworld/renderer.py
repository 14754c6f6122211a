"""Render a scene to frames, directly at the wanted size."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from finereel.errors import ConfigError
from finereel.reelworld import palette
from finereel.reelworld import vocabulary as words
from finereel.reelworld.drawing import DRAWINGS, Canvas
from finereel.reelworld.factors import Scene, Thing, rng_of
from finereel.reelworld.motion import REFERENCE_SIZE, Pose, pose, scene_layout
from finereel.reelworld.palette import Rgb, mix
from finereel.reelworld.periodic import Grid, fraction, odd, turn

SHADOW_OFFSET = (0.012, 0.022)
SMALLEST = 16
UNSEEN = 1 / 255


def draw(frame: Image.Image, noun: str, colour: str, pattern: str | None, now: Pose) -> None:
    """Shadow and object onto `frame`, at a pose in frame widths."""
    size = frame.width
    wide = now.size * size
    if now.alpha < UNSEEN or wide < 1:
        return
    level = level_for(wide)
    at = Placement(now.x * size, now.y * size, wide / level, now.angle, now.mirrored)
    under = replace(at, x=at.x + SHADOW_OFFSET[0] * size, y=at.y + SHADOW_OFFSET[1] * size)
    shade, corner = placed(shadow(noun, level), under)
    object_, place = placed(master(noun, colour, pattern, level), at)
    mask = object_.getchannel("A")
    if now.alpha < 1:
        fading = [round(value * now.alpha) for value in range(256)]
        shade, mask = shade.point(fading), mask.point(fading)
    frame.paste((24, 24, 40), (*corner, corner[0] + shade.width, corner[1] + shade.height), shade)
    frame.paste(object_.convert("RGB"), place, mask)


def draw_thing(frame: Image.Image, thing: Thing) -> None:
    draw(frame, thing.noun, thing.colour, None, Pose(thing.x, thing.y, thing.size))


def render(scene: Scene, times: Sequence[float], size: int) -> UInt8[np.ndarray, "F size size 3"]:
    """Frames of a scene at `times` (seconds into the clip), each drawn at `size` pixels: UInt8 (F,
    size, size, 3).

    The same scene, times and size give the same bytes. Raises ConfigError without times or below 16
    pixels.

    >>> from finereel.reelworld.scenes import sample_scene
    >>> render(sample_scene(0, "train"), [0.5, 1.5], 84).shape
    (2, 84, 84, 3)
    """
    if size < SMALLEST or len(times) == 0:
        raise ConfigError(
            f"render needs one time or more and a size from {SMALLEST}, got {len(times)} times, "
            f"size {size}"
        )
    at = scene_layout(scene)
    reference = Pose(at.x, at.y, REFERENCE_SIZE)
    pattern = scene.look if scene.look in words.PATTERNS else None
    still = background(scene.background, scene.background_seed, size).copy()
    for thing in scene.distractors:
        draw_thing(still, thing)
    poses = [pose(scene, t) for t in times]
    covered = not poses[0].in_front
    if not covered:
        draw(still, scene.reference.noun, scene.reference.colour, None, reference)
    frames = np.empty((len(poses), size, size, 3), np.uint8)
    for index, now in enumerate(poses):
        frame = still.copy()
        draw(frame, scene.noun, scene.colour, pattern, now)
        if covered:
            draw(frame, scene.reference.noun, scene.reference.colour, None, reference)
        frames[index] = np.asarray(frame)
    return frames


# Objects as transparent pictures: drawn large, shaded, outlined, reduced, and kept.
SUPERSAMPLING = 4
MARGIN = 1 / 8
"""Transparent border of a master on each side, in object widths: room for the outline, the shadow
and interpolation.
"""
LEVELS = (32, 64, 128, 256, 512)
OUTLINE = 0.028
SHADOW = 0.30


def pattern_mask(pattern: str | None, pixels: int) -> Image.Image | None:
    """Where a pattern shows the second colour; None without a pattern."""
    y, x = np.mgrid[0:pixels, 0:pixels] / pixels
    if pattern == "striped":
        marks = np.sin(2 * np.pi * (x + 0.35 * y) * 3.5) > 0.1
    elif pattern == "spotted":
        row = np.floor(y * 4.5)
        marks = np.hypot(fraction(x * 4.5 + 0.5 * odd(row)) - 0.5, fraction(y * 4.5) - 0.5) < 0.30
    elif pattern == "checkered":
        marks = odd(np.floor(x * 5) + np.floor(y * 5)) == 0
    else:
        return None
    return Image.fromarray((marks * 255).astype(np.uint8))


def shaded(flat: Image.Image) -> Image.Image:
    """Light from the upper left, softly."""
    pixels = flat.width
    y, x = np.mgrid[0:pixels, 0:pixels] / pixels
    light = np.clip(1.13 - 0.30 * (0.35 * x + 0.65 * y), 0, None)[..., None]
    colour = np.asarray(flat, dtype=np.float32)
    lit = np.where(light > 1, colour + (255 - colour) * (light - 1) * 1.6, colour * light)
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=2048)
def master(noun: str, colour: str, pattern: str | None, level: int) -> Image.Image:
    """RGBA picture of an object, `level` pixels wide plus the margin on each side."""
    scale = level * SUPERSAMPLING
    border = round(scale * MARGIN)
    canvas = Canvas(scale, palette.RGB[colour])
    DRAWINGS[noun](canvas)
    flat = Image.new("RGB", (scale, scale), palette.RGB[colour])
    marks = pattern_mask(pattern, scale)
    if marks is not None:
        flat.paste(palette.accent(colour), mask=marks)
    flat = shaded(flat)
    details = canvas.details.getchannel("A")
    flat.paste(canvas.details, mask=details)
    shape = Image.new("L", (scale + 2 * border,) * 2)
    shape.paste(ImageChops.lighter(canvas.body, details), (border, border))
    line = max(1, round(OUTLINE * scale))
    grown = shape.filter(ImageFilter.GaussianBlur(0.7 * line)).point(
        lambda value: min(255, value * 8)
    )
    picture = Image.new("RGBA", shape.size, (*palette.outline(colour), 0))
    picture.putalpha(grown)
    inner = Image.new("RGB", shape.size, palette.outline(colour))
    inner.paste(flat, (border, border))
    picture.paste(inner, mask=shape)
    return picture.reduce(SUPERSAMPLING)


@lru_cache(maxsize=2048)
def shadow(noun: str, level: int) -> Image.Image:
    """The soft shadow of an object as an opacity, on a canvas like its master's."""
    shape = master(noun, "black", None, level).getchannel("A")
    return shape.filter(ImageFilter.GaussianBlur(0.035 * level)).point(
        lambda value: round(value * SHADOW)
    )


def level_for(pixels: float) -> int:
    """The smallest master at least as large as the object on screen."""
    return next((level for level in LEVELS if level >= pixels), LEVELS[-1])


@dataclass(frozen=True)
class Placement:
    """Where a picture goes: its centre in pixels, scale, degrees clockwise, mirrored or not."""

    x: float
    y: float
    scale: float
    angle: float
    mirrored: bool


def placed(picture: Image.Image, to: Placement) -> tuple[Image.Image, tuple[int, int]]:
    """The picture turned and scaled, its centre right to a fraction of a pixel, and the corner to
    paste it at.
    """
    cos, sin = math.cos(math.radians(to.angle)), math.sin(math.radians(to.angle))
    half = picture.width / 2 * to.scale * (abs(cos) + abs(sin)) + 1
    left, top = math.floor(to.x - half), math.floor(to.y - half)
    side = math.ceil(2 * half) + 1
    flip = -1.0 if to.mirrored else 1.0
    # From an output pixel back to the picture: undo shift, turn, scale and mirror.
    a, b, d, e = flip * cos / to.scale, flip * sin / to.scale, -sin / to.scale, cos / to.scale
    dx, dy, middle = left - to.x, top - to.y, picture.width / 2
    matrix = (a, b, a * dx + b * dy + middle, d, e, d * dx + e * dy + middle)
    smooth = Image.Resampling.BILINEAR if picture.mode == "L" else Image.Resampling.BICUBIC
    return picture.transform((side, side), Image.Transform.AFFINE, matrix, smooth), (left, top)


# Backgrounds: plain, textured, cluttered, hilly. Pale and greyish, so that every object colour
# stands out.
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
    """Draw a vertical gradient from one colour to another."""
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
