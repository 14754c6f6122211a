"""Compare the presets: what `fast` costs in recall, and how many frames it spares.

    python -m research.scripts.presets --model everyday --annotations captions.csv --videos CLIPS

The videos are read and encoded as `index` does it with each preset, in clips of 10 s; a video's
score is that of its best clip. Printed per preset: the share of frames that took the features of an
equal one, recalls, and the paired difference of R@1 to `exact` with its 95 % interval over videos;
then the smallest cosine of a clip's vector with that of `exact`, where both read the same pictures
(`--mode exact`).
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from finereel import data as datasets
from finereel.data.base import Split
from finereel.data.videos import find_videos
from finereel.index.encoding import PresetEncoder
from finereel.index.presets import PRESETS
from finereel.models.features import VideoFeatures
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.statistics.metrics import ranks
from finereel.video import ClipPlan, VideoReader
from research.scripts.frames_per_clip import HEADER, row


def encoded(
    model: RetrievalModel, split: Split, files: dict[str, Path], preset: str, mode: str | None
) -> tuple[list[VideoFeatures], PresetEncoder, int]:
    """The clips of each video, their encoder, and the number of frames read."""
    encoder = PresetEncoder(model, PRESETS[preset])
    plan = ClipPlan(
        num_frames=model.num_frames, mode=mode or PRESETS[preset].mode, size=model.picture_size
    )
    videos, frames = [], 0
    with VideoReader() as reader:
        for video in split.videos:
            clips = [clip.frames for clip in reader.read(files[video], plan)]
            frames += sum(len(clip) for clip in clips)
            videos.append(encoder.encode(clips))
            for line in encoder.take_notes():
                print(line, flush=True)
    return videos, encoder, frames


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="everyday")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--mode", help="read so with every preset")
    given = parser.parse_args()
    model = load(given.model).eval()
    split = datasets.load("folder", given.annotations).split("all").first_captions(5)
    files = find_videos(given.videos, split.videos)
    text = model.encode_text([caption.text for caption in split.captions])
    print(HEADER.format("preset").replace("frames found", "reused, %"))
    best, kept = np.empty(0), {}
    for preset in ("exact", "fast"):
        videos, encoder, frames = encoded(model, split, files, preset, given.mode)
        columns = [model.score(text, clips).fused.amax(1) for clips in videos]
        found = ranks(torch.stack(columns, 1).numpy(), split.video_of_caption).expected
        best, kept[preset] = (found if preset == "exact" else best), videos
        print(row(preset, 100 * encoder.reused / frames, found, best, split.video_of_caption))
    if given.mode:
        pairs = zip(kept["exact"], kept["fast"], strict=True)
        least = min(float((one.video * other.video).sum(-1).min()) for one, other in pairs)
        print(f"least cosine of clip vectors: {least:.4f}")


if __name__ == "__main__":
    main()
