"""Recipes for the data sets of the papers and for your own videos.

Words, frames, batch sizes and passes are those of UCoFiA (15 passes, batch 128, 32 words, 12 frames
for MSR-VTT and VATEX), and of CLIP4Clip and X-CLIP where UCoFiA tells none: 5 passes, 64 words and
64 frames and 20 passes for paragraphs. Ours differ where the published settings are tied to float16
weights: the towers learn with 1e-6. In float16 the published 1e-7 moved them about sixty times
further than it does in float32, where it all but freezes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from finereel.config import ModelConfig
from finereel.models.choice import EVERYDAY
from finereel.models.encoders.patches import Perturbation
from finereel.recipes.base import PairRecipe, TokenTowers, WarmUp
from finereel.training.closed_form import ClosedForm
from finereel.training.optim import OptimSettings, ParameterGroup, frozen_blocks
from finereel.training.pairs import PairSettings
from finereel.training.settings import TrainingSettings


@dataclass(frozen=True)
class _Usage:
    """How the papers use a data set."""

    max_words: int = 32
    max_frames: int = 12
    passes: float = 5.0
    batch_size: int = 128


_PAPERS: dict[str, _Usage] = {
    "msrvtt": _Usage(passes=15.0),
    "msvd": _Usage(),
    "didemo": _Usage(max_words=64, max_frames=64, passes=20.0, batch_size=64),
    "activitynet": _Usage(max_words=64, max_frames=64, passes=20.0),
    "vatex": _Usage(passes=15.0),
    "lsmdc": _Usage(),
    "vln_uvo": _Usage(passes=15.0, batch_size=16),
    "vln_oops": _Usage(passes=15.0, batch_size=16),
    "folder": _Usage(),
}


def _on_clip(data: str) -> PairRecipe:
    """UCoFiA on a pretrained CLIP model, in float32, padding masked, no batch with two captions of
    one video.
    """
    usage = _PAPERS[data]
    return PairRecipe(
        name=data,
        data=data,
        model=ModelConfig(max_words=usage.max_words, max_frames=usage.max_frames),
        training=TrainingSettings(
            optim=OptimSettings(
                lr=1e-4, tower_lr=1e-6, weight_decay=0.2, warmup=0.1, freeze=frozen_blocks(0)
            )
        ),
        pairs=PairSettings(batch_size=usage.batch_size),
        passes=usage.passes,
        validations=15,
    )


def _published(data: str) -> PairRecipe:
    """As published: BertAdam and its schedule, 1e-3 of the rate for the towers, padding scored,
    every caption once a pass. The weights are float32, so the towers move less than they did in
    float16 (see the module).
    """
    ours = _on_clip(data)
    optim = replace(
        ours.training.optim, kind="bertadam", schedule="published", decay="published", tower_lr=1e-7
    )
    return replace(
        ours,
        name=f"{data}-published",
        model=replace(ours.model, mask_padding=False),
        training=replace(ours.training, optim=optim),
        pairs=replace(ours.pairs, unit="captions"),
    )


def tokens() -> PairRecipe:
    """A small model on precomputed tokens (`--features`), for people without a GPU: five to
    eleven CPU minutes.

    The numbers suit some thousands of videos with a few captions each, such as MSR-VTT. Towers from
    scratch learn such a corpus by heart: they start from the best linear match, learn little after
    it, and words, frames and patches are dropped.
    """
    return PairRecipe(
        name="features",
        data="folder",
        start="tokens",
        model=ModelConfig(max_words=24, shifted_blocks=(), temporal_layers=1),
        training=TrainingSettings(
            steps=90,
            optim=OptimSettings(lr=5e-4, tower_lr=5e-4, weight_decay=0.1),
            perturbation=Perturbation(samples=16),
        ),
        tokens=TokenTowers(vocab_size=8000),
        pairs=PairSettings(batch_size=384, word_dropout=0.3, frame_dropout=0.3),
        closed_form=ClosedForm(),
        warm_up=WarmUp(steps=60, batch_size=512, lr=2e-3),
        passes=None,
        validations=6,
    )


EVERYDAY_FRAMES = 6
"""Frames of a clip: as many as there are key frames of a video to train on, and half the time to
decode and encode of the usual 12.
"""
EVERYDAY_FROZEN = (
    "encoder.vision_model",
    "encoder.text_model.embeddings",
    "encoder.text_model.encoder.layer.[0-3]",
)


def everyday() -> PairRecipe:
    """The bundled model `everyday`: two small backbones (`finereel import dual`), matched in closed
    form, then trained together with UCoFiA's head on photos and key frames.

    The vision backbone stays frozen, so its tokens are computed once (`finereel data tokens`); of
    the text backbone the last two blocks learn. Without `--model` the run goes on from the backbones
    of the bundled model.
    """
    return PairRecipe(
        name="everyday",
        data="everyday",
        towers=EVERYDAY,
        model=ModelConfig(
            max_words=24,
            max_frames=EVERYDAY_FRAMES,
            shifted_blocks=(),
            temporal="meanP",
            patches_per_frame=4,
        ),
        training=TrainingSettings(
            steps=480,
            part_weight=0.3,
            optim=OptimSettings(
                lr=5e-4,
                tower_lr=5e-5,
                weight_decay=0.05,
                freeze=EVERYDAY_FROZEN,
                groups=(
                    ParameterGroup("encoder.*_projection", 5e-4, 0.05),
                    ParameterGroup("encoder.logit_scale", 1e-2),
                ),
            ),
            perturbation=Perturbation(samples=8),
        ),
        pairs=PairSettings(batch_size=128, word_dropout=0.1, frame_dropout=0.3),
        closed_form=ClosedForm(ridge_words=0.5, ridge_clips=1.0, power=1.0),
        passes=None,
        validations=4,
    )


PAIR_RECIPES: Mapping[str, Callable[[], PairRecipe]] = {
    "everyday": everyday,
    "features": tokens,
    **{data: partial(_on_clip, data) for data in _PAPERS},
    **{f"{data}-published": partial(_published, data) for data in _PAPERS if data != "folder"},
}
