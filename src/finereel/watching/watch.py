"""Watch folders and keep a library up to date: wait until what changed stands still, then let
`Library.add` do all the rest.
"""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, runtime_checkable

from finereel.errors import (
    DamagedLibraryError,
    LibraryBusyError,
    LibraryError,
    LibraryNotFoundError,
    ModelMismatchError,
    NotAVideoError,
    StorageError,
)
from finereel.index.events import AddEvent, AddReport, FileIndexed, OnEvent
from finereel.index.folders import is_below, why_away
from finereel.io.storage.places import Place
from finereel.video.find import EXTENSIONS
from finereel.watching.listening import Listener, matter
from finereel.watching.settling import Settling
from finereel.watching.surroundings import by_polling, on_battery

TICK = 1.0
"""Seconds between two looks at what moves, at the folders and at the battery."""

BUSY_SECONDS = 5.0
TROUBLE_SECONDS = 60.0
"""Seconds until the next try where another process writes, and after other trouble."""

GIVEN_UP_SECONDS = 60.0
"""How long a single run waits for files that do not come to rest."""


@dataclass(frozen=True)
class WatchSettings:
    """How to watch. rescan: time between two looks at everything, since messages get lost. poll:
    look again and again everywhere. battery: go on without mains. until: when to end. once: end when
    nothing is left to do.
    """

    rescan: timedelta = timedelta(hours=6)
    poll: bool = False
    battery: bool = False
    until: datetime | None = None
    once: bool = False


@dataclass(frozen=True)
class WatchEvent:
    """What happened: `watching`, `waiting`, `added`, `away`, `back`, `trouble` or `ended`, in words,
    and as values that JSON can hold.
    """

    kind: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)


OnWatch = Callable[[WatchEvent], None]


@runtime_checkable
class AddingLibrary(Protocol):
    """What is needed of a library."""

    path: Place

    def add(self, paths: Sequence[str], *, on_event: OnEvent | None = None) -> AddReport:
        """See `finereel.library.Library.add`."""
        ...

    def close(self) -> None:
        """End the decoding child; the next file starts another."""
        ...


class Watch:
    """Watches `roots` for `library`, whose source is a `SettledSource` of the same `settling`.

    In the main thread Ctrl-C ends it after the current commit.
    """

    def __init__(
        self,
        library: AddingLibrary,
        roots: Sequence[str],
        settling: Settling,
        settings: WatchSettings,
        tell: OnWatch,
    ) -> None:
        self._library, self._roots, self._settling = library, list(roots), settling
        self._settings, self._tell = settings, tell
        self._ends = _EndReasons(settings)
        self._due = 0.0
        self._next_scan = 0.0
        self._away: dict[str, str] = {}
        self._said = ""
        self._polled = settings.poll

    def run(self, on_event: OnEvent | None = None) -> str:
        """Watch until somebody or something ends it; returns what did: `interrupt`, `until` or
        `once`.
        """
        began = time.monotonic()
        with self._ends.noted():
            while True:
                self._look_at_roots()
                before, listener = self._places(), self._listen()
                try:
                    while before == self._places():
                        if reason := self._step(listener, on_event, began):
                            self._tell(WatchEvent("ended", _END_WORDS[reason], {"reason": reason}))
                            return reason
                finally:
                    listener.close()
                self._due = time.monotonic()  # a folder went away or came back, or nobody tells

    def _listen(self) -> Listener:
        present = [root for root in self._roots if Path(root).is_dir()]
        told, polled = by_polling(present, self._polled)
        self._tell(
            WatchEvent(
                "watching",
                _watching(told, polled),
                {"folders": told, "polled": polled, "settle": self._settling.seconds},
            )
        )
        if not self._settings.once:
            return Listener(told, polled)
        return Listener([], [])

    def _step(self, listener: Listener, on_event: OnEvent | None, began: float) -> str:
        """Wait a moment, and add what is to be added; the reason to end, if there is one."""
        self._look_at_roots()
        self._hear(listener)
        if reason := self._ends.reason():
            return reason
        now = time.monotonic()
        if self._settling.moving and self._settling.settled_since():
            self._due = min(self._due or now, now)
        if now >= self._next_scan:
            self._due = now
        if self._due and now >= self._due and not self._paused():
            self._add(on_event)
        elif self._settling.moving:
            self._wait_for_files()
        if self._settings.once and not self._due:
            if not self._settling.moving:
                return "once"
            if time.monotonic() - began > GIVEN_UP_SECONDS + self._settling.seconds:
                self._trouble(
                    f"still being written and left for the next time: {_named(self._settling.moving)}"
                )
                return "once"
        return self._ends.reason()

    def _hear(self, listener: Listener) -> None:
        """Take the changes that came, and wait a moment for one."""
        try:
            changes = listener.changes.get(timeout=0.0 if self._ready() else TICK)
        except queue.Empty:
            return
        if isinstance(changes, Exception):
            self._polled = True
            self._trouble(
                f"the system does not tell about changes ({_first_line(changes)}), so the folders are "
                "looked through again and again; where a limit is reached, raise "
                "fs.inotify.max_user_watches"
            )
            return
        for path in matter(changes, str(self._library.path)):
            if Path(path).suffix.lower() in EXTENSIONS and Path(path).is_file():
                self._settling.look(path)
            elif not self._due:  # gone, a folder, or texts beside a video
                self._due = time.monotonic() + self._settling.seconds

    def _ready(self) -> bool:
        now = time.monotonic()
        due = now >= self._next_scan or bool(self._due and now >= self._due)
        return due and not self._ends.battery()

    def _add(self, on_event: OnEvent | None) -> None:
        names: list[str] = []

        def take(event: AddEvent) -> None:
            names.extend([event.path] if isinstance(event, FileIndexed) else [])
            if on_event is not None:
                on_event(event)

        report: AddReport | None = None
        try:
            report = self._added(self._ends.asking(take))
        except KeyboardInterrupt:  # before `add` could note it, or the second one
            self._ends.ask_for_end()
            return
        except NotAVideoError:
            self._finished()
            if not self._settling.moving:
                self._say(WatchEvent("waiting", "there are no videos yet; waiting for some"))
            return
        except LibraryBusyError as error:
            self._again(BUSY_SECONDS)
            self._say(WatchEvent("waiting", f"waiting, because {error}"))
            return
        except (ModelMismatchError, DamagedLibraryError, LibraryNotFoundError):
            raise
        except (LibraryError, StorageError) as error:
            self._again(TROUBLE_SECONDS)
            self._trouble(f"{error}; it is tried again in {TROUBLE_SECONDS:.0f} s")
            return
        finally:
            interrupted = report is not None and report.interrupted
            self._ends.took(interrupted)
            self._library.close()
        self._look_at_report(report, names)
        if report.interrupted:
            self._due = time.monotonic()
        else:
            self._finished()

    def _added(self, on_event: OnEvent) -> AddReport:
        try:
            return self._library.add(self._roots, on_event=on_event)
        except NotAVideoError:
            present = [root for root in self._roots if Path(root).is_dir()]
            if len(present) in (0, len(self._roots)):
                raise
            return self._library.add(present, on_event=on_event)

    def _finished(self) -> None:
        self._due = 0.0
        self._next_scan = time.monotonic() + self._settings.rescan.total_seconds()

    def _again(self, seconds: float) -> None:
        """Try again later, and whatever changes meanwhile with it."""
        self._due = time.monotonic() + seconds
        self._next_scan = max(self._next_scan, self._due)

    def _look_at_report(self, report: AddReport, names: Sequence[str]) -> None:
        self._said = ""
        counts = {kind: getattr(report, kind) for kind in _WORDS if getattr(report, kind)}
        if counts:
            words = [f"{count} {_WORDS[kind]}" for kind, count in counts.items()]
            if report.indexed:
                work = f"{report.clips} clip{'' if report.clips == 1 else 's'}"
                words[0] = f"indexed {_named(names)} ({work} in {report.seconds:.1f} s)"
            advice = "; see `finereel doctor`" if {"failed", "unread"} & {*counts} else ""
            self._tell(
                WatchEvent(
                    "added",
                    f"{', '.join(words)}{advice}",
                    {**counts, "clips": report.clips, "seconds": round(report.seconds, 2)},
                )
            )
        gone = {place.path: str(place) for place in report.away}
        for path, message in gone.items():
            if path not in self._away:
                self._leaves(path, message)

    def _look_at_roots(self) -> None:
        for root in self._roots:
            if root not in self._away and not Path(root).is_dir():
                self._leaves(root, f"the folder {root} is not here now")
        for path in [path for path in self._away if not why_away(path)]:
            del self._away[path]
            self._due = time.monotonic()
            self._tell(WatchEvent("back", f"the folder {path} is back", {"path": path}))

    def _leaves(self, root: str, message: str) -> None:
        self._away[root] = message
        self._tell(
            WatchEvent(
                "away", f"{message}; its videos are taken up again when it is back", {"path": root}
            )
        )

    def _places(self) -> list[tuple[int, int] | bool | None]:
        """Which folder stands at each root (another one, once a drive was unplugged or is back), and
        how it is watched.
        """
        return [*(_place(root) for root in self._roots), self._polled]

    def _paused(self) -> bool:
        if not self._ends.battery():
            return False
        self._say(
            WatchEvent(
                "waiting",
                "paused: this machine runs on its battery; it goes on with mains, or at once with "
                "--on-battery",
            )
        )
        return True

    def _wait_for_files(self) -> None:
        names = self._settling.moving
        whole = "is whole" if len(names) == 1 else "are whole"
        self._say(
            WatchEvent(
                "waiting",
                f"waiting until {_named(names)} {whole} (unchanged for "
                f"{self._settling.seconds:g} s)",
                {"files": names},
            )
        )

    def _say(self, event: WatchEvent) -> None:
        """Tell something that is true for a while, once."""
        if event.message != self._said:
            self._said = event.message
            self._tell(event)

    def _trouble(self, message: str) -> None:
        self._say(WatchEvent("trouble", message))


class _EndReasons:
    """Ctrl-C, the end by the clock and the battery. The last two ask `Library.add` to stop after its
    current commit as Ctrl-C does, by the same signal.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = settings
        self._came = self._sent = self._adding = False
        self._battery = (-TICK, False)

    def reason(self) -> str:
        """Why to end, if anything asks for it."""
        if self._came:
            return "interrupt"
        until = self._settings.until
        return "until" if until is not None and datetime.now() >= until else ""

    def battery(self) -> bool:
        """Whether to pause: the machine runs on its battery, by a look now and then."""
        if self._settings.battery:
            return False
        if time.monotonic() - self._battery[0] >= TICK:
            self._battery = time.monotonic(), on_battery()
        return self._battery[1]

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Within the block Ctrl-C and SIGTERM are noted; in another thread than the main one they
        cannot be.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def asking(self, on_event: OnEvent) -> OnEvent:
        """Takes the events of `add`, and asks it to stop when the time is over or mains is gone."""

        def take(event: AddEvent) -> None:
            if not self._sent and (self.reason() == "until" or self.battery()):
                self._sent = True
                signal.raise_signal(signal.SIGINT)
            on_event(event)

        self._adding = True
        return take

    def ask_for_end(self) -> None:
        """End as Ctrl-C does."""
        self._came = True

    def took(self, interrupted: bool) -> None:
        """Whether `add` was stopped; by Ctrl-C, unless we asked."""
        self._came = self._came or (interrupted and not self._sent)
        self._sent = self._adding = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        """The first request; the second one ends at once, also where `add` took the first."""
        del number, frame
        if self._came or (self._adding and not self._sent):
            raise KeyboardInterrupt
        self._came = True


_END_WORDS = {
    "interrupt": "stopped; everything committed is kept",
    "until": "the time is over",
    "once": "done",
}
_WORDS = {
    "indexed": "indexed",
    "renamed": "renamed",
    "copied": "copied",
    "missing": "missing",
    "failed": "could not be read",
    "unread": "could not be read this time",
    "unfinished": "not finished yet",
}


def checked_roots(roots: Sequence[Path]) -> list[str]:
    """Absolute paths of folders, without those within another one.

    Raises NotAVideoError where one is no folder.
    """
    found = []
    for root in roots:
        path = os.path.abspath(root.expanduser())  # noqa: PTH100 (resolve() would follow links)
        if not Path(path).is_dir():
            kind = "a file" if Path(path).exists() else "not there"
            raise NotAVideoError(f"expected a folder to watch, {path} is {kind}")
        found.append(path)
    return [
        path
        for path in dict.fromkeys(found)
        if not any(path != other and is_below(path, other) for other in found)
    ]


def _watching(told: Sequence[str], polled: Sequence[str]) -> str:
    parts = [f"watching {', '.join(told)}"] if told else []
    parts += [f"looking now and then at {', '.join(polled)}"] if polled else []
    return "; ".join(parts) or "waiting for the folders to come back"


def _named(paths: Sequence[str]) -> str:
    """The names of some files, shortly.

    >>> _named(["/v/a.mp4"]), _named(["/v/1", "/v/2", "/v/3", "/v/4"])
    ('a.mp4', '1, 2, 3 and 1 more')
    """
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(Path(path).name for path in paths[:3]) + more


def _place(root: str) -> tuple[int, int] | None:
    try:
        found = Path(root).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
