"""Evaluate a model with normalisation banks of another domain: captions for text to video, clips for
video to text.

    python -m research.scripts.other_banks --model everyday --frames TOKENS --msrvtt DIR \
        --photos DIR --flickr8k DIR --vln DIR --out docs/results

Targets are the key frames of MSR-VTT (TOKENS of `finereel data tokens msrvtt_frames`) and the photos
of Flickr8k. Every bank (MSR-VTT's training side, Flickr8k's, the captions of VLN-UVO) is applied
with the published settings, strength 1 and temperature 1, and with those that are best on the
target's validation split with that same bank. Nothing of the test is looked at to choose.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from finereel import data as datasets
from finereel.cli.progress import StageBars
from finereel.data.base import ClipSource, Dataset, Split
from finereel.data.sources import SourceOptions, captions_of, open_source
from finereel.evaluation.gallery import (
    EncodedSplit,
    ScoredSplit,
    encode_split,
    encode_texts,
    encode_videos,
    score_encoded,
)
from finereel.evaluation.normalizing import NORMALIZATIONS, BankQueries, choose
from finereel.evaluation.record import query_ranks
from finereel.evaluation.retrieval import FUSED, Correction, EvaluationSettings, evaluate_scores
from finereel.io.atomic import write_file
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.normalization import DIRECTIONS
from finereel.statistics.metrics import Ranks
from finereel.types import OnProgress
from research.tables import markdown, table

TEXTS, VIDEOS = 1500, 500
TARGETS = ("MSR-VTT", "Flickr8k")
PUBLISHED: Mapping[str, float] = {"strength": 1.0, "temperature": 1.0}
PAGE = "normalization-other-domains.md"
_METHOD = NORMALIZATIONS["bank"]


@dataclass(frozen=True)
class Domain:
    """Captions of one domain, and clips where there are any. dataset: its splits, None where it only
    lends captions.
    """

    name: str
    texts: tuple[str, ...]
    dataset: Dataset | None = None
    source: ClipSource | None = None

    def clips(self) -> tuple[str, ...]:
        """At most VIDEOS readable training clips, drawn."""
        if self.dataset is None or self.source is None:
            return ()
        videos = self.dataset.split("train").videos
        broken = self.source.problems(videos)
        return tuple(drawn([video for video in videos if video not in broken], VIDEOS))


@dataclass(frozen=True)
class Target:
    """Test and validation of one domain, encoded and scored."""

    name: str
    test: EncodedSplit
    scored: ScoredSplit
    validation: EncodedSplit
    judged: ScoredSplit

    @classmethod
    def of(cls, model: RetrievalModel, domain: Domain, bars: OnProgress) -> "Target":
        """Encode both splits; the validation has as many captions of a clip as the test."""
        assert domain.dataset is not None
        assert domain.source is not None
        test, val = domain.dataset.split("test"), domain.dataset.split("val")
        val = val.first_captions(max(1, round(len(test.captions) / len(test.videos))))
        encoded = [encode_split(model, split, domain.source, bars) for split in (test, val)]
        scored = [score_encoded(model, one, bars) for one in encoded]
        return cls(domain.name, encoded[0], scored[0], encoded[1], scored[1])


def drawn(items: Sequence[str], count: int, seed: int = 0) -> list[str]:
    """At most `count` different items, the same for the same seed.

    >>> drawn(["a", "b", "a"], 5), len(drawn([str(n) for n in range(99)], 9))
    (['a', 'b'], 9)
    """
    known = sorted(set(items))
    return known if len(known) <= count else Random(seed).sample(known, count)


def banks_of(
    model: RetrievalModel, domains: Sequence[Domain], target: Target, bars: OnProgress
) -> dict[str, dict[str, BankQueries]]:
    """The banks of every domain by direction; sentences of the target's test and validation are left
    out.
    """
    asked = {c.text for side in (target.test, target.validation) for c in side.split.captions}
    found: dict[str, dict[str, BankQueries]] = {direction: {} for direction in DIRECTIONS}
    for domain in domains:
        texts = drawn([text for text in domain.texts if text not in asked], TEXTS)
        clips = domain.clips()
        found["text_to_video"][domain.name] = BankQueries(
            domain.name, encode_texts(model, texts, bars)
        )
        if clips and domain.source is not None:
            found["video_to_text"][domain.name] = BankQueries(
                domain.name, encode_videos(model, clips, domain.source, bars)
            )
    return found


def rows_of(
    model: RetrievalModel, target: Target, direction: str, banks: Mapping[str, BankQueries]
) -> tuple[dict[str, Ranks], dict[str, str]]:
    """Ranks of the target's queries for every bank, published and fitted, and what was fitted."""
    assert _METHOD is not None
    rows = {"none": ranks_of(target.scored, direction, None)}
    chosen: dict[str, str] = {}
    for name, bank in banks.items():
        on_test = bank.against(model, target.test)
        choice = choose(_METHOD, direction, bank.against(model, target.validation), target.judged)
        chosen[name] = _told(choice.settings, choice.r1_without, choice.r1_with)
        for how, settings in (("published", PUBLISHED), ("fitted", choice.settings)):
            made = None
            if settings is not None:
                made = _METHOD.build(direction, list(on_test), settings)
                made = made.fit(on_test, bank_id=name)
            rows[f"{name}, {how}"] = ranks_of(target.scored, direction, made)
    return rows, chosen


def _told(settings: Mapping[str, Any] | None, without: float | None, best: float | None) -> str:
    if settings is None:
        return f"off (validation R@1 {without:.1f}, no setting is better)"
    values = ", ".join(f"{name} {value:g}" for name, value in settings.items())
    return f"{values} (validation R@1 {without:.1f} to {best:.1f})"


def ranks_of(scored: ScoredSplit, direction: str, normalizer: Correction | None) -> Ranks:
    """Ranks of one direction by the fused score."""
    normalization = {} if normalizer is None else {direction: normalizer}
    settings = EvaluationSettings(normalization, None, scored.weights)
    result = evaluate_scores(scored.scores, scored.relation, settings)
    return query_ranks(scored, result)[direction].ranks[FUSED]


def clusters_of(scored: ScoredSplit, direction: str) -> np.ndarray:
    """The clip of every query, as numbers."""
    settings = EvaluationSettings({}, None, scored.weights)
    result = evaluate_scores(scored.scores, scored.relation, settings)
    videos = query_ranks(scored, result)[direction].videos
    return np.asarray(np.unique(videos, return_inverse=True)[1])


def page(
    model: RetrievalModel,
    domains: Sequence[Domain],
    targets: Sequence[str],
    command: str,
    bars: OnProgress,
) -> str:
    """The page of every target, domains by name."""
    told = f"{model.name} ({model.fingerprint})"
    parts = ["# Banks of other domains\n", f"    {command}\n", _ABOUT.format(model=told)]
    for domain in domains:
        if domain.dataset is None or domain.name not in targets:
            continue
        target = Target.of(model, domain, bars)
        banks = banks_of(model, domains, target, bars)
        split = target.test.split
        parts.append(f"## {domain.name}\n")
        parts.append(
            f"Test: {len(split.videos):,} clips, {len(split.captions):,} captions ({split.hash}); "
            f"validation: {len(target.validation.split.videos):,} clips.\n"
        )
        for direction in DIRECTIONS:
            rows, chosen = rows_of(model, target, direction, banks[direction])
            clusters = clusters_of(target.scored, direction)
            lines = table({name: [ranks] for name, ranks in rows.items()}, "none", clusters)
            parts.append(f"### {direction.replace('_', ' ').capitalize()}\n")
            parts.append(markdown(lines))
            parts.append("".join(f"* fitted, {name}: {text}\n" for name, text in chosen.items()))
    return "\n".join(parts)


_ABOUT = """Model: {model}. Text to video, a bank is 1,500 captions that are scored with the clips of the
test; video to text, 500 clips that are scored with its captions. Captions of the test and of the
validation are left out. *Published*: strength 1 and temperature 1. *Fitted*: the best of twelve
settings on the validation split with the same bank, off where none is better. Intervals and p are by
clip, p with Holm's correction over a table.
"""


def domains_of(given: argparse.Namespace, model: RetrievalModel) -> list[Domain]:
    """MSR-VTT, Flickr8k and VLN-UVO."""
    frames = datasets.load("msrvtt_frames", given.msrvtt)
    photos = datasets.load("flickr8k", given.flickr8k)
    size = {"num_frames": model.num_frames, "image_size": model.encoder.image_size}
    shown = model.encoder.preprocessing
    stores = [
        open_source("msrvtt_frames", SourceOptions(features=given.frames, **size)),
        open_source("flickr8k", SourceOptions(videos=given.photos, preprocessing=shown, **size)),
    ]
    narrated = tuple(caption.text for caption in captions_of(given.vln, "vln_uvo"))
    return [
        Domain("MSR-VTT", _texts(frames.split("train")), frames, stores[0]),
        Domain("Flickr8k", _texts(photos.split("train")), photos, stores[1]),
        Domain("VLN-UVO", narrated),
    ]


def _texts(split: Split) -> tuple[str, ...]:
    return tuple(caption.text for caption in split.captions)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="everyday")
    for name in ("frames", "msrvtt", "photos", "flickr8k", "vln"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--out", type=Path, help="folder for the page; printed where not given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    command = (
        f"python -m research.scripts.other_banks --model {given.model} --frames TOKENS --msrvtt "
        "MSRVTT --photos PHOTOS --flickr8k FLICKR8K --vln VLN-UVO "
        f"--targets {' '.join(given.targets)} --out docs/results"
    )
    model = load(given.model)
    with StageBars() as bars:
        text = page(model, domains_of(given, model), given.targets, command, bars)
    if given.out is None:
        print(text)
    else:
        given.out.mkdir(parents=True, exist_ok=True)
        write_file(given.out / PAGE, text)


if __name__ == "__main__":
    main()
