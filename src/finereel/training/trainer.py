"""The loop: batch -> features -> the model's own scores -> loss -> step; validate, keep the best, resume anywhere."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from finereel.encoders.patches import Perturbation
from finereel.features import Scores
from finereel.model import RetrievalModel
from finereel.training.batch import Batch, without_repeated_texts
from finereel.training.checkpoint import Checkpoint
from finereel.training.factors import FactorSupervision
from finereel.training.loss import symmetric_infonce
from finereel.training.optim import OptimSettings, make_optimizer, warmup_cosine

_WHOLE_BATCH_MIB = 1 << 14  # gradients need every block anyway


@dataclass(frozen=True)
class TrainingSettings:
    """How long, how fast, how often to look.

    contrastive_weight: of the contrastive loss; 0 leaves it out, for rows that are no negatives of one another.
    part_weight: weight of the same loss on every granularity by itself, beside the fused one (0: fused only, as
    published). factor_weight: weight of factor supervision (needs factor_sizes, and batches with factors).
    perturbation: noise of the differentiable patch choice. bfloat16: autocast of the forward pass.
    """

    steps: int = 1000
    optim: OptimSettings = field(default_factory=OptimSettings)
    contrastive_weight: float = 1.0
    part_weight: float = 0.0
    perturbation: Perturbation = field(default_factory=Perturbation)
    factor_weight: float = 0.0
    factor_sizes: tuple[int, ...] = ()
    bfloat16: bool = False
    validate_every: int = 200
    max_logit_scale: float = math.log(100.0)
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """What one step did; `validation` is the selection score where the step validated, else None."""

    step: int
    steps: int
    loss: float
    grad_norm: float
    seconds: float
    validation: float | None


def train(
    model: RetrievalModel,
    batch_at: Callable[[int], Batch],
    validate: Callable[[RetrievalModel], float],
    settings: TrainingSettings,
    out: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> float:
    """Train in place, resuming from `out` if it holds a checkpoint; returns the best validation score.

    batch_at(step) must depend on the step alone, so that a resumed run sees the batches an undisturbed one would.
    The best model by `validate` (higher is better; a validation split, never test) is saved in `out/best`.
    """
    torch.manual_seed(settings.seed)
    model.set_perturbation(settings.perturbation)
    model.encoder.prepare_training()
    learner = _Learner(model, FactorSupervision(model.dim, settings.factor_sizes))
    optimizer = make_optimizer(learner, settings.optim)
    base_rates = [group["lr"] for group in optimizer.param_groups]
    checkpoint = Checkpoint(out / "checkpoint.pt")
    first, best = checkpoint.restore(learner, optimizer)
    with _no_denormals():
        for step in range(first, settings.steps):
            started = time.perf_counter()
            factor = warmup_cosine(step, settings.steps, settings.optim.warmup)
            for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = rate * factor
            loss, norm = _step(learner, optimizer, batch_at(step), settings)
            validation = None
            if (step + 1) % settings.validate_every == 0 or step + 1 == settings.steps:
                validation = validate(model)
                if validation > best:
                    best = validation
                    model.save(out / "best")
                checkpoint.save(learner, optimizer, step + 1, best)
            on_step(Progress(step + 1, settings.steps, loss, norm, time.perf_counter() - started, validation))
    return best


@contextmanager
def _no_denormals() -> Iterator[None]:
    """Sharp softmaxes leave denormals behind, and those cost a CPU ten times the time: flush them to zero meanwhile."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class _Learner(nn.Module):
    """What learns: the model, and the prototypes that only training knows."""

    def __init__(self, model: RetrievalModel, factors: FactorSupervision) -> None:
        super().__init__()
        self.model = model
        self.factors = factors

    def loss(self, batch: Batch, settings: TrainingSettings) -> Float[Tensor, ""]:
        """Contrastive loss of the batch, plus factor supervision, each by its weight."""
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            frames = self.model.encoder.to_input(batch.frames)
            video = self.model.video_features(frames, batch.frame_mask).to(torch.float32)
        if not settings.contrastive_weight:
            batch = without_repeated_texts(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            text = self.model.text_features(batch.input_ids, batch.text_mask).to(torch.float32)
        loss = video.video.new_zeros(())
        if settings.contrastive_weight:
            scores = self.model.score(text, video, _WHOLE_BATCH_MIB)
            loss = settings.contrastive_weight * contrastive_loss(scores, settings)
        if settings.factor_weight and batch.video_factors is not None and batch.text_factors is not None:
            seen = self.factors(video.video, batch.video_factors)
            said = self.factors(text.sentence, batch.text_factors)
            loss = loss + settings.factor_weight * (seen + said)
        return loss


def _step(
    learner: _Learner, optimizer: torch.optim.Optimizer, batch: Batch, settings: TrainingSettings
) -> tuple[float, float]:
    learner.train()
    optimizer.zero_grad(set_to_none=True)
    loss = learner.loss(batch, settings)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.optim.clip_norm)
    if torch.isfinite(norm):
        optimizer.step()
    with torch.no_grad():
        learner.model.encoder.logit_scale.clamp_(max=settings.max_logit_scale)
    return loss.item(), norm.item()


def contrastive_loss(scores: Scores, settings: TrainingSettings) -> Float[Tensor, ""]:
    """Symmetric InfoNCE on the fused scores, and on every granularity by `part_weight`."""
    loss = symmetric_infonce(scores.fused)
    if settings.part_weight:
        parts = [symmetric_infonce(part) for part in scores.parts.values()]
        loss = loss + settings.part_weight * torch.stack(parts).mean()
    return loss
