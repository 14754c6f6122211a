"""Test beds: a data set on precomputed tokens with everything an experiment needs to train heads in minutes.

The vision side is frozen (its tokens are the input); text tower, adapter, temporal encoder and head train.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from finereel.datasets import msrvtt, worlds
from finereel.datasets.base import ClipSource, Dataset, Split
from finereel.datasets.features import FeatureStore
from finereel.encoders.features import FeatureGeometry
from finereel.errors import DataError, unknown_name
from finereel.evaluation.finegrain.groups import Group
from finereel.frozen import cache_tokens
from finereel.model import load
from finereel.text import Tokenizer, train_tokenizer
from finereel.training.fine import NegativeTexts


@dataclass(frozen=True)
class Plan:
    """One stretch of training: steps, pairs per batch, learning rate of everything, how often to validate."""

    steps: int
    batch_size: int
    lr: float
    validate_every: int


@dataclass(frozen=True)
class Bed:
    """A data set (splits train, val, test), tokens of its clips, vocabulary and sizes.

    towers: the plan that every seed starts from (video_sentence on mean-pooled frames, the simplest head there is);
    heads: the plan of every variant, which goes on from there. num_frames, max_words: F and W. other_captions: of
    another domain, for the robustness of banks. fine: for training with fine-grained negatives, see
    `experiments.fine_sets`.
    """

    data: Dataset
    source: ClipSource
    tokenizer: Tokenizer
    geometry: FeatureGeometry
    num_frames: int
    max_words: int
    word_dropout: float
    frame_dropout: float
    towers: Plan
    heads: Plan
    other_captions: tuple[str, ...] = ()
    fine: "FineMaterial | None" = None


@dataclass(frozen=True)
class FineMaterial:
    """negatives: of the training captions, None to train without; validation: groups whose pair accuracy counts half
    when a model is chosen, the same for every variant."""

    negatives: NegativeTexts | None
    validation: tuple[Group, ...]


@dataclass(frozen=True)
class BedOptions:
    """Where things are. features: folder of tokens; annotations: folder of annotation files; work: where a bed may keep
    what it computes; debug: tiny and meaningless, to see that everything runs; negatives: files to test fine-grained
    models on, by name."""

    work: Path
    features: Path | None = None
    annotations: Path | None = None
    debug: bool = False
    negatives: tuple[tuple[str, Path], ...] = ()


def msrvtt_features(options: BedOptions) -> Bed:
    """Real videos: precomputed tokens of MSR-VTT, all captions of the training videos, 1k-A test captions.

    `split.json` beside the tokens lists the videos of train, val and test that have tokens.
    """
    if options.features is None or options.annotations is None:
        raise DataError("the bed msrvtt-features needs --features (tokens and split.json) and --annotations (MSRVTT)")
    store = FeatureStore(options.features)
    videos = json.loads((options.features / "split.json").read_text(encoding="utf-8"))
    data = msrvtt.load(options.annotations)
    captioned = data.split("train_9k")
    train, val = captioned.only(videos["train"]), captioned.only(videos["val"]).first_captions(3)
    test = data.split("test").only(videos["test"])
    tokenizer = _vocabulary(train, options.work / f"vocabulary-{train.hash}")
    return _shrunk(
        options.debug,
        Bed(
            data=Dataset("msrvtt-features", {"train": train, "val": val, "test": test}, data.protocol),
            source=store,
            tokenizer=tokenizer,
            geometry=_geometry(store, tokenizer),
            num_frames=store.num_frames,
            max_words=24,
            word_dropout=0.3,
            frame_dropout=0.3,
            towers=Plan(steps=420, batch_size=512, lr=2e-3, validate_every=70),
            heads=Plan(steps=240, batch_size=128, lr=1e-3, validate_every=60),
        ),
    )


def reelworld_tokens(options: BedOptions) -> Bed:
    """Drawn videos: tokens of the bundled model's vision tower, unseen combinations in the test.

    Every scene comes with its twins, which differ in one word: without them every head finds every clip.
    """
    sizes = {"train": 8, "val": 2, "test": 2} if options.debug else {"train": 600, "val": 50, "test": 100}
    data, model = worlds.virtual(sizes, with_twins=True), load("reelworld-tiny")
    videos = [video for split in data.splits.values() for video in split.videos]
    drawn = worlds.WorldSource(num_frames=model.num_frames)  # at the size the bundled model was trained for
    store = cache_tokens(model, videos, drawn, options.work / f"reelworld-tokens-{len(videos)}")
    if model.tokenizer is None:
        raise DataError("the bundled model has no tokenizer; install the package again")
    return _shrunk(
        options.debug,
        Bed(
            data=replace(data, name="reelworld-tokens"),
            source=store,
            tokenizer=model.tokenizer,
            geometry=_geometry(store, model.tokenizer),
            num_frames=model.num_frames,
            max_words=32,
            word_dropout=0.0,
            frame_dropout=0.0,
            towers=Plan(steps=240, batch_size=256, lr=2e-3, validate_every=60),
            heads=Plan(steps=120, batch_size=64, lr=1e-3, validate_every=40),
            other_captions=_real_captions(options),
        ),
    )


BEDS: dict[str, Callable[[BedOptions], Bed]] = {
    "msrvtt-features": msrvtt_features,
    "reelworld-tokens": reelworld_tokens,
}


def bed(name: str, options: BedOptions) -> Bed:
    """The test bed called `name`."""
    if name not in BEDS:
        raise unknown_name("test bed", name, BEDS)
    return BEDS[name](options)


def _vocabulary(train: Split, folder: Path) -> Tokenizer:
    """4000 tokens learned from the training captions, once."""
    if not (folder / "tokenizer.json").exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        train_tokenizer([caption.text for caption in train.captions], 4000).save(partial)
        partial.rename(folder)
    return Tokenizer.load(folder)


def _real_captions(options: BedOptions) -> tuple[str, ...]:
    if options.annotations is None:
        return ()
    return tuple(caption.text for caption in msrvtt.load(options.annotations).split("test").captions)


def _geometry(store: FeatureStore, tokenizer: Tokenizer) -> FeatureGeometry:
    return FeatureGeometry(
        dim=128,
        token_dim=store.token_dim,
        tokens_per_frame=1 + store.num_patches,
        vocab_size=tokenizer.vocab_size,
        backbone=store.backbone,
        dropout=0.2,
        patch_dropout=0.5,
        text_width=128,
        text_blocks=2,
        text_positions=32,
    )


def _shrunk(debug: bool, made: Bed) -> Bed:
    """The same bed with a handful of videos and steps."""
    if not debug:
        return made
    few = {name: split.only(split.videos[:40]).first_captions(1) for name, split in made.data.splits.items()}
    plan = Plan(steps=2, batch_size=8, lr=1e-3, validate_every=2)
    return replace(made, data=replace(made.data, splits=few), towers=plan, heads=plan)
