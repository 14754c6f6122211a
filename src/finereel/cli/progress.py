"""Show the progress of indexing on stderr: a bar with the time left, and a line per file that
fails.

Where stderr is not a terminal there is no bar but a plain line now and then.
"""

import sys
import time
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

from finereel.cli.output import clock, shown
from finereel.index.events import (
    AddEvent,
    EncoderNoted,
    FileAdvanced,
    FileFailed,
    FileHeard,
    FileIndexed,
    FileRenamed,
    FileStarted,
    Planned,
    RebuildEstimated,
)

LINE_SECONDS = 10.0
"""Seconds between two plain lines."""

Shown = TypeVar("Shown", bound="View")


def bar(console: Console | None = None) -> Progress:
    """A progress bar for things counted one by one; silent where stderr is not a terminal."""
    console = console or Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
        console=console,
        disable=not console.is_terminal,
    )


class View:
    """Something that draws on one bar, which shows while the view is used as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._bar = bar(console)

    def __enter__(self: Shown) -> Shown:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()


class StageBars(View):
    """Takes (what, done, total) and draws a bar per kind of work; without a terminal a line every
    LINE_SECONDS.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._tasks: dict[str, TaskID] = {}
        self._told = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Draw one step; a kind of work that comes again starts anew."""
        if what not in self._tasks or (
            self._bar.tasks[self._tasks[what]].finished and done < total
        ):
            self._tasks[what] = self._bar.add_task(what, total=total, note="")
        self._bar.update(self._tasks[what], completed=done, total=total)
        now = time.monotonic()
        if not self._bar.console.is_terminal and now - self._told >= LINE_SECONDS:
            self._told = now
            line = f"{what}: {done:,} of {total:,}"
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


class ClipBar(View):
    """Draws how many clips are done."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self._task = self._bar.add_task("writing clips", total=total, note="")

    def __call__(self, done: float, name: str) -> None:
        self._bar.update(self._task, completed=done, note=shown(name))

    def tell(self, line: str) -> None:
        """A line above the bar, on stdout where that is not the same screen."""
        if self._bar.console.is_terminal and sys.stdout.isatty():
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)


class IndexProgress(View):
    """Takes the events of `Library.add` and draws them. The bar counts videos and moves inside of a
    long one.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console)
        self._task = self._bar.add_task("indexing", total=None, note="")
        self._number = self._done = 0
        self._began = self._told = time.monotonic()

    def __call__(self, event: AddEvent) -> None:
        """Draw one event; kinds without a picture pass."""
        if isinstance(event, Planned):
            self._bar.update(self._task, total=event.to_encode)
        elif isinstance(event, RebuildEstimated):
            self._announce(event)
        elif isinstance(event, EncoderNoted):
            self._bar.console.print(Text(f"note: {shown(event.note)}"), soft_wrap=True)
        elif isinstance(event, FileStarted):
            self._number = event.number
            self._draw(0.0, shown(Path(event.path).name))
        elif isinstance(event, FileAdvanced):
            self._advance(event)
        elif isinstance(event, FileIndexed):
            self._finish()
            if event.partial:
                self._say("partly read", event.path, event.partial)
            elif event.note:
                self._say("coarse", event.path, event.note)
            if event.words:
                self._say("subtitles left out", event.path, event.words)
        elif isinstance(event, FileHeard):
            self._bar.update(self._task, note=f"listening to {shown(Path(event.path).name)}")
        elif isinstance(event, FileRenamed):
            self._say("moved", event.path, f"was {event.old_path}")
        elif isinstance(event, FileFailed):
            if self._number:  # not one that could not even be looked at
                self._finish()
            self._say("not read" if event.passing else "skipped", event.path, event.error)

    def _announce(self, event: RebuildEstimated) -> None:
        line = (
            f"rebuilding {event.clips} clips of {event.frames} frames with {shown(event.model)}: "
            f"about {clock(event.seconds)} on this machine ({event.milliseconds:.3g} ms a frame)"
        )
        self._bar.console.print(Text(line), soft_wrap=True)

    def _advance(self, event: FileAdvanced) -> None:
        name, seconds = shown(Path(event.path).name), clock(event.seconds)
        if event.duration is None:
            self._draw(0.0, f"{name}, {seconds}")
        else:
            self._draw(
                min(1.0, event.seconds / event.duration),
                f"{name}, {seconds} of {clock(event.duration)}",
            )

    def _finish(self) -> None:
        self._done += 1
        self._draw(0.0, self._bar.tasks[self._task].fields["note"])

    def _draw(self, share: float, note: str) -> None:
        """`share` of the file at hand is done; some before it may wait for their commit."""
        done = float(max(self._done, self._number - 1 + share))
        self._bar.update(self._task, completed=done, note=note)
        now = time.monotonic()
        if not self._bar.console.is_terminal and now - self._told >= LINE_SECONDS:
            self._told = now
            self._tell(done, now - self._began, note)

    def _tell(self, done: float, elapsed: float, note: str) -> None:
        total = self._bar.tasks[self._task].total or 0
        left = f", about {clock(elapsed / done * (total - done))} left" if done else ""
        line = (
            f"indexing: {int(done)} of {total:.0f} videos ({note}), {clock(elapsed)} so far{left}"
        )
        self._bar.console.print(Text(line), soft_wrap=True)

    def _say(self, what: str, path: str, why: str) -> None:
        self._bar.console.print(
            Text.assemble((what, "yellow"), f" {shown(path)}: {shown(why)}"), soft_wrap=True
        )
