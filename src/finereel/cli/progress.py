"""The progress of indexing, on stderr: a bar with the time left, and a line for every file that goes wrong."""

import sys
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from finereel.cli.output import shown
from finereel.index.events import AddEvent, FileFailed, FileIndexed, FileRenamed, FileStarted, Planned

Shown = TypeVar("Shown", bound="View")


def bar(console: Console | None = None) -> Progress:
    """A progress bar for things counted one by one; silent where stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
        console=console or Console(stderr=True),
        disable=not (console or sys.stderr.isatty()),
    )


class View:
    """Something that draws on one bar, which shows while the view is used as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._bar = bar(console)

    def __enter__(self: Shown) -> Shown:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


class StageProgress(View):
    """Takes (what, done, total) and draws a bar per kind of work."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Draw one step; a kind of work that comes again starts anew."""
        if what not in self._tasks or (self._bar.tasks[self._tasks[what]].finished and done < total):
            self._tasks[what] = self._bar.add_task(what, total=total, note="")
        self._bar.update(self._tasks[what], completed=done, total=total)


class IndexProgress(View):
    """Takes the events of `Library.add` and draws them."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._task = self._bar.add_task("indexing", total=None, note="")

    def __call__(self, event: AddEvent) -> None:
        """Draw one event; kinds without a picture pass."""
        if isinstance(event, Planned):
            self._bar.update(self._task, total=event.to_encode)
        elif isinstance(event, FileStarted):
            self._bar.update(self._task, note=shown(Path(event.path).name))
        elif isinstance(event, FileIndexed):
            self._bar.advance(self._task)
            if event.partial:
                self._say("partly read", event.path, event.partial)
            elif event.note:
                self._say("coarse", event.path, event.note)
        elif isinstance(event, FileRenamed):
            self._say("moved", event.path, f"was {event.old_path}")
        elif isinstance(event, FileFailed):
            self._bar.advance(self._task)
            self._say("skipped", event.path, event.error)

    def _say(self, what: str, path: str, why: str) -> None:
        self._bar.console.print(Text.assemble((what, "yellow"), f" {shown(path)}: {shown(why)}"), soft_wrap=True)
