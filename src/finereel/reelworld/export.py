"""Write ReelWorld to files: mp4 clips, their twins, and one JSON line per clip."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from finereel.errors import ConfigError
from finereel.io.atomic import replace_file, write_file, writes
from finereel.reelworld.captions import captions
from finereel.reelworld.factors import SECONDS, Scene, check_split
from finereel.reelworld.renderer import SMALLEST, render
from finereel.reelworld.scenes import sample_scene
from finereel.reelworld.twins import twins

CAPTIONS = "captions.jsonl"
TWINS = "twins"
QUALITY = "18"
"""H.264 constant rate factor: visually lossless for flat drawings."""
SEED_STRIDE = 2**32
"""Scene numbers of one export seed start this far after those of the one before; seed 0 starts at
scene 0.
"""


@dataclass(frozen=True)
class VideoFormat:
    """Pixels per side (even, for yuv420p) and frames per second of exported clips."""

    size: int = 256
    fps: int = 24

    def __post_init__(self) -> None:
        if self.fps < 1 or self.size < SMALLEST or self.size % 2:
            raise ConfigError(
                f"expected fps >= 1 and an even size from {SMALLEST}, got {self.fps=} {self.size=}"
            )


def clip_times(fps: int) -> list[float]:
    """The time of every frame of a clip at `fps` frames per second.

    >>> clip_times(2)
    [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    """
    return [index / fps for index in range(round(SECONDS * fps))]


DEFAULT_FORMAT = VideoFormat()


@writes("path")
def write_video(path: Path, frames: UInt8[np.ndarray, "F H W 3"], fps: int) -> None:
    """Frames as an H.264 mp4 (yuv420p); a file under this name is always complete, for it is
    renamed into place.
    """
    with replace_file(path) as fresh, av.open(str(fresh), "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"crf": QUALITY, "preset": "veryfast", "mbtree": "0"}
        )
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        # The same file on every machine: x264's macroblock tree reads memory that nobody wrote on
        # processors with AVX-512, and its threads divide the work by their number.
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_scene(out: Path, name: str, scene: Scene, video_format: VideoFormat) -> dict[str, Any]:
    """Render one scene and its twins under `out`; returns its line of captions.jsonl."""
    size, fps = video_format.size, video_format.fps
    times = clip_times(fps)
    write_video(out / f"{name}.mp4", render(scene, times, size), fps)
    lines = []
    for twin in twins(scene):
        video = f"{TWINS}/{name}_{twin.pos}.mp4"
        write_video(out / video, render(twin.scene, times, size), fps)
        lines.append(
            {
                "pos": twin.pos,
                "caption": twin.caption,
                "video": video,
                "source": twin.source_word,
                "replacement": twin.replacement,
            }
        )
    said = captions(scene)
    return {
        "video": f"{name}.mp4",
        "caption": said[0],
        "captions": list(said),
        "split": scene.split,
        "factors": scene.factors(),
        "twins": lines,
    }


def check_target(out: Path) -> None:
    """Refuse a folder with anything in it, so that no file of another set is mixed in."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"expected a new or empty folder, {out} is neither: choose another OUT or empty this "
            "one"
        )


@writes("out")
def write(
    out: Path,
    clips: int,
    seed: int,
    split: str,
    video_format: VideoFormat = DEFAULT_FORMAT,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Render `clips` scenes of a split with their twins into `out`, and describe them in
    `out`/captions.jsonl.

    The same seed with more clips begins with the same clips; two seeds share no scene.
    captions.jsonl is written last and whole: where it exists, all files it names do.
    `progress(done, clips)` is called after every clip. Raises ConfigError for values out of range
    and for a folder that is not empty.
    """
    check_split(split)
    if clips < 1 or seed < 0:
        raise ConfigError(f"expected clips >= 1 and seed >= 0, got {clips=} {seed=}")
    check_target(out)
    (out / TWINS).mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(clips):
        scene = sample_scene(seed * SEED_STRIDE + index, split)
        lines.append(json.dumps(write_scene(out, f"{index:06d}", scene, video_format)))
        if progress is not None:
            progress(index + 1, clips)
    write_file(out / CAPTIONS, "".join(line + "\n" for line in lines))
