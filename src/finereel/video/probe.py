"""Read the properties of a video file without decoding its clips."""

from pathlib import Path

from finereel.video.plan import Limits, VideoInfo
from finereel.video.reader import VideoReader


def probe(path: str | Path, limits: Limits | None = None) -> VideoInfo:
    """Duration, frame rate, upright size, rotation and codec of a video file, found out in a child
    process.

    Raises NotAVideoError, BrokenVideoError or VideoLimitError. For many files, `VideoReader.probe`.
    """
    with VideoReader(limits) as reader:
        return reader.probe(path)
