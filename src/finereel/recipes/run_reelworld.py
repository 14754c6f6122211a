"""Carry out a recipe on ReelWorld: learn the vocabulary, build the model, train its stages in
order.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from finereel.config import ModelConfig
from finereel.data import reelworld as worlds
from finereel.errors import ConfigError
from finereel.evaluation.reelworld import World, WorldResult, evaluate_world, make_world
from finereel.evaluation.retrieval import EvaluationSettings
from finereel.models.encoders.clip import ClipEncoder, clip_from_config
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.recipes.base import WorldRecipe
from finereel.recipes.events import FinishedRun, OnEvent, StageProgress, silent
from finereel.recipes.finish import Conclusion, conclude
from finereel.reelworld import captions, sample_scene, short_captions, twins
from finereel.reelworld.batches import SceneBatch, make_batch
from finereel.text import BaseTokenizer, train_tokenizer
from finereel.training.batch import Batch, CandidateCaptions
from finereel.training.distributed import Shard, anywhere
from finereel.training.fine import candidates
from finereel.training.health import Validation
from finereel.training.prefetch import prefetched
from finereel.training.trainer import Progress, train

_VALIDATION_SEED = 1
ALONE = Shard(0, 1)
SceneBatchAt = Callable[[int], SceneBatch]


def with_weights(model: RetrievalModel, weights: dict[str, float]) -> RetrievalModel:
    """The same model scoring other granularities: what both have is kept, what is new
    starts fresh.
    """
    return _with_config(model, replace(model.config, weights=weights))


def with_frames(model: RetrievalModel, frames: int) -> RetrievalModel:
    """The same model for clips of fewer frames. Clips that have no more score as before: padding
    never counts, so matrices over frames and patches keep what belongs to the first ones.

    Raises:
        ConfigError: If there would be more frames, about which the model has learned nothing.
    """
    if not 1 <= frames <= model.num_frames:
        raise ConfigError(f"expected 1 to {model.num_frames} frames per clip, got {frames}")
    return _with_config(model, replace(model.config, max_frames=frames))


def _with_config(model: RetrievalModel, config: ModelConfig) -> RetrievalModel:
    changed = RetrievalModel(model.encoder, config, model.tokenizer, model.name, model.card)
    known = changed.state_dict()
    kept = {
        name: tensor[tuple(slice(side) for side in known[name].shape)]
        for name, tensor in model.state_dict().items()
        if name in known
    }
    changed.load_state_dict({**known, **kept})
    return changed


def build(recipe: WorldRecipe) -> RetrievalModel:
    """An untrained model of a recipe, its vocabulary learned from ReelWorld's training captions."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(_vocabulary(recipe.vocabulary_scenes), recipe.vocab_size)
    clip = clip_from_config(recipe.geometry(tokenizer.vocab_size))
    encoder = ClipEncoder(clip, recipe.model.shifted_blocks, recipe.model.mask_padding)
    model = RetrievalModel(encoder, recipe.model, tokenizer, recipe.name, dict(recipe.card))
    model.start_from_towers()
    return model


def run_world(
    recipe: WorldRecipe, out: Path, shard: Shard = ALONE, on_event: OnEvent = silent
) -> FinishedRun | None:
    """Train every stage from the best of the one before; the last stage's best is measured and
    saved in `out/model`.

    None in a process that is not the first.
    """
    model = build(recipe)
    for number, stage in enumerate(recipe.stages, start=1):
        model = with_weights(model, stage.weights or recipe.model.weights)
        folder = out / f"stage-{number}"
        world = make_world(
            "val",
            recipe.validation_scenes,
            _VALIDATION_SEED,
            stage.batches.num_frames,
            stage.batches.image_size,
        )
        validator = _WorldValidator(world)
        with prefetched(partial(make_batch, stage.batches)) as scenes_at:

            def batch_at(
                step: int,
                made: SceneBatchAt = scenes_at,
                tokenizer: BaseTokenizer | None = model.tokenizer,
            ) -> Batch:
                return to_batch(own_rows(made(step), shard), tokenizer, recipe.model.max_words)

            report = partial(_report, on_event, number, len(recipe.stages), validator)
            train(model, batch_at, validator, stage.training, folder, report)
        anywhere(False, shard)  # until the first process has saved its best
        model = load(folder / "best")
    if not shard.first:
        return None
    conclusion = Conclusion(
        name=recipe.name,
        data=worlds.virtual({"test": recipe.test_scenes}),
        source=worlds.WorldSource(recipe.stages[-1].batches.image_size, model.num_frames),
        validator=validator,
        seed=recipe.stages[-1].training.seed,
        card=recipe.card,
    )
    return conclude(folder / "best", out, conclusion, on_event)


def own_rows(scenes: SceneBatch, shard: Shard) -> SceneBatch:
    """This process's rows of a batch; a rest that does not divide evenly is left out."""
    rows = shard.rows(len(scenes.captions) // shard.world * shard.world)
    return SceneBatch(
        scenes.pixels[rows],
        scenes.captions[rows],
        scenes.video_factors[rows],
        scenes.text_factors[rows],
        scenes.negatives[rows],
    )


def _report(
    on_step: OnEvent, stage: int, stages: int, validator: "_WorldValidator", progress: Progress
) -> None:
    on_step(StageProgress(stage, stages, progress, validator.take()))


class _WorldValidator:
    """Validation score for selection: mean of text-to-video R@1 and twin accuracy; keeps the whole
    result once.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._latest: WorldResult | None = None

    def __call__(self, model: RetrievalModel) -> Validation:
        self._latest = evaluate_world(model, self.world, EvaluationSettings(confidence=None))
        retrieval = self._latest.retrieval.text_to_video["fused"].metrics.r1
        twin = self._latest.twins["all"].text.percent
        return Validation((retrieval + twin) / 2, {"text_to_video R@1": retrieval, "twins": twin})

    def take(self) -> WorldResult | None:
        latest, self._latest = self._latest, None
        return latest


def to_batch(scenes: SceneBatch, tokenizer: BaseTokenizer | None, max_words: int) -> Batch:
    """Arrays and captions of a rendered batch as the trainer's tensors; texts are cut to the
    longest of them.
    """
    if tokenizer is None:
        raise ValueError("training on captions needs a model with a tokenizer")
    tokens = tokenizer.encode(scenes.captions, max_words)
    longest = int(tokens.mask.sum(1).max())
    return Batch(
        frames=torch.from_numpy(scenes.pixels),
        frame_mask=torch.ones(scenes.pixels.shape[:2], dtype=torch.bool),
        input_ids=torch.from_numpy(tokens.ids[:, :longest]),
        text_mask=torch.from_numpy(tokens.mask[:, :longest]),
        video_factors=torch.from_numpy(scenes.video_factors),
        text_factors=torch.from_numpy(scenes.text_factors),
        candidates=_candidates(scenes, tokenizer, max_words),
    )


def _candidates(
    scenes: SceneBatch, tokenizer: BaseTokenizer, max_words: int
) -> CandidateCaptions | None:
    """The captions with their false ones, None where none were asked for."""
    most = max(map(len, scenes.negatives), default=0)
    if not most:
        return None
    order = np.random.default_rng(0)  # they are drawn already
    return candidates(scenes.captions, scenes.negatives, most, tokenizer, max_words, order)


def _vocabulary(scenes_drawn: int) -> list[str]:
    scenes = [sample_scene(seed, "train") for seed in range(scenes_drawn)]
    texts = [text for scene in scenes for text in (*captions(scene), *short_captions(scene))]
    return texts + [twin.caption for scene in scenes for twin in twins(scene, split="train")]
