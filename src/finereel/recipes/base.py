"""The type of a recipe: every number and choice of a training run, but no paths."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from finereel.config import ModelConfig
from finereel.errors import ConfigError
from finereel.models.hub import CLIP
from finereel.reelworld.batches import SceneBatches
from finereel.training.closed_form import ClosedForm
from finereel.training.pairs import PairSettings
from finereel.training.settings import TrainingSettings


@dataclass(frozen=True)
class Stage:
    """One stretch of training: what it looks at, how it learns, which granularities it scores
    (None: the model's).
    """

    batches: SceneBatches
    training: TrainingSettings
    weights: dict[str, float] | None = None


@dataclass(frozen=True)
class WorldRecipe:
    """A model from scratch on ReelWorld: geometry, settings, stages in order, the captions its
    vocabulary is learned from, and the sizes of the world it is chosen on and of the one that is
    measured at the end.
    """

    name: str
    geometry: Callable[[int], dict[str, Any]]
    model: ModelConfig
    stages: tuple[Stage, ...]
    vocab_size: int = 1000
    vocabulary_scenes: int = 2000
    validation_scenes: int = 100
    test_scenes: int = 200
    card: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HoldOut:
    """How many training videos to hold out for a split that a data set lacks.

    Attributes:
        share: Share of the training videos.
        most: Maximum number of videos.
        seed: Random seed of the choice.
    """

    share: float = 0.05
    most: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.most < 1:
            raise ConfigError(
                f"expected 0 < share < 1 and most >= 1, got {self.share} and {self.most}"
            )


@dataclass(frozen=True)
class TokenTowers:
    """Sizes of a model on precomputed tokens.

    See `finereel.models.encoders.features.FeatureGeometry`.

    Attributes:
        vocab_size: Size of the tokenizer's vocabulary.
        vocabulary_captions: Maximum number of training captions the tokenizer is trained on,
            sampled evenly.
    """

    dim: int = 128
    hidden: int = 0
    dropout: float = 0.2
    patch_dropout: float = 0.5
    text_width: int = 128
    text_blocks: int = 2
    vocab_size: int = 4000
    vocabulary_captions: int = 20_000


@dataclass(frozen=True)
class WarmUp:
    """Train the towers first with the simplest head: one vector per text, the mean of the frames.

    The recipe's own head then starts from these towers.

    Attributes:
        steps: Number of steps.
        batch_size: Pairs in a batch, or as many as the data allow.
        lr: Learning rate.
    """

    steps: int
    batch_size: int
    lr: float


@dataclass(frozen=True)
class PairRecipe:
    """A model trained on the (caption, clip) pairs of a data set.

    data: a key of `finereel.data.DATASETS`. start: `model` trains a pretrained model on pixels,
    `tokens` a small model on precomputed tokens. towers: the model that `model` starts from where
    none is named. model: settings of everything behind the towers.
    shift_last: with CLIP's towers, the token shift is in so many last blocks, whatever the tower's depth.
    passes: over all captions; None where `training.steps` counts. validations: how many, evenly
    over the run. hold_out: for splits the data set lacks.
    most_missing: the largest share of videos that may be unreadable. `training.validate_every` and
    `pairs.max_words` follow from the others. closed_form: how `tokens` and the projections of two
    backbones start; warm_up: how `tokens` go on from there.
    """

    name: str
    data: str
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    pairs: PairSettings = field(default_factory=PairSettings)
    start: Literal["model", "tokens"] = "model"
    towers: str = CLIP
    shift_last: int = 2
    tokens: TokenTowers = field(default_factory=TokenTowers)
    closed_form: ClosedForm | None = None
    warm_up: WarmUp | None = None
    passes: float | None = 5.0
    validations: int = 10
    hold_out: HoldOut = field(default_factory=HoldOut)
    most_missing: float = 0.05
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.passes is not None and not self.passes > 0:
            raise ConfigError(f"passes must be positive, got {self.passes}")
        if self.validations < 1 or not 0 <= self.most_missing <= 1:
            raise ConfigError(
                f"expected validations >= 1 and 0 <= most_missing <= 1, got {self.validations} and "
                f"{self.most_missing}"
            )


Recipe = WorldRecipe | PairRecipe
