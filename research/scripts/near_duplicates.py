"""How similar copies of real clips are to their originals, and different clips to one another.

    python -m research.scripts.near_duplicates --videos FOLDER --work FOLDER --model everyday

Copies: re-encoded, re-encoded at half the size (twice, the second time coarsely), and with three
seconds of black before. Prints, for every kind, the share of copies that count as near-duplicates
at the threshold of `finereel.index.similar` and how often the original is found first, and how
similar different clips are.
"""

import argparse
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from rich.progress import track

from finereel.index.similar import (
    FEWEST_DISTINCT,
    Looks,
    blank_frames,
    similarities,
    threshold_of,
)
from finereel.models.features import concatenate
from finereel.models.saving import load
from finereel.video.plan import ClipPlan
from finereel.video.reader import DiskSource


@dataclass(frozen=True)
class Copy:
    """How a copy is made. crf: the quality of x264, larger is worse; lead: seconds of black."""

    scale: float
    crf: int
    lead: float = 0.0


COPIES = {
    "re-encoded": Copy(1.0, 23),
    "half size": Copy(0.5, 30),
    "half size, coarse": Copy(0.5, 38),
    "three black seconds before": Copy(1.0, 28, 3.0),
}


def make_copy(path: Path, target: Path, copy: Copy) -> None:
    """Write a copy of a video, without sound."""
    with av.open(str(path)) as source, av.open(str(target), "w") as sink:
        video = source.streams.video[0]
        rate = Fraction(video.average_rate or 25).limit_denominator(1000)
        width, height = (
            int(side * copy.scale) // 2 * 2
            for side in (video.codec_context.width, video.codec_context.height)
        )
        stream = sink.add_stream(
            "libx264", rate=rate, options={"crf": str(copy.crf), "preset": "veryfast"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        black = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24")
        frames = [black] * round(copy.lead * rate)
        for number, frame in enumerate(chain(frames, source.decode(video))):
            fitted = frame.reformat(width, height, "yuv420p")
            fitted.pts, fitted.time_base = number, 1 / rate
            sink.mux(stream.encode(fitted))
        sink.mux(stream.encode())


def looks_of(paths: list[Path], model_name: str) -> Looks:
    """The first clip of every video."""
    model, source = load(model_name), DiskSource()
    plan = ClipPlan(num_frames=model.num_frames, size=model.picture_size)
    features = []
    for path in track(paths, f"encoding {paths[0].parent.name}"):
        stream = source.clips(path, plan)
        features.append(model.encode_video([next(iter(stream)).frames]))
        stream.close()
    return Looks.of(concatenate(features), blank_frames(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="everyday")
    arguments = parser.parse_args()
    paths = sorted(arguments.videos.glob("*.mp4"))
    threshold = threshold_of(load(arguments.model))
    originals = looks_of(paths, arguments.model)
    distinct = np.array(originals.distinct())
    among = similarities(originals, originals).numpy()
    others = among[~np.eye(len(paths), dtype=bool)]
    print(f"{len(paths)} clips; {int((distinct < FEWEST_DISTINCT).sum())} have too few frames")
    print(
        f"different clips: 99.9 % below {np.quantile(others, 0.999):.3f}, largest {others.max():.3f}"
    )
    for first, second in np.argwhere(np.triu(among, 1) >= threshold):
        print(f"  {among[first, second]:.3f} {paths[first].name} {paths[second].name}")
    for name, copy in COPIES.items():
        folder = arguments.work / name.replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        for path in track(paths, f"making copies: {name}"):
            if not (folder / path.name).exists():
                make_copy(path, folder / "unfinished.mp4", copy)
                (folder / "unfinished.mp4").rename(folder / path.name)
        copies = looks_of([folder / path.name for path in paths], arguments.model)
        across = similarities(copies, originals).numpy()
        values = np.diagonal(across)
        low = np.quantile(values, [0, 0.05, 0.5])
        first = (across.argmax(1) == np.arange(len(paths))).mean()
        print(
            f"{name}: {(values >= threshold).mean():.1%} at least {threshold}; original first for "
            f"{first:.1%}; smallest {low[0]:.3f}, 5 % below {low[1]:.3f}, median {low[2]:.3f}"
        )


if __name__ == "__main__":
    main()
