"""Show the progress of a training run on stderr: time left, speed, loss, latest recall and notes."""

import sys

from rich.console import Console
from rich.text import Text

from finereel.cli.output import shown
from finereel.cli.progress import View
from finereel.recipes.events import Event, Note, StageProgress, Working

_SMOOTHING = 0.1


class TrainingView(View):
    """Draw the events of `finereel.recipes.run.run`. If stderr is not a terminal, print one line
    per validation instead.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._console = console or Console(stderr=True)
        self._plain = console is None and not sys.stderr.isatty()
        self._task = self._bar.add_task("starting", total=None, note="")
        self._doing = ""
        self._loss: float | None = None
        self._waiting = 0.0
        self._best = ""

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        if isinstance(event, Note):
            self._say(event.text)
        elif isinstance(event, Working):
            self._start(event.what, event.done, event.total)
            self._bar.update(self._task, completed=event.done, total=event.total, note="")
        else:
            self._step(event)

    def _step(self, event: StageProgress) -> None:
        step = event.progress
        self._start(
            f"training, phase {event.stage} of {event.stages}" if event.stages > 1 else "training",
            step.step,
            step.steps,
        )
        self._loss = (
            step.loss if self._loss is None else self._loss + _SMOOTHING * (step.loss - self._loss)
        )
        for note in step.notes:
            self._say(note)
        if step.validation is not None:
            metrics = ", ".join(
                f"{name} {value:.1f}" for name, value in step.validation.metrics.items()
            )
            self._best = recall(step.validation.metrics)
            phase = f"phase {event.stage} of {event.stages}, " if event.stages > 1 else ""
            self._say(
                f"{phase}step {step.step}/{step.steps}: validation {step.validation.score:.2f} "
                f"({metrics})"
            )
        share = step.waited / max(step.seconds, 1e-9)
        self._waiting += _SMOOTHING * (share - self._waiting)
        parts = (
            f"loss {self._loss:.3f}",
            self._best,
            f"{step.samples_per_second:.1f} pairs/s",
            f"waiting {self._waiting:.0%}",
        )
        self._bar.update(
            self._task, completed=step.step, total=step.steps, note=", ".join(filter(None, parts))
        )

    def _start(self, doing: str, done: int, total: int) -> None:
        """Start a new bar per phase, so the remaining time refers to the current phase."""
        if doing != self._doing:
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(doing, total=total, completed=max(0, done - 1), note="")
            self._doing, self._loss = doing, None

    def _say(self, text: str) -> None:
        console = self._console if self._plain else self._bar.console
        console.print(Text(shown(text)), soft_wrap=True)


def recall(metrics: "dict[str, float] | object") -> str:
    """Return the text-to-video R@1 of a validation as text, or "" if there is none.

    >>> recall({"text_to_video R@1": 41.25, "text_to_video R@5": 70.0})
    'R@1 41.2'
    """
    found = metrics.get("text_to_video R@1") if isinstance(metrics, dict) else None
    return "" if found is None else f"R@1 {found:.1f}"
