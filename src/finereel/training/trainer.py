"""The training loop: compute features, scores and loss of a batch, step, validate, keep the best
model, resume at any step.
"""

import json
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from finereel.config import to_dict
from finereel.errors import TrainingError
from finereel.io.atomic import recover_folder, replace_folder, storage_errors
from finereel.io.signals import Stopped, StopRequest, stop_requests
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import save
from finereel.training.batch import Batch
from finereel.training.blocks import NO_COMPILER, can_compile, training_blocks
from finereel.training.checkpoint import Checkpoint, Parts, RunState, writing
from finereel.training.distributed import (
    Shard,
    anywhere,
    averaging,
    broadcast,
    from_first,
    joined,
)
from finereel.training.health import Validation, chance_alarm, checked, too_many_bad
from finereel.training.learner import Learner
from finereel.training.log import WITHOUT_TENSORBOARD, RunLog, open_log
from finereel.training.optim import make_optimizer, schedule_factor
from finereel.training.settings import Precision, TrainingSettings, run_identity

_SKIPPED = "batch skipped: its gradients are not finite"
_OVERFLOW = "float16 overflow: step left out, loss scale lowered"

BatchAt = Callable[[int], Batch]
Validate = Callable[[RetrievalModel], Validation]


@dataclass(frozen=True)
class Progress:
    """What one step did.

    loss: of the first process; grad_norm: before clipping; lr: the highest rate of this step;
    finite: False where the batch was skipped because its gradients are not;
    samples: rows of the batch; seconds: of fetching the batch and of the step, without validation;
    waited: those of them in which the model waited for the batch;
    validation: where the step validated, else None; notes: sentences for whoever watches (an alarm,
    a skipped batch).
    """

    step: int
    steps: int
    loss: float
    grad_norm: float
    finite: bool
    samples: int
    lr: float
    logit_scale: float
    seconds: float = 0.0
    waited: float = 0.0
    validation: Validation | None = None
    notes: tuple[str, ...] = ()

    @property
    def samples_per_second(self) -> float:
        """Rows trained on per second."""
        return self.samples / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: the best validation score and its step, how many batches were skipped, and
    every validation.

    early: stopped because `patience` validations brought nothing better.
    """

    best: float
    best_step: int
    steps: int
    skipped: int
    history: tuple[tuple[int, float], ...] = field(default=())
    early: bool = False


def train(
    model: RetrievalModel,
    batch_at: BatchAt,
    validate: Validate,
    settings: TrainingSettings,
    out: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> TrainingResult:
    """Train in place, resuming from `out` if it holds a checkpoint.

    batch_at(step) must depend on the step alone, so that a resumed run sees the batches an
    undisturbed one would; among several processes (`distributed.start`) it gives the own rows of
    the batch, as many as everywhere, and the first process alone validates, writes and calls
    `on_step`. The best model by `validate` is saved in `out/best` with its `validation.json`; the
    log is `out/log.jsonl`.

    Raises Stopped after Ctrl-C or SIGTERM, everything saved; TrainingError where going on is
    pointless; ConfigError for a validation on the test split and for a folder with a run of other
    settings.
    """
    run = _prepare(model, settings, out)
    state = run.resume()
    opened = open_log(out, state.log_bytes, state.step, run.shard.first)
    with _training(run), stop_requests() as request, opened as log:
        hints = _first_hints(run, state, log)
        while not _finished(state, settings):
            started = time.perf_counter()
            batch = _fetch(batch_at, state.step, request)
            waited = time.perf_counter() - started
            if anywhere(batch is None, run.shard) or batch is None:
                run.save(state, log)
                break
            progress = _step(run, batch, state.step)
            progress = replace(
                progress,
                seconds=time.perf_counter() - started,
                waited=waited,
                notes=(*hints, *progress.notes),
            )
            state, hints = state.stepped(progress.finite), ()
            if state.step % settings.validate_every == 0 or state.step == settings.steps:
                validation = _validate(run, validate, state.step)
                state, alarm = _judge(state, validation, settings)
                progress = replace(progress, validation=validation, notes=(*progress.notes, *alarm))
                if state.best_step == state.step:
                    run.save_best(validation, state.step)
            _log(log, progress, settings)
            if state.skipped > settings.max_bad_batches:
                raise too_many_bad(state.skipped, settings.max_bad_batches, state.step)
            if progress.validation is not None or state.step % settings.checkpoint_every == 0:
                run.save(state, log)
            if run.shard.first:
                on_step(progress)
        if anywhere(request.made(), run.shard):
            raise Stopped(state.step, request.signum or signal.SIGTERM)
    early = state.step < settings.steps
    return TrainingResult(
        state.best, state.best_step, state.step, state.skipped, state.history, early
    )


@dataclass(frozen=True)
class _Run:
    """What stays the same from step to step; of several processes only the first one writes."""

    learner: Learner
    optimizer: torch.optim.Optimizer
    rates: tuple[float, ...]
    precision: Precision
    checkpoint: Checkpoint
    shard: Shard
    averaging: torch.nn.Module | None

    @property
    def compiled(self) -> bool:
        """Whether the towers are asked to be compiled and can be."""
        return self.learner.settings.compile and can_compile(self.precision.device)

    @property
    def parts(self) -> Parts:
        return {"model": self.learner, "optimizer": self.optimizer, "precision": self.precision}

    @property
    def best(self) -> Path:
        return self.checkpoint.path.with_name("best")

    def resume(self) -> RunState:
        if self.shard.first:
            with storage_errors(self.best, "put back", TrainingError):
                recover_folder(self.best)
        state = self.checkpoint.restore(self.parts)
        broadcast(self.learner, self.shard)
        return state

    def save(self, state: RunState, log: RunLog) -> None:
        if self.shard.first:
            self.checkpoint.save(self.parts, replace(state, log_bytes=log.synced()))

    def save_best(self, validation: Validation, step: int) -> None:
        """The model, and beside it what it scored."""
        if not self.shard.first:
            return
        text = json.dumps({"step": step, **asdict(validation)}, indent=2) + "\n"
        keeps = f"the model before it in {self.best}"
        with writing(self.best, keeps), replace_folder(self.best) as fresh:
            save(self.learner.model, fresh)
            (fresh / "validation.json").write_text(text, encoding="utf-8")


def _prepare(model: RetrievalModel, settings: TrainingSettings, out: Path) -> _Run:
    torch.manual_seed(settings.seed)
    model.set_perturbation(settings.perturbation)
    device, shard = model.encoder.scale.device, joined()
    precision = Precision(settings.precision, device)
    learner = Learner(model, settings, precision, shard).to(device)
    optimizer = make_optimizer(learner, settings.optim)
    rates = tuple(group["lr"] for group in optimizer.param_groups)
    described = {**to_dict(model.config), model.encoder.kind: model.encoder.describe()}
    identity = run_identity(replace(settings, precision=precision.name), described)
    checkpoint = Checkpoint(out / "checkpoint.pt", identity)
    return _Run(learner, optimizer, rates, precision, checkpoint, shard, averaging(learner, shard))


def _finished(state: RunState, settings: TrainingSettings) -> bool:
    return state.step >= settings.steps or bool(
        settings.patience and state.stale >= settings.patience
    )


def _fetch(batch_at: BatchAt, step: int, request: StopRequest) -> Batch | None:
    """The batch of a step, None where a stop is asked for: the signal may have ended the workers
    that make batches.
    """
    if request.made():
        return None
    try:
        return batch_at(step)
    except BaseException:  # a worker's KeyboardInterrupt arrives as the result of its work
        if request.made():
            return None
        raise


def _step(run: _Run, batch: Batch, step: int) -> Progress:
    """One step at 0-based `step`; where the gradients are not finite, no weight changes.

    Randomness starts anew from (seed, step, process), so that it need not be saved. A loss scale
    above 1 makes float16 overflow until it is low enough: such a step is left out too, but the
    batch is not to blame.
    """
    learner, settings = run.learner, run.learner.settings
    torch.manual_seed(zlib.crc32(f"{settings.seed}/{step}/{run.shard.rank}".encode()))
    factor = schedule_factor(step, settings.steps, settings.optim)
    for group, rate in zip(run.optimizer.param_groups, run.rates, strict=True):
        group["lr"] = rate * factor
    learner.train()
    run.optimizer.zero_grad(set_to_none=True)
    loss = learner.backward(batch.to(learner.model.encoder.scale.device), step, run.averaging)
    run.precision.unscale(run.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.optim.clip_norm)
    scaled = run.precision.loss_scale > 1 and bool(torch.isfinite(loss))
    moved = run.precision.step(run.optimizer, norm)
    logit_scale = learner.model.encoder.logit_scale
    if logit_scale.requires_grad:
        with torch.no_grad():
            logit_scale.clamp_(max=settings.max_logit_scale)
    return Progress(
        step=step + 1,
        steps=settings.steps,
        loss=loss.item(),
        grad_norm=norm.item(),
        finite=moved or scaled,
        samples=len(batch) * run.shard.world,
        lr=max(run.rates) * factor,
        logit_scale=logit_scale.item(),
        notes=() if moved else (_OVERFLOW if scaled else _SKIPPED,),
    )


def _validate(run: _Run, validate: Validate, step: int) -> Validation:
    """The first process's validation, under the conditions a loaded model is used in; the others
    learn its score.
    """
    if not run.shard.first:
        return Validation(from_first(0.0, run.shard))
    with _in_use(run.learner.model):
        validation = checked(validate(run.learner.model), step)
    from_first(validation.score, run.shard)
    return validation


def _judge(
    state: RunState, validation: Validation, settings: TrainingSettings
) -> tuple[RunState, tuple[str, ...]]:
    """The state after a validation, and the alarm where it goes off."""
    state = state.judged(validation)
    if state.alarmed or state.step < settings.chance_after or not validation.at_chance:
        return state, ()
    return replace(state, alarmed=True), (chance_alarm(validation, state.step),)


def _first_hints(run: _Run, state: RunState, log: RunLog) -> tuple[str, ...]:
    """What the first step of this process has to tell."""
    hints = {
        f"going on after step {state.step}": state.step > 0,
        WITHOUT_TENSORBOARD: log.writer is None and log.path is not None,
        NO_COMPILER: run.learner.settings.compile and not run.compiled,
    }
    return tuple(hint for hint, holds in hints.items() if holds)


def _log(log: RunLog, progress: Progress, settings: TrainingSettings) -> None:
    if progress.step % settings.log_every == 0 or not progress.finite:
        names = (
            "loss",
            "grad_norm",
            "lr",
            "logit_scale",
            "seconds",
            "waited",
            "samples_per_second",
        )
        log.write("step", progress.step, {name: getattr(progress, name) for name in names})
    if progress.validation is not None:
        log.write("validation", progress.step, asdict(progress.validation))
    for note in progress.notes:
        log.write("note", progress.step, {"text": note})


@contextmanager
def _training(run: _Run) -> Iterator[None]:
    """What makes training fast on a CPU: kernels for short rows, and no denormals; and the towers'
    blocks as the settings say.

    Sharp softmaxes leave denormals behind, and those cost a CPU ten times the time: they are
    flushed to zero.
    """
    encoder, settings = run.learner.model.encoder, run.learner.settings
    encoder.prepare_training()
    torch.set_flush_denormal(True)
    try:
        with training_blocks(encoder, settings.recompute, run.compiled):
            yield
    finally:
        torch.set_flush_denormal(False)
        encoder.finish_training()


@contextmanager
def _in_use(model: RetrievalModel) -> Iterator[None]:
    """Within training: the kernels of a loaded model, so that it scores after loading what it
    scored before saving.
    """
    torch.set_flush_denormal(False)
    model.encoder.finish_training()
    try:
        yield
    finally:
        model.encoder.prepare_training()
        torch.set_flush_denormal(True)
