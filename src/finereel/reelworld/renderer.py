"""Render a scene to frames, directly at the wanted size."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from finereel.errors import ConfigError
from finereel.reelworld import sprites
from finereel.reelworld import vocabulary as words
from finereel.reelworld.backgrounds import background
from finereel.reelworld.factors import Scene, Thing
from finereel.reelworld.motion import REFERENCE_SIZE, Pose, pose, scene_layout

SHADOW_OFFSET = (0.012, 0.022)
SMALLEST = 16
UNSEEN = 1 / 255


def draw(frame: Image.Image, noun: str, colour: str, pattern: str | None, now: Pose) -> None:
    """Shadow and object onto `frame`, at a pose in frame widths."""
    size = frame.width
    wide = now.size * size
    if now.alpha < UNSEEN or wide < 1:
        return
    level = sprites.level_for(wide)
    at = sprites.Placement(now.x * size, now.y * size, wide / level, now.angle, now.mirrored)
    under = replace(at, x=at.x + SHADOW_OFFSET[0] * size, y=at.y + SHADOW_OFFSET[1] * size)
    shade, corner = sprites.placed(sprites.shadow(noun, level), under)
    object_, place = sprites.placed(sprites.master(noun, colour, pattern, level), at)
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
