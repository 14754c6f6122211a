r"""Measure how well moments are found in long videos, beside windows of fixed length.

    python -m research.scripts.moments --model reelworld-tiny --reelworld 25
    python -m research.scripts.moments --model everyday --annotations DIR --features TOKENS

A long video is a chain of ten clips, each described by one caption, whose place in the chain is the
right answer: drawn scenes of 1.5 to 6 s, or the MSR-VTT test videos of 10 to 30 s by their key
frames. The video of a query is given; what is looked for is when.
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize

from finereel import data as datasets
from finereel.data.features import FeatureStore
from finereel.index.moments import MomentSettings, find_moments
from finereel.io.tables import json_object, read_json
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld import SECONDS, captions, sample_scene
from finereel.reelworld.batches import render_small
from finereel.statistics.intervals import mean_interval
from finereel.statistics.spans import Span, overlap
from finereel.types import Frames

CHAIN, WINDOW, RATE = 10, 10.0, 1.2  # clips a video, seconds of a fixed window, frames a second


@dataclass(frozen=True)
class Chain:
    """A long video: unit vectors of its N frames and their times, its length, and for every query
    the text, a unit vector and the span that is right.
    """

    frames: Float[Tensor, "N D"]
    seconds: Float64[np.ndarray, " N"]
    length: float
    texts: tuple[str, ...]
    queries: Float[Tensor, "Q D"]
    spans: tuple[Span, ...]


def drawn(model: RetrievalModel, videos: int, split: str) -> Iterator[Chain]:
    """Chains of drawn scenes; a scene is played at another speed in every place."""
    rng = random.Random(0)
    for video in range(videos):
        scenes = [sample_scene(video * CHAIN + number, split) for number in range(CHAIN)]
        lengths = [rng.uniform(SECONDS / 2, 2 * SECONDS) for _ in scenes]
        edges = np.concatenate([[0.0], np.cumsum(lengths)])
        seconds = np.arange(0.5 / RATE, edges[-1], 1 / RATE)
        place = np.searchsorted(edges, seconds, side="right") - 1
        pixels = np.concatenate(
            [
                render_small(
                    scene,
                    (
                        (seconds[place == number] - edges[number]) / lengths[number] * SECONDS
                    ).tolist(),
                    model.encoder.image_size,
                )
                for number, scene in enumerate(scenes)
            ]
        )
        parts = [
            model.encode_video([Frames(pixels[first : first + 12], seconds[first : first + 12])])
            for first in range(0, len(seconds), 12)
        ]
        frames = torch.cat([part.frames[part.frame_mask] for part in parts])
        texts = tuple(captions(scene)[0] for scene in scenes)
        spans = tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        queries = unit(model.encode_text(texts).sentence)
        yield Chain(unit(frames), seconds, float(edges[-1]), texts, queries, spans)


def real(
    model: RetrievalModel, annotations: Path, store: FeatureStore, split: str
) -> Iterator[Chain]:
    """Chains of the MSR-VTT test videos in a drawn order, by the key frames that have tokens."""
    captioned = datasets.load("msrvtt_frames", annotations).split(split).first_captions(1)
    path = annotations / "MSRVTT_data.json"
    listed: Any = json_object(path, read_json(path))["videos"]
    lengths = {video["video_id"]: video["end time"] - video["start time"] for video in listed}
    rows = list(captioned.captions)
    random.Random(0).shuffle(rows)
    for first in range(0, len(rows) - CHAIN + 1, CHAIN):
        chain = rows[first : first + CHAIN]
        clips = store.read([caption.video_id for caption in chain])
        mask = torch.from_numpy(clips.frame_mask)
        with torch.no_grad():
            tokens = model.encoder.to_input(torch.from_numpy(clips.frames))
            frames = model.video_features(tokens, mask).frames[mask]
        own = np.array([lengths[caption.video_id] for caption in chain])
        edges = np.concatenate([[0.0], np.cumsum(own)])
        seconds = np.concatenate(
            [
                edges[number] + (np.arange(count) + 0.5) / count * own[number]
                for number, count in enumerate(mask.sum(1).tolist())
            ]
        )
        texts = tuple(caption.text for caption in chain)
        spans = tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        queries = unit(model.encode_text(texts).sentence)
        yield Chain(unit(frames), seconds, float(edges[-1]), texts, queries, spans)


def unit(vectors: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    """The vectors at unit length."""
    return normalize(vectors.float(), dim=-1)


def best_window(
    scores: Float64[np.ndarray, " N"], seconds: Float64[np.ndarray, " N"], length: float
) -> Span:
    """The window of fixed length whose frames score best on average."""
    starts = np.arange(0.0, length, WINDOW)
    means = [
        scores[(seconds >= start) & (seconds < start + WINDOW)].mean()
        if ((seconds >= start) & (seconds < start + WINDOW)).any()
        else -np.inf
        for start in starts
    ]
    start = float(starts[int(np.argmax(means))])
    return start, min(start + WINDOW, length)


def best_moment(factor: float) -> Callable[..., Span]:
    """The first moment with a threshold at `factor` between mean and best."""

    def find(
        scores: Float64[np.ndarray, " N"], seconds: Float64[np.ndarray, " N"], length: float
    ) -> Span:
        found = find_moments(scores, seconds, (0.0, length), MomentSettings(factor))[0]
        return found.start, found.end

    return find


WAYS: dict[str, Callable[..., Span]] = {
    "fixed windows of 10 s": best_window,
    **{f"moments, factor {factor:g}": best_moment(factor) for factor in (0.3, 0.4, 0.5, 0.6, 0.7)},
}


def measured(chains: Sequence[Chain], way: Callable[..., Span]) -> list[str]:
    """R1 at IoU 0.5 and 0.7 with 95 % intervals over videos, and the mean IoU."""
    overlaps = np.array(
        [
            [
                overlap(way(scores, chain.seconds, chain.length), span)
                for scores, span in zip(
                    (chain.queries @ chain.frames.T).double().numpy(), chain.spans, strict=True
                )
            ]
            for chain in chains
        ]
    )
    clusters = np.repeat(np.arange(len(chains)), overlaps.shape[1])
    cells = []
    for least in (0.5, 0.7):
        right = (overlaps >= least).ravel().astype(float)
        interval = mean_interval(100 * right, clusters)
        cells.append(f"{100 * right.mean():.1f} ({interval.low:.1f} to {interval.high:.1f})")
    return [*cells, f"{100 * overlaps.mean():.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="reelworld-tiny")
    parser.add_argument(
        "--reelworld", type=int, metavar="N", help="number of chains of drawn scenes"
    )
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--split", default="test", choices=("val", "test"))
    given = parser.parse_args()
    model = load(given.model)
    if given.reelworld:
        chains = list(drawn(model, given.reelworld, given.split))
    else:
        chains = list(real(model, given.annotations, FeatureStore(given.features), given.split))
    queries = sum(len(chain.spans) for chain in chains)
    print(f"{len(chains)} videos, {queries} queries, model {model.fingerprint}\n")
    print("| | R1@0.5 | R1@0.7 | mean IoU |\n|---|---|---|---|")
    for name, way in WAYS.items():
        print(f"| {name} | {' | '.join(measured(chains, way))} |")


if __name__ == "__main__":
    main()
