"""Scene -> frames, drawn directly at the wanted size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageChops, ImageFilter

from finereel.errors import ConfigError
from finereel.reelworld import palette
from finereel.reelworld import vocabulary as words
from finereel.reelworld.backgrounds import background
from finereel.reelworld.drawing import DRAWINGS, Sheet
from finereel.reelworld.factors import Scene, Thing
from finereel.reelworld.motion import REFERENCE_SIZE, Pose, pose, scene_layout
from finereel.reelworld.periodic import fraction, odd

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
    sheet = Sheet(scale, palette.RGB[colour])
    DRAWINGS[noun](sheet)
    flat = Image.new("RGB", (scale, scale), palette.RGB[colour])
    marks = pattern_mask(pattern, scale)
    if marks is not None:
        flat.paste(palette.accent(colour), mask=marks)
    flat = shaded(flat)
    details = sheet.details.getchannel("A")
    flat.paste(sheet.details, mask=details)
    shape = Image.new("L", (scale + 2 * border,) * 2)
    shape.paste(ImageChops.lighter(sheet.body, details), (border, border))
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
