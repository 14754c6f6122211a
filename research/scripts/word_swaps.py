"""Measure on captioned clips how well swaps tell true words from false ones, and how the words of
captions, which are all true, are judged with the record in the model's card:

    python -m research.scripts.word_swaps --model everyday --data msrvtt_frames --split test \
        --annotations DIR --videos PICTURES
    python -m research.scripts.word_swaps --model everyday --data folder --split all \
        --annotations captions.csv --videos DIR

A false word is a curated sibling of a true one, asked in its place with the true word among its own
siblings. The clip may well show it too, so a perfect model does not reach 1. Intervals are 95 %,
over clips.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from finereel import data as datasets
from finereel.cli.progress import StageBars
from finereel.data.sources import SourceOptions, open_source
from finereel.index.evidence import WordFinder, records_of
from finereel.index.faithfulness import (
    KnownClip,
    Swaps,
    contradicted,
    slots_of_caption,
    swaps_of,
    true_words,
    verdict_counts,
)
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.statistics.intervals import SHARE, mean_interval
from finereel.types import OnProgress, no_progress

RESAMPLES = 500
_CLIPS_AT_A_TIME = 16


def data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name captioned clips."""
    parser.add_argument("--data", default="", help="a data set, or folder for your own")
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--captions", type=int, default=20, help="most captions of a clip")


def captioned_clips(
    model: RetrievalModel, given: argparse.Namespace, on_progress: OnProgress = no_progress
) -> list[KnownClip]:
    """Encode the clips of a split and find the words of their captions.

    Args:
        model: The model.
        given: The values of `data_options`.
        on_progress: Told how many clips are done.

    Returns:
        The clips.
    """
    options = SourceOptions(
        annotations=given.annotations,
        videos=given.videos,
        features=given.features,
        num_frames=model.num_frames,
        image_size=model.encoder.image_size,
        preprocessing=model.encoder.preprocessing,
    )
    split = datasets.load(given.data, given.annotations).split(given.split)
    source, finder = open_source(given.data, options), WordFinder({})
    texts: dict[str, list[str]] = {video: [] for video in split.videos}
    for caption in split.first_captions(given.captions).captions:
        texts[caption.video_id].append(caption.text)
    found: list[KnownClip] = []
    for start in range(0, len(split.videos), _CLIPS_AT_A_TIME):
        names = split.videos[start : start + _CLIPS_AT_A_TIME]
        arrays = source.read(names)
        video = model.encode_clips(arrays.frames, arrays.frame_mask)
        for row, name in enumerate(names):
            own = tuple(dict.fromkeys(texts[name]))
            slots = tuple(slot for text in own for slot in slots_of_caption(model, finder, text))
            found.append(KnownClip(own, slots, video.rows(slice(row, row + 1))))
            on_progress("reading clips", len(found), len(split.videos))
    return found


def resampled(
    clips: np.ndarray, value: Callable[[np.ndarray], float], seed: int = 0
) -> tuple[float, float]:
    """The interval of a statistic over clips drawn with replacement.

    Args:
        clips: (N,) the number of each value's clip.
        value: The statistic of the values at the given places.
        seed: Of the draws.

    Returns:
        Its 2.5 % and 97.5 % quantiles.
    """
    places = [np.flatnonzero(clips == clip) for clip in np.unique(clips)]
    random = np.random.default_rng(seed)
    drawn = [
        value(np.concatenate([places[k] for k in random.integers(0, len(places), len(places))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def measured(swaps: Swaps) -> dict[str, Any]:
    """The numbers of one part of speech."""
    true, false = np.array(swaps.true), np.array(swaps.false)
    clips, right = np.array(swaps.clips), np.array(swaps.right)

    def auroc(at: np.ndarray) -> float:
        return Swaps(true[at].tolist(), false[at].tolist()).auroc

    pairs = mean_interval(right, clips, SHARE)
    return {
        "true": len(true),
        "clips": len(np.unique(clips)),
        "auroc": swaps.auroc,
        "auroc_95": resampled(clips, auroc),
        "pair_accuracy": swaps.pair_accuracy,
        "pair_accuracy_95": (100 * pairs.low, 100 * pairs.high),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="everyday")
    data_options(parser)
    given = parser.parse_args()
    model = load(given.model)
    with StageBars() as bars:
        clips = captioned_clips(model, given, bars)
        swaps = swaps_of(model, clips, bars)
        judged = list(true_words(model, clips, records_of(model.card), bars))
    found = {
        "clips": len(clips),
        "words": {pos: measured(row) for pos, row in swaps.items()},
        "true_words": verdict_counts(word for row in judged for word in row),
        "contradicted": contradicted(judged),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
