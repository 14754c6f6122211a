"""Small videos made on the spot, each with a picture that tells which frame it is."""

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RED, GREEN, BLUE = (230, 20, 20), (20, 200, 20), (20, 20, 230)


@dataclass(frozen=True)
class Recipe:
    """What to encode: `frames` pictures of `width` x `height` at `fps`, grey level rising with
    time.
    """

    frames: int = 50
    fps: int = 25
    width: int = 64
    height: int = 48
    codec: str = "libx264"
    pixels: str = "yuv420p"
    container: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    colour: tuple[int, int, int] | None = None
    times: tuple[float, ...] = ()
    aspect: Fraction | None = None
    sound: bool = False
    sound_seconds: int = 1


def make_video(path: Path, recipe: Recipe = Recipe()) -> Path:
    """Encode `recipe` to `path`. Frame i is grey of level `level(i, recipe.frames)`, or all
    `colour`.
    """
    with av.open(
        str(path), "w", format=recipe.container, options=recipe.container_options
    ) as output:
        stream = output.add_stream(recipe.codec, rate=recipe.fps, options=dict(recipe.options))
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pixels
        if recipe.aspect:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        if recipe.times:
            stream.codec_context.time_base = Fraction(1, 1000)
        sound = output.add_stream("aac", rate=8000) if recipe.sound else None
        for index in range(recipe.frames):
            output.mux(stream.encode(_frame(index, recipe)))
        output.mux(stream.encode())
        if sound is not None:
            for second in range(recipe.sound_seconds):
                frame = _silence()
                frame.pts = second * 8000
                output.mux(sound.encode(frame))
            output.mux(sound.encode())
    return path


def repeat_video(path: Path, recipe: Recipe, times: int) -> Path:
    """A video of blurred noise: `recipe` encoded once, its packets written `times` times."""
    chance = np.random.default_rng(0)
    options = {"preset": "ultrafast", "crf": "40", "bf": "0", "g": str(recipe.frames)}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(recipe.codec, rate=recipe.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pixels
        packets = []
        for _ in range(recipe.frames):
            noise = chance.integers(
                0, 256, (recipe.height // 128, recipe.width // 128, 3), dtype=np.uint8
            )
            frame = av.VideoFrame.from_ndarray(noise, "rgb24").reformat(recipe.width, recipe.height)
            packets += stream.encode(frame)
        packets += stream.encode()
        for repeat in range(times):
            for number, packet in enumerate(packets):
                copy = av.Packet(bytes(packet))
                copy.stream, copy.is_keyframe, copy.time_base = (
                    stream,
                    packet.is_keyframe,
                    Fraction(1, recipe.fps),
                )
                copy.pts = copy.dts = repeat * recipe.frames + number
                output.mux(copy)
    return path


def make_sound(path: Path) -> Path:
    """One second of silence, and no picture."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        output.mux(stream.encode(_silence()))
        output.mux(stream.encode())
    return path


def level(index: int, frames: int) -> int:
    """Grey level of frame `index`: 16 to 235 over the video.

    >>> level(0, 50), level(49, 50)
    (16, 235)
    """
    return 16 + round(219 * index / max(1, frames - 1))


def turn(source: Path, target: Path, degrees: int) -> Path:
    """Copy an mp4 with a display matrix that turns it clockwise by 0, 90, 180 or 270 degrees."""
    data = bytearray(source.read_bytes())
    box = data.index(b"tkhd")
    start = box + 4 + (40 if data[box + 4] == 0 else 52)
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30]
    data[start : start + 36] = struct.pack(">9i", *matrix)
    target.write_bytes(data)
    return target


def _frame(index: int, recipe: Recipe) -> av.VideoFrame:
    value = recipe.colour or (level(index, recipe.frames),) * 3
    pixels = np.empty((recipe.height, recipe.width, 3), dtype=np.uint8)
    pixels[:] = value
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
    if recipe.times:
        frame.pts, frame.time_base = round(recipe.times[index] * 1000), Fraction(1, 1000)
    return frame


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), dtype=np.float32), "fltp", "mono")
    frame.sample_rate = 8000
    return frame
