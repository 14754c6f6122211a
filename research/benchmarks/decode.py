"""Measure milliseconds per clip of 12 frames for several ways to decode, and the child's overhead.

    python research/benchmarks/decode.py VIDEO... [--frames 12] [--length 10] [--each]

All ways read the same windows of the same files in one run, one after the other for each file, in
this process:

    sequential   decode each window once and keep the wanted pictures (the ratio column is
                 relative to this)
    seek         jump to the keyframe before every wanted time and decode from there
    keyframes    decode only the keyframes nearest to the wanted times
    auto         the default of a library

Then the default runs again through a warm child process: clips per second, and the shares of
decoding and of transfer.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from finereel.video import ClipPlan, Limits, VideoReader, find_videos
from finereel.video import plan as windows
from finereel.video.clips import ClipReader
from finereel.video.decode import Source
from finereel.video.plan import frame_times

WAYS = ("sequential", "seek", "keyframes", "auto")


@dataclass
class Tally:
    """Seconds, clips and frames of one way over the files so far."""

    seconds: float = 0.0
    clips: int = 0
    frames: int = 0

    def add(self, seconds: float, frames: list[int]) -> None:
        self.seconds += seconds
        self.clips += len(frames)
        self.frames += sum(frames)

    @property
    def per_clip(self) -> float:
        return self.seconds / self.clips


def read_in_process(path: Path, plan: ClipPlan) -> list[int]:
    """Frames per clip, the library's way without the child."""
    source = Source(path, Limits())
    try:
        return [len(clip.frames) for clip in ClipReader(source, plan)]
    finally:
        source.close()


def read_by_seeking(path: Path, plan: ClipPlan) -> list[int]:
    """Frames per clip, each wanted time reached by a jump of its own."""
    source = Source(path, Limits())
    counts = []
    try:
        for window in windows(source.duration, plan.length):
            count = 0
            for seconds in frame_times(window, plan.num_frames):
                picture = next(
                    (shot for shot in source.pictures(float(seconds)) if shot.end > seconds), None
                )
                count += picture is not None and picture.rgb(plan.size) is not None
            counts.append(count)
    finally:
        source.close()
    return counts


def timed(work: Callable[[], list[int]]) -> tuple[float, list[int]]:
    started = time.perf_counter()
    frames = work()
    return time.perf_counter() - started, frames


def compare(paths: list[Path], plan: ClipPlan) -> dict[str, Tally]:
    """Every way over every file."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for path in paths:
        for way in WAYS:
            if way == "seek":
                tallies[way].add(*timed(lambda path=path: read_by_seeking(path, plan)))
            else:
                chosen = replace(plan, mode=way)
                tallies[way].add(
                    *timed(lambda path=path, chosen=chosen: read_in_process(path, chosen))
                )
    return tallies


def through_child(paths: list[Path], plan: ClipPlan, each: bool, console: Console) -> None:
    """The same files through a warm child."""
    with VideoReader() as reader:
        start, _ = timed(lambda: [reader.probe(paths[0]).frames or 0])
        total, decoding = Tally(), 0.0
        for path in paths:
            stream = reader.read(path, plan)
            seconds, frames = timed(lambda stream=stream: [len(clip.frames) for clip in stream])
            total.add(seconds, frames)
            decoding += stream.decode_seconds
            if each:
                mode = stream.info.mode if stream.info else "?"
                console.print(
                    f"{path.name}: {len(frames) / seconds:.1f} clips/s, {mode}", highlight=False
                )
    console.print(
        f"child: {total.clips / total.seconds:.1f} clips per second; decoding "
        f"{decoding / total.seconds:.0%}, transfer "
        f"and waiting {1 - decoding / total.seconds:.0%}; starting it once {start * 1000:.0f} ms",
        highlight=False,
    )


def main() -> None:
    """Print the table and the child's line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--length", type=float, default=10.0)
    parser.add_argument(
        "--each", action="store_true", help="also print clips per second for each file"
    )
    arguments = parser.parse_args()
    console = Console(width=120)
    paths = find_videos(arguments.videos)
    plan = ClipPlan(length=arguments.length, num_frames=arguments.frames)
    tallies = compare(paths, plan)
    table = Table("way", "ms per clip", "ratio", "frames per clip", title=f"{len(paths)} files")
    for way, tally in tallies.items():
        ratio = tally.per_clip / tallies["sequential"].per_clip
        table.add_row(
            way, f"{tally.per_clip * 1000:.1f}", f"{ratio:.2f}", f"{tally.frames / tally.clips:.1f}"
        )
    console.print(table)
    through_child(paths, plan, arguments.each, console)


if __name__ == "__main__":
    main()
