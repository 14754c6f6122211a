"""The loop: batch -> features -> the model's own scores -> loss -> step; validate, keep the best, resume anywhere."""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from finereel.config import to_dict
from finereel.model import RetrievalModel
from finereel.training.batch import Batch
from finereel.training.checkpoint import Checkpoint, Parts, RunState, recover_folder, replace_folder
from finereel.training.health import Validation, chance_alarm, checked, too_many_bad
from finereel.training.learner import Learner
from finereel.training.log import WITHOUT_TENSORBOARD, RunLog, open_log
from finereel.training.optim import make_optimizer, schedule_factor
from finereel.training.settings import TrainingSettings, run_identity
from finereel.training.signals import Stopped, StopRequest, stop_requests

BatchAt = Callable[[int], Batch]
Validate = Callable[[RetrievalModel], Validation]


@dataclass(frozen=True)
class Progress:
    """What one step did.

    lr: the highest rate of this step; finite: False where the batch was skipped because its loss or gradients are not;
    samples: rows of the batch; seconds: of fetching the batch and of the step, without validation; validation: where
    the step validated, else None; notes: sentences for whoever watches (an alarm, a skipped batch).
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
    validation: Validation | None = None
    notes: tuple[str, ...] = ()

    @property
    def samples_per_second(self) -> float:
        """Rows trained on per second."""
        return self.samples / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended: the best validation score and its step, how many batches were skipped, and every validation.

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

    batch_at(step) must depend on the step alone, so that a resumed run sees the batches an undisturbed one would.
    The best model by `validate` is saved in `out/best` with its `validation.json`; the log is `out/log.jsonl`.

    Raises Stopped after Ctrl-C or SIGTERM, everything saved; TrainingError where going on is pointless; ConfigError for
    a validation on the test split and for a folder with a run of other settings.
    """
    run = _prepare(model, settings, out)
    state = run.checkpoint.restore(run.parts)
    with _no_denormals(), stop_requests() as request, open_log(out, state.log_bytes, state.step) as log:
        hints = _first_hints(state, log)
        while not _finished(state, settings):
            started = time.perf_counter()
            batch = _fetch(batch_at, state.step, request)
            if batch is None:
                _save(run, state, log)
                raise Stopped(state.step, request.signum)
            progress = replace(_step(run, batch, state.step), seconds=time.perf_counter() - started)
            state = state.stepped(progress.finite)
            notes = hints if progress.finite else (*hints, f"batch {state.step} skipped: not finite")
            validation = None
            if state.step % settings.validate_every == 0 or state.step == settings.steps:
                validation = checked(validate(model), state.step)
                state = state.judged(validation)
                if validation.at_chance and state.step >= settings.chance_after and not state.alarmed:
                    state, notes = replace(state, alarmed=True), (*notes, chance_alarm(validation, state.step))
                if state.best_step == state.step:
                    _save_best(run, validation, state.step)
            progress = replace(progress, validation=validation, notes=notes)
            _log(log, progress, settings)
            if state.skipped > settings.max_bad_batches:
                raise too_many_bad(state.skipped, settings.max_bad_batches, state.step)
            if validation is not None or state.step % settings.checkpoint_every == 0:
                _save(run, state, log)
            on_step(progress)
            hints = ()
        if request.made():
            raise Stopped(state.step, request.signum)
    early = state.step < settings.steps
    return TrainingResult(state.best, state.best_step, state.step, state.skipped, state.history, early)


@dataclass(frozen=True)
class _Run:
    """What stays the same from step to step."""

    learner: Learner
    optimizer: torch.optim.Optimizer
    rates: tuple[float, ...]
    checkpoint: Checkpoint
    settings: TrainingSettings
    out: Path

    @property
    def parts(self) -> Parts:
        return {"model": self.learner, "optimizer": self.optimizer}


def _prepare(model: RetrievalModel, settings: TrainingSettings, out: Path) -> _Run:
    torch.manual_seed(settings.seed)
    model.set_perturbation(settings.perturbation)
    model.encoder.prepare_training()
    learner = Learner(model, settings).to(model.encoder.scale.device)
    optimizer = make_optimizer(learner, settings.optim)
    rates = tuple(group["lr"] for group in optimizer.param_groups)
    described = {**to_dict(model.config), model.encoder.kind: model.encoder.describe()}
    checkpoint = Checkpoint(out / "checkpoint.pt", run_identity(settings, described))
    recover_folder(out / "best")
    return _Run(learner, optimizer, rates, checkpoint, settings, out)


def _finished(state: RunState, settings: TrainingSettings) -> bool:
    return state.step >= settings.steps or bool(settings.patience and state.stale >= settings.patience)


def _fetch(batch_at: BatchAt, step: int, request: StopRequest) -> Batch | None:
    """The batch of a step, None where a stop is asked for: the signal may have ended the workers that make batches."""
    if request.made():
        return None
    try:
        return batch_at(step)
    except Exception:
        if request.made():
            return None
        raise


def _step(run: _Run, batch: Batch, step: int) -> Progress:
    """One step at 0-based `step`; where the loss or the gradients are not finite, no weight changes.

    Randomness starts anew from (seed, step), so that it need not be saved.
    """
    settings, learner = run.settings, run.learner
    torch.manual_seed(zlib.crc32(f"{settings.seed}/{step}".encode()))
    factor = schedule_factor(step, settings.steps, settings.optim)
    for group, rate in zip(run.optimizer.param_groups, run.rates, strict=True):
        group["lr"] = rate * factor
    learner.train()
    run.optimizer.zero_grad(set_to_none=True)
    loss = learner(batch.to(learner.model.encoder.scale.device))
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(learner.parameters(), settings.optim.clip_norm)
    finite = bool(torch.isfinite(norm) & torch.isfinite(loss))
    if finite:
        run.optimizer.step()
    logit_scale = learner.model.encoder.logit_scale
    if logit_scale.requires_grad:
        with torch.no_grad():
            logit_scale.clamp_(max=settings.max_logit_scale)
    return Progress(
        step=step + 1,
        steps=settings.steps,
        loss=loss.item(),
        grad_norm=norm.item(),
        finite=finite,
        samples=len(batch),
        lr=max(run.rates) * factor,
        logit_scale=logit_scale.item(),
    )


def _first_hints(state: RunState, log: RunLog) -> tuple[str, ...]:
    """What the first step of this process has to tell."""
    resumed = (f"going on after step {state.step}",) if state.step else ()
    return resumed if log.writer is not None or log.path is None else (*resumed, WITHOUT_TENSORBOARD)


def _log(log: RunLog, progress: Progress, settings: TrainingSettings) -> None:
    if progress.step % settings.log_every == 0 or not progress.finite:
        names = ("loss", "grad_norm", "lr", "logit_scale", "seconds", "samples_per_second")
        log.write("step", progress.step, {name: getattr(progress, name) for name in names})
    if progress.validation is not None:
        log.write("validation", progress.step, asdict(progress.validation))
    for note in progress.notes:
        log.write("note", progress.step, {"text": note})


def _save(run: _Run, state: RunState, log: RunLog) -> None:
    run.checkpoint.save(run.parts, replace(state, log_bytes=log.synced()))


def _save_best(run: _Run, validation: Validation, step: int) -> None:
    def write(folder: Path) -> None:
        run.learner.model.save(folder)
        text = json.dumps({"step": step, **asdict(validation)}, indent=2) + "\n"
        (folder / "validation.json").write_text(text, encoding="utf-8")

    replace_folder(run.out / "best", write)


@contextmanager
def _no_denormals() -> Iterator[None]:
    """Sharp softmaxes leave denormals behind, and those cost a CPU ten times the time: flush them to zero meanwhile."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
