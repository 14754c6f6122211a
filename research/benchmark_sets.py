"""Benchmarks: a data set with everything an experiment needs to train heads in minutes.

On precomputed tokens the vision side is frozen (its tokens are the input); text tower, adapter,
temporal encoder and head train, from towers of each seed's own. On pixels everything trains, on
from a whole model; on tokens of that model's vision backbone all but the backbones does.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from finereel.config import ModelConfig
from finereel.data import everyday, msrvtt
from finereel.data import reelworld as worlds
from finereel.data.base import Dataset, Split
from finereel.data.features import FeatureStore
from finereel.data.token_cache import cache_tokens
from finereel.errors import DataError, unknown_name
from finereel.finegrain.evaluate.groups import Group
from finereel.io.atomic import replace_folder, writes
from finereel.models.choice import DRAWN, EVERYDAY
from finereel.models.encoders.dual import DualEncoder
from finereel.models.encoders.patches import Perturbation
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.recipes.base import PairRecipe, WarmUp
from finereel.recipes.dataset_recipes import everyday as everyday_recipe
from finereel.recipes.run_dataset import model_on_towers, token_geometry, token_model
from finereel.recipes.splits import TrainingData
from finereel.text import BaseTokenizer, Tokenizer, train_tokenizer
from finereel.training.optim import OptimSettings, ParameterGroup
from finereel.training.pairs import PairSettings
from finereel.training.settings import TrainingSettings
from research.clips import Remembered
from research.text_memory import TextMemory


@dataclass(frozen=True)
class Benchmark:
    """A data set with everything a variant needs to train on it.

    Attributes:
        data: The splits train, val and test, and their clips.
        recipe: What every variant is trained by; a variant is this recipe with other model
            settings. Its warm-up trains the towers that all variants of a seed share; without one,
            training goes on from a whole model.
        make: Makes the untrained model of a recipe.
        validation: Groups of captions and negatives whose pair accuracy counts half when a model is
        chosen.
        other_captions: Captions of another domain, for the robustness of banks.
        negatives_known: The most training negatives of a caption and level.
        start: What training goes on from, a name with its fingerprint; empty where it is nothing.
        attach: Called with a model before it trains and before it is tested.
    """

    data: TrainingData
    recipe: PairRecipe
    make: Callable[[PairRecipe], RetrievalModel]
    validation: tuple[Group, ...] = ()
    other_captions: tuple[str, ...] = ()
    negatives_known: int = 15
    start: str = ""
    attach: Callable[[RetrievalModel], None] = lambda model: None

    @property
    def dataset(self) -> Dataset:
        """The splits train, val and test."""
        return self.data.dataset


@dataclass(frozen=True)
class BenchmarkOptions:
    """Where things are.

    Attributes:
        work: Folder for what a benchmark computes.
        features: Folder of tokens.
        annotations: Folder of annotation files.
        debug: Whether to use tiny sizes, to check that everything runs; the numbers are
            meaningless.
        negatives: Files to test fine-grained models on, by name.
    """

    work: Path
    features: Path | None = None
    annotations: Path | None = None
    debug: bool = False
    negatives: tuple[tuple[str, Path], ...] = ()


def msrvtt_features(options: BenchmarkOptions) -> Benchmark:
    """Real videos: precomputed tokens of MSR-VTT, all captions of the training videos, 1k-A test
    captions.

    `split.json` beside the tokens lists the videos of train, val and test that have tokens.
    """
    if options.features is None or options.annotations is None:
        raise DataError(
            "the benchmark msrvtt-features needs --features (tokens and split.json) and "
            "--annotations (MSRVTT)"
        )
    store = FeatureStore(options.features)
    videos = json.loads((options.features / "split.json").read_text(encoding="utf-8"))
    data = msrvtt.load(options.annotations)
    captioned = data.split("train_9k")
    train, val = captioned.only(videos["train"]), captioned.only(videos["val"]).first_captions(3)
    test = data.split("test").only(videos["test"])
    tokenizer = _vocabulary(train, options.work / f"vocabulary-{train.hash}")
    dataset = Dataset("msrvtt-features", {"train": train, "val": val, "test": test}, data.protocol)
    recipe = _on_tokens(
        24, WarmUp(steps=420, batch_size=512, lr=2e-3), steps=240, batch_size=128, dropout=0.3
    )
    return _shrunk(options.debug, _of_tokens(dataset, store, tokenizer, recipe))


def reelworld_tokens(options: BenchmarkOptions) -> Benchmark:
    """Drawn videos: tokens of the bundled model's vision tower, unseen combinations in the test.

    Every scene comes with its twins, which differ in one word: without them every head finds every
    clip.
    """
    data, model = _scenes(options), load(DRAWN)
    videos = [video for split in data.splits.values() for video in split.videos]
    drawn = worlds.WorldSource(
        num_frames=model.num_frames
    )  # at the size the bundled model was trained for
    store = cache_tokens(model, videos, drawn, options.work / f"reelworld-tokens-{len(videos)}")
    if model.tokenizer is None:
        raise DataError("the bundled model has no tokenizer; install the package again")
    recipe = _on_tokens(
        32, WarmUp(steps=240, batch_size=256, lr=2e-3), steps=120, batch_size=64, dropout=0.0
    )
    made = _of_tokens(replace(data, name="reelworld-tokens"), store, model.tokenizer, recipe)
    return _shrunk(options.debug, replace(made, other_captions=_real_captions(options)))


def reelworld_pixels(options: BenchmarkOptions) -> Benchmark:
    """The same drawn videos as pictures: the whole bundled model trains on, vision tower and all.

    That model has learned among twins; what is trained here comes after that.
    """
    model = load(DRAWN)
    source = Remembered(worlds.WorldSource(num_frames=model.num_frames))
    recipe = PairRecipe(
        name="reelworld-pixels",
        data="reelworld",
        model=ModelConfig(
            max_words=model.config.max_words,
            max_frames=model.num_frames,
            temporal_layers=model.config.temporal_layers,
        ),
        training=_training(120, 1e-4),
        pairs=PairSettings(batch_size=32),
        shift_last=len(model.config.shifted_blocks),
        passes=None,
        validations=3,
    )
    dataset = replace(_scenes(options), name="reelworld-pixels")
    made = Benchmark(
        TrainingData(dataset, source, {}), recipe, partial(_on_from, name=DRAWN), start=_told(model)
    )
    return _shrunk(options.debug, made)


def everyday_tokens(options: BenchmarkOptions) -> Benchmark:
    """Real videos: the bundled model `everyday` trains on, on saved tokens of key frames of
    MSR-VTT and with a frozen text backbone, whose states of every text are computed once.

    What trains: projections, patch choice, head, prompts. A training video has one caption. A
    folder belongs to one bundled model: its fingerprint is part of the data set's name.
    """
    if options.features is None or options.annotations is None:
        raise DataError(
            "the benchmark everyday-tokens needs --features (tokens of `finereel data tokens`) and "
            "--annotations (MSRVTT with split.json)"
        )
    model, data = load(EVERYDAY), everyday.load_frames(options.annotations)
    assert isinstance(model.encoder, DualEncoder)
    store = FeatureStore(options.features, backbone=_told(model))
    captions = {"train": 1, "val": 2, "test": 1}
    splits = {name: data.split(name).first_captions(count) for name, count in captions.items()}
    recipe = everyday_recipe()
    learned = ParameterGroup("encoder.*_projection", 1e-3, 0.05)
    frozen = ("encoder.vision_model", "encoder.text_model")
    optim = replace(recipe.training.optim, lr=1e-3, groups=(learned,), freeze=frozen)
    recipe = replace(
        recipe,
        name="everyday-tokens",
        model=model.config,
        training=replace(recipe.training, steps=60, optim=optim),
        pairs=PairSettings(batch_size=64, negatives=7, frame_dropout=0.5),
        closed_form=None,
        validations=1,
    )
    memory = TextMemory(
        model.encoder.text_model, options.work / f"texts-{model.fingerprint}.safetensors"
    )
    made = Benchmark(
        TrainingData(
            Dataset(f"everyday-tokens-{model.fingerprint}", splits, data.protocol), store, {}
        ),
        recipe,
        partial(_on_from, name=EVERYDAY),
        negatives_known=7,
        start=_told(model),
        attach=memory.attach,
    )
    return _shrunk(options.debug, made)


def _on_from(recipe: PairRecipe, name: str) -> RetrievalModel:
    """A bundled model to train on; read anew, for training changes its towers in place."""
    return model_on_towers(recipe, load(name))


def _told(model: RetrievalModel) -> str:
    return f"{model.name} ({model.fingerprint})"


BENCHMARKS: dict[str, Callable[[BenchmarkOptions], Benchmark]] = {
    "everyday-tokens": everyday_tokens,
    "msrvtt-features": msrvtt_features,
    "reelworld-tokens": reelworld_tokens,
    "reelworld-pixels": reelworld_pixels,
}


def open_benchmark(name: str, options: BenchmarkOptions) -> Benchmark:
    """The benchmark called `name`."""
    if name not in BENCHMARKS:
        raise unknown_name("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name](options)


def _scenes(options: BenchmarkOptions) -> Dataset:
    """Drawn scenes with their twins."""
    sizes = (
        {"train": 8, "val": 2, "test": 2}
        if options.debug
        else {"train": 600, "val": 50, "test": 100}
    )
    return worlds.virtual(sizes, with_twins=True)


@writes("folder")
def _vocabulary(train: Split, folder: Path) -> Tokenizer:
    """4000 tokens learned from the training captions, once."""
    if not (folder / "tokenizer.json").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(folder, keep_existing=True) as fresh:
            train_tokenizer([caption.text for caption in train.captions], 4000).save(fresh)
    return Tokenizer.load(folder)


def _real_captions(options: BenchmarkOptions) -> tuple[str, ...]:
    if options.annotations is None:
        return ()
    return tuple(
        caption.text for caption in msrvtt.load(options.annotations).split("test").captions
    )


def _training(steps: int, lr: float) -> TrainingSettings:
    optim = OptimSettings(lr=lr, tower_lr=lr, weight_decay=0.1)
    return TrainingSettings(steps=steps, optim=optim, perturbation=Perturbation(samples=16))


def _on_tokens(
    max_words: int, warm_up: WarmUp, steps: int, batch_size: int, dropout: float
) -> PairRecipe:
    """Towers of each seed's own, then a head on top of them; dropout: the share of words and frames
    left out.
    """
    return PairRecipe(
        name="tokens",
        data="msrvtt",
        model=ModelConfig(max_words=max_words, shifted_blocks=(), temporal_layers=1),
        training=_training(steps, 1e-3),
        pairs=PairSettings(batch_size=batch_size, word_dropout=dropout, frame_dropout=dropout),
        start="tokens",
        warm_up=warm_up,
        passes=None,
        validations=4,
    )


def _of_tokens(
    dataset: Dataset, store: FeatureStore, tokenizer: BaseTokenizer, recipe: PairRecipe
) -> Benchmark:
    recipe = replace(
        recipe, name=dataset.name, model=replace(recipe.model, max_frames=store.num_frames)
    )
    make = partial(
        token_model, geometry=token_geometry(recipe, store, tokenizer), tokenizer=tokenizer
    )
    return Benchmark(TrainingData(dataset, store, {}), recipe, make)


def _shrunk(debug: bool, made: Benchmark) -> Benchmark:
    """The same benchmark with a handful of videos and steps."""
    if not debug:
        return made
    few = {
        name: split.only(split.videos[:40]).first_captions(1)
        for name, split in made.dataset.splits.items()
    }
    recipe = replace(
        made.recipe,
        training=replace(made.recipe.training, steps=2),
        pairs=replace(made.recipe.pairs, batch_size=8),
        warm_up=made.recipe.warm_up and WarmUp(steps=2, batch_size=8, lr=1e-3),
        validations=1,
    )
    return replace(
        made, data=replace(made.data, dataset=replace(made.dataset, splits=few)), recipe=recipe
    )
