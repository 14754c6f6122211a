"""Carry out a recipe on a data set: splits and clips, model, training, selection."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from finereel.config import ModelConfig
from finereel.data.base import ClipSource, FewerFrames, Split
from finereel.data.features import FeatureStore
from finereel.data.sources import SourceOptions, open_source
from finereel.errors import ConfigError, ModelError, TrainingError
from finereel.evaluation.gallery import score_split
from finereel.evaluation.normalizing import HELD_OUT
from finereel.evaluation.retrieval import EvaluationSettings, evaluate_scores
from finereel.io.atomic import replace_folder, storage_errors
from finereel.models.choice import require_here
from finereel.models.encoders import Encoder
from finereel.models.encoders.clip import ClipEncoder
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.heads import head_config
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.recipes.base import PairRecipe, WarmUp
from finereel.recipes.events import FinishedRun, Note, OnEvent, RunOptions, StageProgress, Working
from finereel.recipes.finish import Conclusion, conclude
from finereel.recipes.splits import TrainingData, prepare
from finereel.text import BaseTokenizer, train_tokenizer
from finereel.training.closed_form import ClosedForm, fit_towers
from finereel.training.distributed import Shard, anywhere
from finereel.training.health import Validation, chance_recall
from finereel.training.pairs import PairBatches, PairSettings
from finereel.training.prefetch import prefetched
from finereel.training.settings import TrainingSettings
from finereel.training.trainer import Progress, train

OnStep = Callable[[Progress], None]
_TEXT_POSITIONS = 77
_MOST_WORKERS = 4
_KS = (1, 5, 10)
_NO_INTERVALS = EvaluationSettings(confidence=None)


def run_pairs(
    recipe: PairRecipe, out: Path, options: RunOptions, shard: Shard, on_event: OnEvent
) -> FinishedRun | None:
    """Train, read the best model by validation back, measure it once on the test split.

    None in a process that is not the first.
    """
    if recipe.start == "tokens" and options.features is None:
        raise ConfigError(
            f"recipe {recipe.name} trains on precomputed tokens: give their folder as features"
        )
    towers = (
        None if recipe.start == "tokens" else load(options.start or require_here(recipe.towers))
    )
    source = _source(recipe, towers, options, on_event)
    data = prepare(recipe, source, options, shard, on_event)
    torch.manual_seed(recipe.training.seed)
    if towers is None:
        recipe, store = _for_tokens(with_fitting_batch(recipe, data, on_event), source)
        tokenizer = vocabulary(recipe, data.dataset.split("train"))
        make = partial(
            token_model, geometry=token_geometry(recipe, store, tokenizer), tokenizer=tokenizer
        )
    else:
        make = partial(model_on_towers, towers=towers)
    validator = RetrievalValidator(data.dataset.split("val"), source)
    device = device_of(options.device)
    workers = workers_for(options.workers, source, device)
    phase = TrainingPhase(recipe, data, validator, make, device, workers)
    train_recipe(phase, out, shard, on_event)
    if not shard.first:
        return None
    conclusion = Conclusion(
        name=recipe.name,
        data=data.dataset,
        source=source,
        validator=validator,
        seed=recipe.training.seed,
        device=phase.device,
        card=_card(recipe, data.dataset.split("train"), validator.split),
    )
    return conclude(out / "best", out, conclusion, on_event)


def train_recipe(
    phase: "TrainingPhase", out: Path, shard: Shard, on_event: OnEvent
) -> RetrievalModel:
    """Start the towers as the recipe says, train, and read the best model by validation back from
    `out/best`.
    """
    recipe, stages = phase.recipe, 2 if phase.recipe.warm_up else 1
    model = phase.make(recipe)
    if recipe.closed_form:
        start_in_closed_form(model, recipe.closed_form, phase.data, out / "closed-form", on_event)
    if recipe.warm_up:
        start_from(
            model,
            train_towers(phase, model, out / "warm-up", shard, _reporting(1, stages, on_event)),
        )
    return phase.train(model, out, shard, _reporting(stages, stages, on_event))


def train_towers(
    phase: "TrainingPhase", model: RetrievalModel, out: Path, shard: Shard, on_step: OnStep
) -> RetrievalModel:
    """The recipe's warm-up: the towers of `model`, trained with the simplest head there is, without
    negatives.
    """
    assert phase.recipe.warm_up is not None
    coarse = replace(phase.data, negatives=None)
    first = replace(phase, recipe=warming(phase.recipe, phase.recipe.warm_up, coarse), data=coarse)
    warm = first.make(first.recipe)
    start_from(warm, model)
    return first.train(warm, out, shard, on_step)


def _reporting(stage: int, stages: int, on_event: OnEvent) -> OnStep:
    return lambda progress: on_event(StageProgress(stage, stages, progress))


@dataclass(frozen=True)
class TrainingPhase:
    """A recipe and what it is carried out with: the one trainer of commands and experiments.

    Attributes:
        recipe: Every number of the training.
        data: Splits, clips and negatives.
        validator: Gives the selection score of a model.
        make: Makes the untrained model of a recipe.
        device: Where the model trains.
        workers: Processes that prepare batches ahead; 0 for none.
    """

    recipe: PairRecipe
    data: TrainingData
    validator: Callable[[RetrievalModel], Validation]
    make: Callable[[PairRecipe], RetrievalModel]
    device: str = "cpu"
    workers: int = 0

    def train(
        self, model: RetrievalModel, out: Path, shard: Shard, on_step: OnStep
    ) -> RetrievalModel:
        """Train in the folder `out`, or go on there; the best model, read back from its files."""
        pairs = _pairs(
            replace(self.recipe.pairs, rank=shard.rank, world=shard.world), self.data, model
        )
        settings = training_settings(self.recipe, self.data, model)
        with prefetched(pairs.batch_at, self.workers) as batch_at:
            train(model.to(self.device), batch_at, self.validator, settings, out, on_step)
        anywhere(False, shard)  # until the first process has saved its best
        best = load(out / "best")
        best.name = self.recipe.name
        return best


def warming(recipe: PairRecipe, warm_up: WarmUp, data: TrainingData) -> PairRecipe:
    """The recipe that `warm_up` makes of a recipe; its towers start as they are."""
    optim = replace(recipe.training.optim, lr=warm_up.lr, tower_lr=warm_up.lr)
    videos = len(data.dataset.split("train").videos)
    words, frames = recipe.model.max_words, recipe.model.max_frames
    return replace(
        recipe,
        model=head_config(
            "clip4clip", temporal="meanP", shifted_blocks=(), max_words=words, max_frames=frames
        ),
        training=replace(recipe.training, steps=warm_up.steps, optim=optim),
        pairs=replace(recipe.pairs, batch_size=max(2, min(warm_up.batch_size, videos // 2 * 2))),
        passes=None,
        closed_form=None,
        warm_up=None,
    )


def with_fitting_batch(recipe: PairRecipe, data: TrainingData, on_event: OnEvent) -> PairRecipe:
    """The recipe with batches of at most as many videos as there are, an even number."""
    most = max(2, len(data.dataset.split("train").videos) // 2 * 2)
    if recipe.pairs.unit != "videos" or recipe.pairs.batch_size <= most:
        return recipe
    on_event(
        Note(
            f"batches of {most} instead of {recipe.pairs.batch_size}: there are no more videos to "
            "train on"
        )
    )
    return replace(recipe, pairs=replace(recipe.pairs, batch_size=most))


def start_in_closed_form(
    model: RetrievalModel, settings: ClosedForm, data: TrainingData, folder: Path, on_event: OnEvent
) -> None:
    """Towers in closed form, computed once: a resumed run reads them back and starts from the very
    same numbers.

    Where the captions have too few common words for it, the towers stay random and whoever watches
    is told.
    """
    if not folder.is_dir():
        try:
            fit_towers(
                model,
                data.dataset.split("train"),
                data.source,
                settings,
                lambda what, done, total: on_event(Working(what, done, total)),
            )
        except TrainingError as error:
            on_event(Note(f"{error}; this run starts from random towers"))
            return
        # Where another process of this run is first, its towers count.
        with storage_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with replace_folder(folder, keep_existing=True) as fresh:
                save(model, fresh)
    start_from(model, load(folder))


def start_from(model: RetrievalModel, towers: RetrievalModel) -> None:
    """Take over the towers of another model of the same sizes."""
    model.encoder.load_state_dict(towers.encoder.state_dict())
    model.start_from_towers()


def workers_for(asked: int | None, source: ClipSource, device: str) -> int:
    """How many processes prepare batches ahead, where nobody says: up to four where a GPU would
    wait. On a processor reading a batch takes 1 % of a step (`research/benchmarks/waiting.py`), and
    precomputed tokens would be held in memory by every process: none there.
    """
    if asked is not None:
        return asked
    if device == "cpu" or source.description["source"] == "features":
        return 0
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) - 1))


def device_of(name: str) -> str:
    """`auto` is CUDA where there is one. ConfigError for a device that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used ({error}): expected auto, cpu or cuda"
        ) from error
    return name


def _source(
    recipe: PairRecipe, towers: RetrievalModel | None, options: RunOptions, on_event: OnEvent
) -> ClipSource:
    encoder = None if towers is None or not towers.encoder.takes_pixels else towers.encoder
    wanted = SourceOptions(
        annotations=options.annotations,
        videos=options.videos,
        features=options.features,
        cache=options.cache,
        num_frames=recipe.model.max_frames,
        image_size=224 if encoder is None else encoder.image_size,
        preprocessing=None if encoder is None else encoder.preprocessing,
    )
    return open_source(
        recipe.data, wanted, lambda what, done, total: on_event(Working(what, done, total))
    )


def _pairs(settings: PairSettings, data: TrainingData, model: RetrievalModel) -> PairBatches:
    if model.tokenizer is None:
        raise ModelError(
            f"model {model.name} has no tokenizer: put its tokenizer.json beside its weights"
        )
    settings = replace(settings, max_words=model.config.max_words)
    return PairBatches(
        data.dataset.split("train"), data.source, model.tokenizer, settings, data.negatives
    )


def training_settings(
    recipe: PairRecipe, data: TrainingData, model: RetrievalModel
) -> TrainingSettings:
    """The recipe's, with steps and validations counted out, and what the run must be
    recognised by.
    """
    captions = len(data.dataset.split("train").captions)
    steps = recipe.training.steps
    if recipe.passes is not None:
        steps = max(1, round(recipe.passes * captions / recipe.pairs.batch_size))
    every = max(1, steps // recipe.validations)
    started = f"{data.identity} {model.fingerprint} {recipe.pairs.batch_size} {recipe.pairs.unit}"
    return replace(recipe.training, steps=steps, validate_every=every, data=started)


def model_on_towers(recipe: PairRecipe, towers: RetrievalModel) -> RetrievalModel:
    """Build the recipe's model on another model's towers and copy every other weight that fits.

    Raises:
        ModelError: If the other model takes precomputed tokens only.
        ConfigError: If the settings need larger towers.
    """
    if not towers.encoder.takes_pixels:
        raise ModelError(
            f"recipe {recipe.name} starts from towers that take pictures, {towers.name} takes "
            "precomputed tokens"
        )
    config, encoder = _config_for(recipe, towers.encoder), towers.encoder
    if isinstance(encoder, ClipEncoder):
        encoder = type(encoder)(
            encoder.clip, config.shifted_blocks, config.mask_padding, encoder.stated
        )
    model = RetrievalModel(
        encoder, config, towers.tokenizer, recipe.name, seed=recipe.training.seed
    )
    model.start_from_towers()
    copy_fitting(model, towers)
    return model


def copy_fitting(model: RetrievalModel, start: RetrievalModel) -> None:
    """Copy every weight whose name and shape match.

    The fine-grained head starts as a copy of the main head; everything else keeps its
    initialisation.
    """
    own, held = model.state_dict(), start.state_dict()
    origin = {
        name: name.removeprefix("fine_") if name.startswith("fine_head.") else name for name in own
    }
    found = {name: held.get(name, held.get(origin[name])) for name in own}
    fitting = {
        name: tensor
        for name, tensor in found.items()
        if tensor is not None and tensor.shape == own[name].shape
    }
    model.load_state_dict({**own, **fitting})


def _config_for(recipe: PairRecipe, towers: Encoder) -> ModelConfig:
    if recipe.model.max_words > towers.max_words:
        raise ConfigError(
            f"the text tower reads {towers.max_words} words at most, the recipe wants "
            f"{recipe.model.max_words}: set "
            f"max_words={towers.max_words}"
        )
    blocks = len(towers.clip.vision_model.encoder.layers) if isinstance(towers, ClipEncoder) else 0
    return replace(
        recipe.model, shifted_blocks=tuple(range(max(0, blocks - recipe.shift_last), blocks))
    )


def token_model(
    recipe: PairRecipe, geometry: FeatureGeometry, tokenizer: BaseTokenizer
) -> RetrievalModel:
    """A model from scratch on precomputed tokens."""
    model = RetrievalModel(
        FeatureEncoder(geometry), recipe.model, tokenizer, recipe.name, seed=recipe.training.seed
    )
    model.start_from_towers()
    return model


def token_geometry(
    recipe: PairRecipe, store: FeatureStore, tokenizer: BaseTokenizer
) -> FeatureGeometry:
    """The geometry of a model from scratch for the tokens in a features folder."""
    sizes = recipe.tokens
    return FeatureGeometry(
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


def _for_tokens(recipe: PairRecipe, source: ClipSource) -> tuple[PairRecipe, FeatureStore]:
    """The recipe with no more frames than the tokens have, and the folder that holds them."""
    store = source.source if isinstance(source, FewerFrames) else source
    if not isinstance(store, FeatureStore):
        raise ConfigError(
            f"recipe {recipe.name} trains on precomputed tokens: give their folder as features"
        )
    frames = min(recipe.model.max_frames, store.num_frames)
    return replace(recipe, model=replace(recipe.model, max_frames=frames, shifted_blocks=())), store


def vocabulary(recipe: PairRecipe, split: Split) -> BaseTokenizer:
    """A tokenizer learned from the captions of a split, as many as the recipe wants."""
    step = max(1, len(split.captions) // recipe.tokens.vocabulary_captions)
    return train_tokenizer(
        [caption.text for caption in split.captions[::step]], recipe.tokens.vocab_size
    )


def _card(recipe: PairRecipe, train_split: Split, val: Split) -> dict[str, object]:
    return {
        **recipe.card,
        "trained": True,
        "data": f"{recipe.data}, {len(train_split.captions)} captions of {len(train_split.videos)} "
        "videos "
        f"({train_split.hash})",
        "chosen": f"on {len(val.captions)} captions of {len(val.videos)} videos ({val.hash})",
        HELD_OUT: {"data": recipe.data, "videos": list(val.videos)},
        "recipe": recipe.name,
        "seed": recipe.training.seed,
    }


@dataclass(frozen=True)
class RetrievalValidator:
    """Selection score on the validation split: the mean of R@1, R@5 and R@10 over both
    directions.
    """

    split: Split
    source: ClipSource

    def __call__(self, model: RetrievalModel) -> Validation:
        scored = score_split(model, self.split, self.source)
        found = evaluate_scores(scored.scores, scored.relation, _NO_INTERVALS)
        metrics = {
            f"{way} R@{k}": getattr(rows["fused"].metrics, f"r{k}")
            for way, rows in (
                ("text_to_video", found.text_to_video),
                ("video_to_text", found.video_to_text),
            )
            for k in _KS
        }
        return Validation(sum(metrics.values()) / len(metrics), metrics, self._chance())

    def _chance(self) -> float:
        gallery = len({caption.video_id for caption in self.split.captions})
        queries = len(self.split.captions)
        texts = [chance_recall(len(self.split.videos), k, queries) for k in _KS]
        videos = [chance_recall(gallery, k, gallery) for k in _KS]
        return sum(texts + videos) / (2 * len(_KS))
