"""Compare numbers of frames per clip: what fewer frames cost in recall.

    python -m research.scripts.frames_per_clip --model everyday --frames 2 3 4 6 \
        --data msrvtt_frames --annotations DIR --features TOKENS
    python -m research.scripts.frames_per_clip --model everyday --frames 4 6 8 12 --modes exact auto \
        --annotations captions.csv --videos CLIPS

Tokens give the validation split, with the paired difference to the largest number and its 95 %
interval over videos. Video files are read as `index` reads them, in clips of 10 s by each decode
mode; a video's score is that of its best clip. Those are for a report, not for a choice.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from finereel import data as datasets
from finereel.data.base import Split
from finereel.data.sources import SourceOptions, open_source
from finereel.data.videos import find_videos
from finereel.evaluation.gallery import score_split
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.statistics.intervals import PERCENT, paired_difference
from finereel.statistics.metrics import Ranks, ranks, recall_at
from finereel.video import ClipPlan, VideoReader

HEADER = "| {} | frames found | R@1 | R@5 | R@10 | difference of R@1 |\n|---|---|---|---|---|---|"


def row(name: str, found: float, ranked: Ranks, best: Ranks, videos: np.ndarray) -> str:
    """A line of the table: recalls, and R@1 beside that of `best`.

    >>> right = ranks(np.eye(30))
    >>> row("6", 5.5, right, right, np.arange(30)).startswith("| 6 | 5.5 | 100.0 |")
    True
    """
    recalls = " | ".join(f"{recall_at(ranked, k):.1f}" for k in (1, 5, 10))
    if ranked is best:
        return f"| {name} | {found:.1f} | {recalls} | |"
    first, second = (100.0 * which.within(1) for which in (ranked, best))
    beside = paired_difference(first, second, videos, PERCENT)
    low, high = beside.interval.low, beside.interval.high
    difference = f"{beside.difference:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"| {name} | {found:.1f} | {recalls} | {difference} |"


def on_tokens(model: RetrievalModel, split: Split, options: SourceOptions, data: str) -> Ranks:
    """The rank of every caption's video."""
    scored = score_split(model, split, open_source(data, options))
    fused = sum(model.config.weights[name] * scored.scores[name] for name in model.config.weights)
    return ranks(np.asarray(fused), split.video_of_caption)


def on_videos(
    model: RetrievalModel, split: Split, files: dict[str, Path], plan: ClipPlan
) -> tuple[Ranks, float]:
    """The rank of every caption's video, and the mean number of different frames in a clip."""
    text = model.encode_text([caption.text for caption in split.captions])
    columns, counts = [], []
    for clips in _clips(split, files, plan):
        counts += [len(clip) for clip in clips]
        columns.append(model.score(text, model.encode_video(clips)).fused.amax(1))
    scores = torch.stack(columns, 1).numpy()
    return ranks(scores, split.video_of_caption), float(np.mean(counts))


def _clips(split: Split, files: dict[str, Path], plan: ClipPlan) -> Iterator[list]:
    with VideoReader() as reader:
        for video in split.videos:
            yield [clip.frames for clip in reader.read(files[video], plan)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--frames", type=int, nargs="+", required=True)
    parser.add_argument("--data", default="folder")
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--modes", nargs="+", default=["exact"])
    parser.add_argument("--captions", type=int, default=5, help="most captions of a video")
    given = parser.parse_args()
    model, data = load(given.model).eval(), datasets.load(given.data, given.annotations)
    split = data.split("val" if given.features else "all").first_captions(given.captions)
    ranked, found = {}, {}
    if given.features:
        for count in given.frames:
            options = SourceOptions(features=given.features, num_frames=count)
            ranked[str(count)], found[str(count)] = (
                on_tokens(model, split, options, given.data),
                count,
            )
    else:
        files = find_videos(given.videos, split.videos)
        for mode in given.modes:
            for count in given.frames:
                plan = ClipPlan(num_frames=count, mode=mode, size=model.picture_size)
                name = f"{count} {mode}"
                ranked[name], found[name] = on_videos(model, split, files, plan)
    reference = str(max(given.frames)) + ("" if given.features else f" {given.modes[0]}")
    print(HEADER.format("frames"))
    for name, which in ranked.items():
        print(
            row(name, found[name], which, ranked[reference], split.video_of_caption),
            flush=True,
        )


if __name__ == "__main__":
    main()
