"""Carry out a recipe on pairs of a data set: splits and clips, the model, the loop, the best model."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from finereel.alignment import head_config
from finereel.config import ModelConfig
from finereel.datasets.base import ClipSource, Split
from finereel.datasets.features import FeatureStore
from finereel.encoders.clip import ClipEncoder
from finereel.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.errors import ConfigError, ModelError, TrainingError
from finereel.evaluation.gallery import score_split
from finereel.evaluation.retrieval import EvaluationSettings, evaluate_scores
from finereel.model import DEFAULT_MODEL, RetrievalModel, load
from finereel.recipes.base import PairRecipe, WarmUp
from finereel.run.conclusion import Conclusion, conclude
from finereel.run.data import Material, prepare
from finereel.run.events import Note, OnEvent, Outcome, RunOptions, StageProgress, Working
from finereel.sources import SourceOptions, open_source
from finereel.text import Tokenizer, train_tokenizer
from finereel.training.closed_form import ClosedForm, fit_towers
from finereel.training.distributed import Shard, anywhere
from finereel.training.health import Validation, chance_recall
from finereel.training.pairs import PairBatches, PairSettings
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import Progress, train

_TEXT_POSITIONS = 77
_KS = (1, 5, 10)
_NO_INTERVALS = EvaluationSettings(confidence=None)


def run_pairs(recipe: PairRecipe, out: Path, options: RunOptions, shard: Shard, on_event: OnEvent) -> Outcome | None:
    """Train, read the best model by validation back, measure it once on the test split.

    None in a process that is not the first.
    """
    if recipe.start == "tokens" and options.features is None:
        raise ConfigError(f"recipe {recipe.name} trains on precomputed tokens: give their folder as features")
    towers = None if recipe.start == "tokens" else load(options.start or DEFAULT_MODEL)
    source = _source(recipe, towers, options, on_event)
    material = prepare(recipe, source, options, shard, on_event)
    device, judge = device_of(options.device), Judge(material.data.split("val"), source)
    stages = 2 if recipe.warm_up else 1
    torch.manual_seed(recipe.training.seed)
    if towers is not None:
        model = clip_model(recipe, towers)
    else:
        recipe = with_fitting_batch(recipe, material, on_event)
        words = vocabulary(recipe, material.data.split("train"))
        model = token_model(recipe, material, words)
        if recipe.closed_form:
            start_in_closed_form(model, recipe.closed_form, material, out / "closed-form", on_event)
        if recipe.warm_up:
            coarse = replace(material, negatives=None)
            first = Stretch(warming(recipe, recipe.warm_up, material), coarse, judge, out / "warm-up", device)
            warm = token_model(recipe, material, words, first.recipe.model)
            start_from(warm, model)
            start_from(model, first.train(warm, shard, _reporting(1, stages, on_event)))
    main = Stretch(recipe, material, judge, out, device)
    main.train(model, shard, _reporting(stages, stages, on_event))
    if not shard.first:
        return None
    conclusion = Conclusion(
        name=recipe.name,
        data=material.data,
        source=source,
        judge=judge,
        seed=recipe.training.seed,
        device=device,
        card=_card(recipe, material.data.split("train"), judge.split),
    )
    return conclude(out / "best", out, conclusion, on_event)


def _reporting(stage: int, stages: int, on_event: OnEvent) -> Callable[[Progress], None]:
    return lambda progress: on_event(StageProgress(stage, stages, progress))


@dataclass(frozen=True)
class Stretch:
    """One training by a recipe in the folder `out`."""

    recipe: PairRecipe
    material: Material
    judge: "Judge"
    out: Path
    device: str

    def train(self, model: RetrievalModel, shard: Shard, on_step: Callable[[Progress], None]) -> RetrievalModel:
        """Train, or go on; the best model, read back from its files."""
        pairs = _pairs(replace(self.recipe.pairs, rank=shard.rank, world=shard.world), self.material, model)
        settings = training_settings(self.recipe, self.material, model)
        train(model.to(self.device), pairs.batch_at, self.judge, settings, self.out, on_step)
        anywhere(False, shard)  # until the first process has saved its best
        return load(self.out / "best")


def warming(recipe: PairRecipe, warm_up: WarmUp, material: Material) -> PairRecipe:
    """The recipe that `warm_up` makes of a recipe; its towers start as they are."""
    optim = replace(recipe.training.optim, lr=warm_up.lr, tower_lr=warm_up.lr)
    videos = len(material.data.split("train").videos)
    return replace(
        recipe,
        model=head_config("clip4clip", temporal="meanP", max_words=recipe.model.max_words),
        training=replace(recipe.training, steps=warm_up.steps, optim=optim),
        pairs=replace(recipe.pairs, batch_size=max(2, min(warm_up.batch_size, videos // 2 * 2))),
        passes=None,
        closed_form=None,
        warm_up=None,
    )


def with_fitting_batch(recipe: PairRecipe, material: Material, on_event: OnEvent) -> PairRecipe:
    """The recipe with batches of at most as many videos as there are, an even number."""
    most = max(2, len(material.data.split("train").videos) // 2 * 2)
    if recipe.pairs.unit != "videos" or recipe.pairs.batch_size <= most:
        return recipe
    on_event(Note(f"batches of {most} instead of {recipe.pairs.batch_size}: there are no more videos to train on"))
    return replace(recipe, pairs=replace(recipe.pairs, batch_size=most))


def start_in_closed_form(
    model: RetrievalModel, settings: ClosedForm, material: Material, folder: Path, on_event: OnEvent
) -> None:
    """Towers in closed form, computed once: a resumed run reads them back and starts from the very same numbers.

    Where the captions have too few common words for it, the towers stay random and whoever watches is told.
    """
    if not folder.is_dir():
        try:
            fit_towers(
                model,
                material.data.split("train"),
                material.source,
                settings,
                lambda done, total: on_event(Working("closed form", done, total)),
            )
        except TrainingError as error:
            on_event(Note(f"{error}; this run starts from random towers"))
            return
        unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
        model.save(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:  # another process of this run was first
            shutil.rmtree(unfinished)
    start_from(model, load(folder))


def start_from(model: RetrievalModel, towers: RetrievalModel) -> None:
    """Take over the towers of another model of the same sizes."""
    model.encoder.load_state_dict(towers.encoder.state_dict())
    model.start_from_towers()


def device_of(name: str) -> str:
    """`auto` is CUDA where there is one. ConfigError for a device that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device {name!r} cannot be used ({error}): expected auto, cpu or cuda") from error
    return name


def _source(recipe: PairRecipe, towers: RetrievalModel | None, options: RunOptions, on_event: OnEvent) -> ClipSource:
    clip = towers.encoder if towers is not None and isinstance(towers.encoder, ClipEncoder) else None
    wanted = SourceOptions(
        annotations=options.annotations,
        videos=options.videos,
        features=options.features,
        cache=options.cache,
        num_frames=recipe.model.max_frames,
        image_size=224 if clip is None else clip.image_size,
        preprocessing=None if clip is None else clip.stated.preprocessing,
    )
    return open_source(recipe.data, wanted, lambda done, total: on_event(Working("decoding", done, total)))


def _pairs(settings: PairSettings, material: Material, model: RetrievalModel) -> PairBatches:
    if model.tokenizer is None:
        raise ModelError(f"model {model.name} has no tokenizer: put its tokenizer.json beside its weights")
    settings = replace(settings, max_words=model.config.max_words)
    return PairBatches(material.data.split("train"), material.source, model.tokenizer, settings, material.negatives)


def training_settings(recipe: PairRecipe, material: Material, model: RetrievalModel) -> TrainingSettings:
    """The recipe's, with steps and validations counted out, and what the run must be recognised by."""
    captions = len(material.data.split("train").captions)
    steps = recipe.training.steps
    if recipe.passes is not None:
        steps = max(1, round(recipe.passes * captions / recipe.pairs.batch_size))
    every = max(1, steps // recipe.validations)
    started = f"{material.identity} {model.fingerprint} {recipe.pairs.batch_size} {recipe.pairs.unit}"
    return replace(recipe.training, steps=steps, validate_every=every, data=started)


def clip_model(recipe: PairRecipe, towers: RetrievalModel) -> RetrievalModel:
    """The recipe's model around the towers of another one; of what else that one has learned, what fits is kept.

    Raises ModelError for a model without CLIP towers, ConfigError for settings the towers are too small for.
    """
    if not isinstance(towers.encoder, ClipEncoder):
        raise ModelError(f"recipe {recipe.name} starts from CLIP towers, {towers.name} takes precomputed tokens")
    config = _config_for(recipe, towers.encoder)
    encoder = ClipEncoder(towers.encoder.clip, config.shifted_blocks, config.mask_padding, towers.encoder.stated)
    model = RetrievalModel(encoder, config, towers.tokenizer, recipe.name, seed=recipe.training.seed)
    model.start_from_towers()
    fresh = model.state_dict()
    fits = {
        name: tensor for name, tensor in towers.state_dict().items()
        if name in fresh and fresh[name].shape == tensor.shape
    }  # fmt: skip
    model.load_state_dict({**fresh, **fits})
    return model


def _config_for(recipe: PairRecipe, towers: ClipEncoder) -> ModelConfig:
    if recipe.model.max_words > towers.max_words:
        raise ConfigError(
            f"the text tower reads {towers.max_words} words at most, the recipe wants {recipe.model.max_words}: set "
            f"max_words={towers.max_words}"
        )
    blocks = len(towers.clip.vision_model.encoder.layers)
    return replace(recipe.model, shifted_blocks=tuple(range(max(0, blocks - recipe.shift_last), blocks)))


def token_model(
    recipe: PairRecipe, material: Material, tokenizer: Tokenizer, config: ModelConfig | None = None
) -> RetrievalModel:
    """A model from scratch for the tokens of a features folder, with the recipe's head or that of `config`."""
    store = material.source
    if not isinstance(store, FeatureStore):
        raise ConfigError(f"recipe {recipe.name} trains on precomputed tokens: give their folder as features")
    sizes = recipe.tokens
    geometry = FeatureGeometry(
        dim=sizes.dim,
        token_dim=store.token_dim,
        tokens_per_frame=1 + store.num_patches,
        vocab_size=tokenizer.vocab_size,
        backbone=store.backbone,
        hidden=sizes.hidden,
        dropout=sizes.dropout,
        patch_dropout=sizes.patch_dropout,
        text_width=sizes.text_width,
        text_blocks=sizes.text_blocks,
        text_positions=_TEXT_POSITIONS,
        bag_of_words=recipe.closed_form is not None,
    )
    config = replace(config or recipe.model, max_frames=store.num_frames, shifted_blocks=())
    model = RetrievalModel(FeatureEncoder(geometry), config, tokenizer, recipe.name, seed=recipe.training.seed)
    model.start_from_towers()
    return model


def vocabulary(recipe: PairRecipe, split: Split) -> Tokenizer:
    """A tokenizer learned from the captions of a split, as many as the recipe wants."""
    step = max(1, len(split.captions) // recipe.tokens.vocabulary_captions)
    return train_tokenizer([caption.text for caption in split.captions[::step]], recipe.tokens.vocab_size)


def _card(recipe: PairRecipe, train_split: Split, val: Split) -> dict[str, object]:
    return {
        **recipe.card,
        "trained": True,
        "data": f"{recipe.data}, {len(train_split.captions)} captions of {len(train_split.videos)} videos "
        f"({train_split.hash})",
        "chosen": f"on {len(val.captions)} captions of {len(val.videos)} videos ({val.hash})",
        "recipe": recipe.name,
        "seed": recipe.training.seed,
    }


@dataclass(frozen=True)
class Judge:
    """Selection score on the validation split: the mean of R@1, R@5 and R@10 over both directions."""

    split: Split
    source: ClipSource

    def __call__(self, model: RetrievalModel) -> Validation:
        scored = score_split(model, self.split, self.source)
        found = evaluate_scores(scored.scores, scored.relation, _NO_INTERVALS)
        metrics = {
            f"{way} R@{k}": getattr(rows["fused"].metrics, f"r{k}")
            for way, rows in (("text_to_video", found.text_to_video), ("video_to_text", found.video_to_text))
            for k in _KS
        }
        return Validation(sum(metrics.values()) / len(metrics), metrics, self._chance())

    def _chance(self) -> float:
        gallery = len({caption.video_id for caption in self.split.captions})
        queries = len(self.split.captions)
        texts = [chance_recall(len(self.split.videos), k, queries) for k in _KS]
        videos = [chance_recall(gallery, k, gallery) for k in _KS]
        return sum(texts + videos) / (2 * len(_KS))
