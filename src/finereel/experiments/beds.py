"""Test beds: a data set with everything an experiment needs to train heads in minutes.

On precomputed tokens the vision side is frozen (its tokens are the input); text tower, adapter, temporal encoder and
head train, from towers of each seed's own. On pixels everything trains, on from a whole model.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from finereel.datasets import msrvtt, worlds
from finereel.datasets.base import ClipSource, Dataset, Split
from finereel.datasets.features import FeatureStore
from finereel.disk import writes
from finereel.encoders import Encoder
from finereel.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.errors import DataError, unknown_name
from finereel.evaluation.finegrain.groups import Group
from finereel.experiments.clips import Remembered
from finereel.frozen import cache_tokens
from finereel.model import RetrievalModel, load
from finereel.text import Tokenizer, train_tokenizer
from finereel.training.fine import FineLoss, NegativeTexts

_BUNDLED = "reelworld-tiny"
_ON_TOKENS = {"shifted_blocks": (), "temporal_layers": 1}  # the vision tower is behind us


@dataclass(frozen=True)
class Plan:
    """One stretch of training: steps, pairs per batch, learning rate of everything, how often to validate."""

    steps: int
    batch_size: int
    lr: float
    validate_every: int


@dataclass(frozen=True)
class Bed:
    """A data set (splits train, val, test), its clips, vocabulary and sizes.

    encoder: makes the towers. towers: the plan that every seed's are trained by (video_sentence on mean-pooled frames,
    the simplest head there is), or what loads the whole model that training goes on from. heads: the plan of every
    variant, which starts there. num_frames, max_words: F and W. settings: of every variant's model.
    other_captions: of another domain, for the robustness of banks. fine: for training with fine-grained negatives, see
    `experiments.fine_sets`.
    """

    data: Dataset
    source: ClipSource
    tokenizer: Tokenizer
    encoder: Callable[[], Encoder]
    num_frames: int
    max_words: int
    word_dropout: float
    frame_dropout: float
    towers: Plan | Callable[[], RetrievalModel]
    heads: Plan
    settings: Mapping[str, object] = field(default_factory=lambda: dict(_ON_TOKENS))
    other_captions: tuple[str, ...] = ()
    fine: "FineMaterial | None" = None


@dataclass(frozen=True)
class FineMaterial:
    """negatives: of the training captions, None to train without; validation: groups whose pair accuracy counts half
    when a model is chosen, the same for every variant; loss: how negatives count."""

    negatives: NegativeTexts | None
    validation: tuple[Group, ...]
    loss: FineLoss = field(default_factory=FineLoss)


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
            encoder=partial(FeatureEncoder, _geometry(store, tokenizer)),
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
    data, model = _scenes(options), load(_BUNDLED)
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
            encoder=partial(FeatureEncoder, _geometry(store, model.tokenizer)),
            num_frames=model.num_frames,
            max_words=32,
            word_dropout=0.0,
            frame_dropout=0.0,
            towers=Plan(steps=240, batch_size=256, lr=2e-3, validate_every=60),
            heads=Plan(steps=120, batch_size=64, lr=1e-3, validate_every=40),
            other_captions=_real_captions(options),
        ),
    )


def reelworld_pixels(options: BedOptions) -> Bed:
    """The same drawn videos as pictures: the whole bundled model trains on, vision tower and all.

    That model has learned among twins; what is trained here comes after that.
    """
    model = load(_BUNDLED)
    if model.tokenizer is None:
        raise DataError("the bundled model has no tokenizer; install the package again")
    return _shrunk(
        options.debug,
        Bed(
            data=replace(_scenes(options), name="reelworld-pixels"),
            source=Remembered(worlds.WorldSource(num_frames=model.num_frames)),
            tokenizer=model.tokenizer,
            encoder=lambda: load(_BUNDLED).encoder,
            num_frames=model.num_frames,
            max_words=model.config.max_words,
            word_dropout=0.0,
            frame_dropout=0.0,
            towers=partial(load, _BUNDLED),
            heads=Plan(steps=120, batch_size=32, lr=1e-4, validate_every=40),
            settings={
                "shifted_blocks": model.config.shifted_blocks,
                "temporal_layers": model.config.temporal_layers,
            },
        ),
    )


BEDS: dict[str, Callable[[BedOptions], Bed]] = {
    "msrvtt-features": msrvtt_features,
    "reelworld-tokens": reelworld_tokens,
    "reelworld-pixels": reelworld_pixels,
}


def bed(name: str, options: BedOptions) -> Bed:
    """The test bed called `name`."""
    if name not in BEDS:
        raise unknown_name("test bed", name, BEDS)
    return BEDS[name](options)


def _scenes(options: BedOptions) -> Dataset:
    """Drawn scenes with their twins."""
    sizes = {"train": 8, "val": 2, "test": 2} if options.debug else {"train": 600, "val": 50, "test": 100}
    return worlds.virtual(sizes, with_twins=True)


@writes("folder")
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
    return replace(
        made,
        data=replace(made.data, splits=few),
        towers=plan if isinstance(made.towers, Plan) else made.towers,
        heads=plan,
    )
