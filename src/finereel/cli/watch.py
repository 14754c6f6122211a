"""`watch`: keep a library up to date while it runs."""

import json
import os
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finereel.cli.opening import announce_download, check_model
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    ModelOption,
    library_option,
    shown,
)
from finereel.errors import ConfigError

if TYPE_CHECKING:
    from finereel.cli.progress import IndexProgress
    from finereel.index.events import AddEvent
    from finereel.watching.watch import WatchEvent, WatchSettings

NICENESS = 10


def watch(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of videos to watch.")
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    model: ModelOption = None,
    settle: Annotated[
        float,
        typer.Option(
            "--settle",
            min=0.5,
            metavar="SECONDS",
            help="A file is added once size and time did not change for so long.",
        ),
    ] = 5.0,
    rescan: Annotated[
        str,
        typer.Option(
            "--rescan",
            metavar="SPAN",
            help="How often to look through everything, since messages get lost: 6h, 30min.",
        ),
    ] = "6h",
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="When to end: 06:30, or +2h from now."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Add what is there, wait until it is whole, and end.")
    ] = False,
    poll: Annotated[
        bool,
        typer.Option(
            "--poll",
            help="Look again and again, as is done anyway on network mounts, which do not tell "
            "about changes.",
        ),
    ] = False,
    battery: Annotated[
        bool, typer.Option("--on-battery", help="Do not pause while on battery.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch folders and make new videos searchable, until Ctrl-C.

    Example: finereel watch ~/Videos --until 06:30

    It does what `finereel index DIR` does, at the start and whenever something changed, at low
    priority. Files that are still being copied are left alone until they are whole. With --json
    every event is one line of JSON.
    """
    check_model(model)
    from finereel.watching.listening import needs_watchfiles
    from finereel.watching.surroundings import end_of, span_of
    from finereel.watching.watch import WatchSettings, checked_roots

    needs_watchfiles()
    try:
        settings = WatchSettings(
            rescan=span_of(rescan),
            poll=poll,
            battery=battery,
            until=None if until is None else end_of(until, datetime.now()),
            once=once,
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    roots = checked_roots(folders)
    announce_download(model)
    os.nice(NICENESS)
    _watch(roots, library, model, settings, settle, as_json)


def _watch(
    roots: list[str],
    library: Path,
    model: str | None,
    settings: "WatchSettings",
    settle: float,
    as_json: bool,
) -> None:
    from finereel.library import Library
    from finereel.models.choice import which_model
    from finereel.watching.settling import SettledSource, Settling
    from finereel.watching.watch import Watch

    settling = Settling(settle)
    with closing(Library.open(library, model=model, source=SettledSource(settling))) as opened:
        opened.tune()
        named = which_model(opened.model_name, library_option(library))
        typer.echo(f"model: {shown(named)}", err=True)
        view = _JsonLines() if as_json else _Lines()
        Watch(opened, roots, settling, settings, view.tell).run(view.take)


class _Lines:
    """Prints what happens with the time before it; a bar shows while videos are indexed."""

    def __init__(self) -> None:
        self._bar: IndexProgress | None = None

    def tell(self, event: "WatchEvent") -> None:
        self._end_bar()
        now = datetime.now().strftime("%H:%M:%S")
        typer.echo(f"{now} {shown(event.message)}")
        sys.stdout.flush()

    def take(self, event: "AddEvent") -> None:
        from finereel.cli.progress import IndexProgress
        from finereel.index.events import FileFailed, FileRenamed, Planned

        if isinstance(event, Planned):
            self._end_bar()
            if not event.to_encode:
                return
        elif self._bar is None and not isinstance(event, FileFailed | FileRenamed):
            return
        if self._bar is None:
            self._bar = IndexProgress()
            self._bar.__enter__()
        self._bar(event)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


_EVENTS = {
    "FileIndexed": "indexed",
    "FileFailed": "failed",
    "FileRenamed": "renamed",
    "FileMissing": "missing",
}
"""Events of `Library.add` that are printed as JSON, and their names there."""


class _JsonLines:
    """Prints every event as a line of JSON."""

    def tell(self, event: "WatchEvent") -> None:
        self._print(event.kind, {"message": event.message, **event.facts})

    def take(self, event: "AddEvent") -> None:
        name = _EVENTS.get(type(event).__name__)
        if name is not None:
            self._print(name, asdict(event))

    @staticmethod
    def _print(name: str, facts: dict[str, Any]) -> None:
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        sys.stdout.write(json.dumps({"time": now, "event": name, **facts}) + "\n")
        sys.stdout.flush()
