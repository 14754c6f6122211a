"""Learn of changes in folders, by the system's own messages or by looking again and again."""

import importlib
import queue
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from finereel.errors import ConfigError
from finereel.index.folders import is_below
from finereel.video.find import COMPANIONS
from finereel.video.subtitles import FORMATS as SUBTITLES

DEBOUNCE_MS = 1600
"""Changes within this time come together."""

POLL_MS = 10_000
"""Time between two looks at a folder that does not tell."""


def needs_watchfiles() -> None:
    """Raises ConfigError where `finereel[watch]` is missing."""
    _watchfiles()


class Listener:
    """Listens to folders in threads of its own, until it is closed.

    changes: what changed, as paths, and the error of a thread that had to end.
    """

    def __init__(self, told: Sequence[str], polled: Sequence[str]) -> None:
        self.changes: queue.Queue[set[str] | Exception] = queue.Queue()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, args=(list(paths), polling), daemon=True)
            for paths, polling in ((told, False), (polled, True))
            if paths
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads; one that waits for a disk is left to itself."""
        self._stop.set()
        for thread in self._threads:
            thread.join(3.0)

    def _listen(self, paths: list[str], polling: bool) -> None:
        try:
            for changes in _watchfiles().watch(
                *paths,
                watch_filter=None,
                debounce=DEBOUNCE_MS,
                stop_event=self._stop,
                rust_timeout=1000,
                raise_interrupt=False,
                force_polling=polling,
                poll_delay_ms=POLL_MS,
                ignore_permission_denied=True,
            ):
                self.changes.put({path for _, path in changes})
        except Exception as error:  # of whatever kind: the caller goes on in another way
            self.changes.put(error)


def matters(path: str, library: str) -> bool:
    """Whether a change at `path` may change what a library holds.

    >>> matters("/v/a.mp4", "/lib"), matters("/v/a.jpg", "/lib"), matters("/v/a.srt", "/lib")
    (True, False, True)
    >>> matters("/lib/lock", "/lib"), matters("/v/.a.mp4.Xy12", "/lib"), matters("/v/new", "/lib")
    (False, False, True)
    """
    name = Path(path).name.lower()
    if is_below(path, library) or name.startswith("."):
        return False
    return Path(name).suffix not in COMPANIONS - {*SUBTITLES}


def matter(paths: Iterable[str], library: str) -> list[str]:
    """Those of `paths` that `matters` says yes to, sorted."""
    return sorted(path for path in paths if matters(path, library))


def _watchfiles() -> Any:
    try:
        return importlib.import_module("watchfiles")
    except ImportError as error:
        raise ConfigError(
            "watching needs the package watchfiles: pip install 'finereel[watch]'; `finereel index` "
            "adds what changed once"
        ) from error
