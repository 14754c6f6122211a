"""A training run of milliseconds a step that several tests share: settings, batches and
validations, all seeded.
"""

from collections.abc import Callable, Mapping

import torch

from finereel.models.encoders.patches import Perturbation
from finereel.models.retrieval import RetrievalModel
from finereel.training.batch import Batch
from finereel.training.health import Validation
from finereel.training.optim import OptimSettings
from finereel.training.settings import TrainingSettings
from tiny_models import FRAMES, IMAGE, WORDS

SETTINGS = TrainingSettings(
    steps=6,
    optim=OptimSettings(lr=1e-3, tower_lr=1e-3, warmup=0.2),
    perturbation=Perturbation(samples=4),
    factor_weight=0.5,
    factor_sizes=(3,),
    validate_every=2,
)


def batch_at(step: int, size: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(1, 500, (size, WORDS), generator=generator)
    ids[:, -1] = 529
    labels = torch.randint(-1, 3, (size, 1), generator=generator)
    return Batch(
        torch.randint(
            0, 256, (size, FRAMES, IMAGE, IMAGE, 3), generator=generator, dtype=torch.uint8
        ),
        torch.ones(size, FRAMES, dtype=torch.bool),
        ids,
        torch.ones(size, WORDS, dtype=torch.bool),
        labels,
        labels,
    )


def scores(*values: float) -> Callable[[RetrievalModel], Validation]:
    """A validation that gives these scores one after the other; the last one again and again."""
    calls = iter(values)
    return lambda model: Validation(next(calls, values[-1]))


def rising() -> Callable[[RetrievalModel], Validation]:
    return scores(*(float(number) for number in range(100)))


@torch.no_grad()
def loss_on_step_99(model: RetrievalModel) -> Validation:
    """A validation that depends on the weights alone."""
    model.eval()
    batch = batch_at(99)
    text = model.text_features(batch.input_ids, batch.text_mask)
    video = model.video_features(model.encoder.to_input(batch.frames), batch.frame_mask)
    fused = model.score(text, video).fused
    return Validation(
        float(fused.diagonal().mean() - fused.mean()), {"largest": fused.max().item()}
    )


def weights(model: RetrievalModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return set(one) == set(other) and all(
        torch.equal(tensor, other[name]) for name, tensor in one.items()
    )
