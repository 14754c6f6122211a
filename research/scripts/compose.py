r"""Measure composed queries: NOT against the text alone and a "not" in the sentence, and THEN
against one sentence.

    python -m research.scripts.compose --model reelworld-tiny --reelworld 500 --chains 25
    python -m research.scripts.compose --model everyday --annotations DIR --features TOKENS

NOT asks for a thing without another one: a drawn noun without a colour or a verb, or a word of
MSR-VTT captions without another one. What holds of a drawn scene is certain; a real video has a word
that at least three of its captions use, has not one that none uses, and is left out otherwise. THEN
takes neighbours in the long videos of `research.scripts.moments`: the order is right where the pair
scores higher in its own order than in the other one.
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from finereel import data as datasets
from finereel.data.features import FeatureStore
from finereel.index.compose import MIDDLE, Composition, Spread, best_path
from finereel.io.tables import json_object, read_json
from finereel.models.features import TextFeatures, VideoFeatures, concatenate
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld import Scene, frame_times, sample_scene, short_captions, vocabulary
from finereel.reelworld.batches import render_small
from finereel.statistics.intervals import mean_interval
from finereel.types import Frames
from research.scripts.moments import CHAIN, Chain, drawn, real, unit

TOP = 10
THINGS = frozenset(
    {"man", "woman", "girl", "boy", "person", "people", "child"}
    | {"dog", "cat", "car", "band", "group"}
)
OTHERS = frozenset(
    {"guitar", "car", "food", "song", "stage", "ball", "game", "water", "hair", "makeup", "paper"}
    | {"computer", "phone", "baby", "dress", "kitchen", "microphone", "table", "horse", "bike"}
    | {"street", "beach", "screen", "crowd"}
)
LEAST_CAPTIONS, LEAST_VIDEOS = 3, 4


@dataclass(frozen=True)
class Denial:
    """A text, what it is to be without, and both as one sentence; which videos fit and which are
    forbidden. Others are judged only where `judged` says so.
    """

    kind: str
    text: str
    denied: str
    sentence: str
    right: Bool[np.ndarray, " V"]
    forbidden: Bool[np.ndarray, " V"]
    judged: Bool[np.ndarray, " V"]


@dataclass(frozen=True)
class Gallery:
    """Videos and the denials asked of them."""

    videos: VideoFeatures
    denials: Sequence[Denial]


def encode_scenes(model: RetrievalModel, every: Sequence[Scene]) -> VideoFeatures:
    """Features of drawn scenes, of twelve frames each."""
    times = frame_times(12)
    drawn = (render_small(scene, times, model.encoder.image_size) for scene in every)
    return concatenate([model.encode_video([Frames(p, np.array(times))]) for p in drawn])


def drawn_gallery(model: RetrievalModel, scenes: int, split: str) -> Gallery:
    """Drawn scenes; nouns without a colour or a verb."""
    every = [sample_scene(number, split) for number in range(scenes)]
    videos = encode_scenes(model, every)
    noun = np.array([scene.noun for scene in every])
    factors = {
        "colour": (np.array([scene.colour for scene in every]), vocabulary.COLOURS),
        "verb": (np.array([scene.verb for scene in every]), tuple(vocabulary.VERBS)),
    }
    denials = []
    for kind, (values, options) in factors.items():
        for name in vocabulary.NOUNS:
            for option in options:
                own = noun == name
                forbidden = own & (values == option)
                if not forbidden.any() or forbidden.sum() == own.sum():
                    continue
                texts = {
                    "colour": (f"a {option} {name}", f"a {name} that is not {option}"),
                    "verb": (f"a {name} {option}", f"a {name} that does not {_base(option)}"),
                }[kind]
                everything = np.ones(len(own), dtype=bool)
                denials.append(
                    Denial(kind, f"a {name}", *texts, own & ~forbidden, forbidden, everything)
                )
    return Gallery(videos, denials)


def _base(verb: str) -> str:
    return vocabulary.VERBS[verb].base if verb in vocabulary.VERBS else verb


def real_gallery(
    model: RetrievalModel, annotations: Path, store: FeatureStore, split: str
) -> Gallery:
    """MSR-VTT videos; things without others, by the words of their captions."""
    captioned = datasets.load("msrvtt_frames", annotations).split(split).first_captions(1)
    ids = list(dict.fromkeys(caption.video_id for caption in captioned.captions))
    path = annotations / "MSRVTT_data.json"
    listed: Any = json_object(path, read_json(path))["sentences"]
    captions = defaultdict(list)
    for row in listed:
        captions[row["video_id"]].append(set(re.findall(r"[a-z]+", row["caption"].lower())))
    parts = []
    for first in range(0, len(ids), 64):
        clips = store.read(ids[first : first + 64])
        mask = torch.from_numpy(clips.frame_mask)
        with torch.no_grad():
            tokens = model.encoder.to_input(torch.from_numpy(clips.frames))
            parts.append(model.video_features(tokens, mask))
    used = {
        word: np.array([sum(bool({word, word + "s"} & c) for c in captions[name]) for name in ids])
        for word in THINGS | OTHERS
    }
    denials = []
    for thing in sorted(THINGS):
        for other in sorted(OTHERS):
            own, has, lacks = (
                used[thing] >= LEAST_CAPTIONS,
                used[other] >= LEAST_CAPTIONS,
                used[other] == 0,
            )
            forbidden, right = own & has, own & lacks
            if thing == other or min(forbidden.sum(), right.sum()) < LEAST_VIDEOS:
                continue
            judged = (own | (used[thing] == 0)) & (has | lacks)
            one = thing if thing == "people" else f"a {thing}"
            denials.append(
                Denial(
                    "word",
                    one,
                    f"{one} and {_article(other)}",
                    f"{one} without {_article(other)}",
                    right,
                    forbidden,
                    judged,
                )
            )
    return Gallery(concatenate(parts), denials)


def _article(word: str) -> str:
    return word if word in ("food", "hair", "makeup", "water") else f"a {word}"


def mean_precision(scores: Float64[np.ndarray, " V"], right: Bool[np.ndarray, " V"]) -> float:
    """Average precision of one query.

    >>> mean_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    0.8333333333333333
    """
    hits = right[np.argsort(-scores, kind="stable")]
    places = np.flatnonzero(hits)
    return float(((np.arange(len(places)) + 1) / (places + 1)).mean())


def measure_not(model: RetrievalModel, gallery: Gallery) -> None:
    """Print mAP and the share of the forbidden for every way of asking."""
    rows = defaultdict(list)
    recognised: dict[str, list[float]] = defaultdict(list)
    for denial in gallery.denials:
        text = model.encode_text([denial.text, denial.denied, denial.sentence])
        scores = model.score(text, gallery.videos).fused.double().numpy()
        z = Spread.of(scores).standard(scores)
        ways = {
            "the text alone": z[0],
            'a "not" in the sentence': z[2],
            "difference of the scores": z[0] - z[1],
            "NOT": Composition([0], (), [1]).parts(z).sum(0),
        }
        recognised[denial.kind].append(float((z[1][denial.forbidden] >= MIDDLE).mean()))
        keep = denial.judged
        for name, values in ways.items():
            first = np.argsort(-values[keep], kind="stable")[:TOP]
            share = float(denial.forbidden[keep][first].mean())
            rows[denial.kind, name].append(
                (mean_precision(values[keep], denial.right[keep]), share)
            )
    print(f"\n| kind, queries | way | mAP | of the text alone | forbidden in the first {TOP}, % |")
    print("|---|---|---|---|---|")
    for (kind, name), values in rows.items():
        table = np.array(values)
        alone = np.array(rows[kind, "the text alone"])
        numbers = np.arange(len(table))
        precision, share = (
            mean_interval(column, numbers) for column in (table.T[0], 100 * table.T[1])
        )
        print(
            f"| {kind}, {len(table)} | {name} | {table[:, 0].mean():.3f} ({precision.low:.3f} to "
            f"{precision.high:.3f}) | {table[:, 0].mean() / alone[:, 0].mean():.3f} | "
            f"{100 * table[:, 1].mean():.1f} ({share.low:.1f} to {share.high:.1f}) |"
        )
    for kind, shares in recognised.items():
        print(f"\n{kind}: {100 * np.mean(shares):.0f} % of the forbidden reach z = {MIDDLE:g}")


def shortened(chains: Sequence[Chain], split: str) -> list[Chain]:
    """Chains of drawn scenes with short captions: a colour, a noun and a verb."""
    return [
        replace(
            chain,
            texts=tuple(
                short_captions(sample_scene(number * CHAIN + place, split))[3]
                for place in range(CHAIN)
            ),
        )
        for number, chain in enumerate(chains)
    ]


def measure_then(model: RetrievalModel, chains: Sequence[Chain]) -> None:
    """Print how often the order is right and the right video comes first."""
    frames = [chain.frames for chain in chains]
    right: dict[str, list[tuple[float, float]]] = defaultdict(list)
    clusters = []
    for number, chain in enumerate(chains):
        for one, other in pairwise(chain.texts):
            clusters.append(number)
            encoded = model.encode_text(
                [one, other, f"{one}, then {other}", f"{other}, then {one}"]
            )
            scores = _standard(encoded, frames)
            ways = {
                "one sentence": ([s[2].max() for s in scores], scores[number][3].max()),
                "sum of both maxima": (
                    [s[0].max() + s[1].max() for s in scores],
                    scores[number][0].max() + scores[number][1].max(),
                ),
                "THEN": (
                    [_path(s[:2], c) for s, c in zip(scores, chains, strict=True)],
                    _path(scores[number][1::-1], chains[number]),
                ),
            }
            for name, (values, reverse) in ways.items():
                own = values[number]
                ordered = 0.5 if own == reverse else float(own > reverse)
                first = float(sum(value >= own for value in values) == 1)
                right[name].append((ordered, first))
    print(
        f"\n| way, {len(clusters)} pairs in {len(frames)} videos | order right, % | right video first, % |"
    )
    print("|---|---|---|")
    for name, values in right.items():
        cells = []
        for column in 100 * np.array(values).T:
            interval = mean_interval(column, np.array(clusters))
            cells.append(f"{column.mean():.1f} ({interval.low:.1f} to {interval.high:.1f})")
        print(f"| {name} | {' | '.join(cells)} |")


def _standard(texts: TextFeatures, frames: Sequence[Tensor]) -> list[Float64[np.ndarray, "T N"]]:
    sentences = unit(texts.sentence)
    scores = [(sentences @ vectors.T).double().numpy() for vectors in frames]
    spread = Spread.of(np.concatenate(scores, axis=1))
    return [spread.standard(each) for each in scores]


def _path(z: Float64[np.ndarray, "T N"], chain: Chain) -> float:
    path = best_path(z, chain.seconds)
    return -np.inf if path is None else path.score


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="reelworld-tiny")
    parser.add_argument("--reelworld", type=int, metavar="N", help="number of drawn scenes")
    parser.add_argument("--chains", type=int, default=25, help="long videos of drawn scenes")
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--split", default="test", choices=("val", "test"))
    given = parser.parse_args()
    model = load(given.model)
    print(f"model {model.fingerprint}, split {given.split}")
    if given.reelworld:
        measure_not(model, drawn_gallery(model, given.reelworld, given.split))
        chains = list(drawn(model, given.chains, given.split))
        measure_then(model, shortened(chains, given.split))
        return
    store = FeatureStore(given.features)
    measure_not(model, real_gallery(model, given.annotations, store, given.split))
    measure_then(model, list(real(model, given.annotations, store, given.split)))


if __name__ == "__main__":
    main()
