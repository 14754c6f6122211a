"""Where the clips of a data set come from: one choice between video files, precomputed tokens and rendered scenes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finereel.datasets.base import ClipSource
from finereel.datasets.features import FeatureStore
from finereel.datasets.frames import FrameSettings, FrameStore, default_cache
from finereel.datasets.worlds import WorldSource
from finereel.errors import ConfigError

OnProgress = Callable[[int, int], None]
"""Clips done, clips in all."""


def _silent(done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class SourceOptions:
    """Where to look and what the model takes.

    annotations, videos, features: folders, None where there is none; features win over videos. cache: where decoded
    frames are kept, None for the user's cache folder. num_frames: F; image_size: side of the model's pictures in
    pixels (unused for features).
    """

    annotations: Path | None = None
    videos: Path | None = None
    features: Path | None = None
    cache: Path | None = None
    num_frames: int = 12
    image_size: int = 224


def open_source(data: str, options: SourceOptions, on_progress: OnProgress = _silent) -> ClipSource:
    """The clips of the data set called `data`: tokens from `features`, else frames of the files in `videos`.

    Without either, `reelworld` is rendered, and files are looked for beside the annotations of a data set that keeps
    them there. on_progress: told while videos are decoded into the cache, which is the only slow part.
    Raises ConfigError when nothing says where the clips are.

    >>> open_source("reelworld", SourceOptions(image_size=32)).description["source"]
    'reelworld'
    """
    if options.features is not None:
        return FeatureStore(options.features)
    if data == "reelworld" and options.videos is None and options.annotations is None:
        return WorldSource(options.image_size, options.num_frames)
    videos = options.videos or _beside(data, options.annotations)
    if videos is None:
        raise ConfigError(f"{data}: where are its clips? Give a folder of videos, or a folder of precomputed features")
    settings = FrameSettings(options.num_frames, options.image_size)
    return FrameStore(videos, options.cache or default_cache(), settings, on_progress)


def _beside(data: str, annotations: Path | None) -> Path | None:
    if annotations is None or data not in ("folder", "reelworld"):
        return None
    return annotations if annotations.is_dir() else annotations.parent
