"""Measure microseconds per text-video pair on one thread.

    python research/benchmarks/scoring.py [--texts 128] [--videos 128] [--candidates 200]

The features are synthetic: 512-d, 12 frames, 48 patches, 32 words. All rows come from one run on
the same features:

    published loop     the released evaluation loop's work per block of 32 x 32: the temporal
                       transformer again for every text block, then the three scores (the ratio
                       column is relative to this)
    official mode      this project's exact published arithmetic (padding unmasked, raw
                       patches), with the video side computed once
    masked default     padding masked and left out, cosine patches
    max aggregation    masked, ISA replaced by the maximum
    cascade            coarse product over all videos, exact masked score of the best
                       candidates only
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from rich.console import Console
from rich.table import Table

from finereel.config import ModelConfig
from finereel.models.encoders.temporal import SequentialTransformer, pool_frames
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads.ucofia import UcofiaHead

DIM = 512
BLOCK = 32
SCALE = torch.tensor(100.0)


def make_features(
    texts: int, videos: int, config: ModelConfig
) -> tuple[TextFeatures, VideoFeatures]:
    """Random features with caption-like lengths (8 to 20 tokens of 32) and full-length videos."""
    torch.manual_seed(0)
    lengths = torch.randint(8, 21, (texts, 1))
    text = TextFeatures(
        torch.randn(texts, DIM),
        torch.randn(texts, config.max_words, DIM),
        torch.arange(config.max_words) < lengths,
    )
    frames = torch.randn(videos, config.max_frames, DIM)
    frame_mask = torch.ones(videos, config.max_frames, dtype=torch.bool)
    video = VideoFeatures(
        pool_frames(frames, frame_mask),
        frames,
        torch.randn(videos, config.num_patches, DIM),
        frame_mask,
        torch.ones(videos, config.num_patches, dtype=torch.bool),
    )
    return text, video


def published_loop(
    head: UcofiaHead, temporal: SequentialTransformer, text: TextFeatures, video: VideoFeatures
) -> None:
    """The released loop's order of work: for every text block and video block, temporal encoding
    and all scores.
    """
    for top in range(0, len(text), BLOCK):
        for left in range(0, len(video), BLOCK):
            block = video.rows(slice(left, left + BLOCK))
            pooled = pool_frames(temporal(block.frames, block.frame_mask), block.frame_mask)
            head.score(text.rows(slice(top, top + BLOCK)), replace(block, video=pooled), SCALE)


def cascade(head: UcofiaHead, text: TextFeatures, video: VideoFeatures, candidates: int) -> None:
    """Per query: coarse order of every video, then the exact score of the best."""
    coarse = head.coarse_query(text) @ video.video.T
    best = coarse.topk(min(candidates, len(video)), dim=1).indices
    for row in range(len(text)):
        head.score(text.rows(slice(row, row + 1)), video.rows(best[row].sort().values), SCALE)


def seconds(work: Callable[[], None], repeats: int = 3) -> float:
    """The best of a few runs after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--videos", type=int, default=128)
    parser.add_argument("--candidates", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = ModelConfig()
    official = UcofiaHead(ModelConfig(patch_units="inner_product", mask_padding=False), DIM).eval()
    masked = UcofiaHead(config, DIM).eval()
    plain_max = UcofiaHead(ModelConfig(aggregation="max"), DIM).eval()
    temporal = SequentialTransformer(DIM, 4, 77).eval()
    text, video = make_features(arguments.texts, arguments.videos, config)
    rows: dict[str, Callable[[], object]] = {
        "published loop": lambda: published_loop(official, temporal, text, video),
        "official mode": lambda: official.score(text, video, SCALE),
        "masked default": lambda: masked.score(text, video, SCALE),
        "max aggregation": lambda: plain_max.score(text, video, SCALE),
        f"cascade, {arguments.candidates} candidates": lambda: cascade(
            masked, text, video, arguments.candidates
        ),
    }
    pairs = arguments.texts * arguments.videos
    table = Table(
        "scoring",
        "µs per pair",
        "ratio",
        title=f"{arguments.texts} texts x {arguments.videos} videos",
    )
    with torch.no_grad():
        costs = {name: 1e6 * seconds(work) / pairs for name, work in rows.items()}  # type: ignore[arg-type]
    for name, cost in costs.items():
        table.add_row(name, f"{cost:.1f}", f"{costs['published loop'] / cost:.1f}x")
    Console().print(table)


if __name__ == "__main__":
    main()
