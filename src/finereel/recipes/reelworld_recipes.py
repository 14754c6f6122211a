"""Recipes for ReelWorld from scratch: `debug` and the bundled model."""

from dataclasses import replace

from finereel.config import FineConfig, ModelConfig
from finereel.models.encoders.patches import Perturbation
from finereel.models.encoders.tiny import tiny_clip_values
from finereel.recipes.base import Stage, WorldRecipe
from finereel.reelworld.batches import FACTOR_SIZES, SceneBatches
from finereel.reelworld.vocabulary import VERSION
from finereel.training.optim import OptimSettings
from finereel.training.settings import TrainingSettings


def _from_scratch(lr: float) -> OptimSettings:
    return OptimSettings(lr=lr, tower_lr=lr, weight_decay=0.05, warmup=0.05)


def debug() -> WorldRecipe:
    """Two tiny stages: proves the plumbing in seconds, learns next to nothing."""
    steps = TrainingSettings(
        steps=3, optim=_from_scratch(1e-3), validate_every=3, perturbation=Perturbation(samples=4)
    )
    return WorldRecipe(
        name="debug",
        geometry=lambda vocab: tiny_clip_values(
            vocab, dim=64, image_size=48, patch_size=16, vision_blocks=2
        ),
        model=ModelConfig(max_frames=4, shifted_blocks=(1,), temporal_layers=1),
        stages=(
            Stage(SceneBatches(groups=8, twins=0, num_frames=1, image_size=48), steps),
            Stage(SceneBatches(groups=4, twins=1, num_frames=4, image_size=48), steps),
        ),
        vocab_size=700,
        vocabulary_scenes=50,
        validation_scenes=4,
        test_scenes=8,
    )


def reelworld_tiny() -> WorldRecipe:
    """The bundled model, in three stages: what and where (single frames, contrastive, then their
    factors alone, which is where shapes are learned), and how it moves (clips among their
    counterfactual twins).
    """
    frames = SceneBatches(groups=192, twins=0, num_frames=1, short_share=0.3)
    moments = SceneBatches(
        groups=64, twins=0, num_frames=1, frames_apart=3, short_share=0.1, seed=1
    )
    clips = SceneBatches(groups=20, twins=3, num_frames=12, short_share=0.1, seed=2)
    common = TrainingSettings(
        optim=_from_scratch(1e-3),
        precision="bfloat16",
        perturbation=Perturbation(samples=8),
        factor_sizes=FACTOR_SIZES,
    )
    coarse = {"video_sentence": 1.0}
    return WorldRecipe(
        name="reelworld-tiny",
        card={
            "trained": True,
            "data": f"ReelWorld v{VERSION}, split train, drawn without end",
            "knows": "drawn scenes only; for real video take a CLIP model",
            "granularities": "video_sentence, frame_sentence and patch_word were trained together "
            "and count one third "
            "each",
            "command": "finereel train --recipe reelworld-tiny --out OUT",
            "licence": "Apache-2.0",
        },
        geometry=lambda vocab: tiny_clip_values(
            vocab, dim=128, image_size=80, patch_size=16, vision_blocks=4
        ),
        model=ModelConfig(shifted_blocks=(2, 3), temporal_layers=2),
        stages=(
            Stage(
                frames, replace(common, steps=1200, validate_every=300, factor_weight=1.0), coarse
            ),
            Stage(
                moments,
                replace(
                    common,
                    steps=1000,
                    validate_every=500,
                    factor_weight=5.0,
                    contrastive_weight=0.0,
                ),
                coarse,
            ),
            Stage(clips, replace(common, steps=800, validate_every=100, factor_weight=4.0)),
        ),
    )


def with_negatives(recipe: WorldRecipe, count: int = 15) -> WorldRecipe:
    """The recipe with `count` false captions beside every caption of its last stage, and one visual
    prompt that reads them with a head of its own (Chen et al. 2024): words and phrases of the
    training side alone.
    """
    *earlier, last = recipe.stages
    last = replace(last, batches=replace(last.batches, negatives=count))
    knows = {
        "fine": "a visual prompt scores fine-grained candidates, trained on false captions of the "
        "training side"
    }
    return replace(
        recipe,
        name=f"{recipe.name}-fine",
        model=replace(recipe.model, fine=FineConfig(visual_prompts=1)),
        stages=(*earlier, last),
        card={**recipe.card, **knows},
    )


def debug_fine() -> WorldRecipe:
    """`debug` with a visual prompt and false captions."""
    return with_negatives(debug(), 3)


def reelworld_fine() -> WorldRecipe:
    """The bundled model with a visual prompt, its last stage among false captions as well."""
    made = with_negatives(reelworld_tiny())
    return replace(
        made,
        name="reelworld-fine",
        card={**made.card, "command": "finereel train --recipe reelworld-fine"},
    )
