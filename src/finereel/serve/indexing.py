"""Index folders in a process of its own, whose progress a server tells.

python -m finereel.serve.indexing LIBRARY FOLDER ... prints one JSON value a line: every event of
`Library.add`, and its report or its error at the end. Ctrl-C finishes the commit under way.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from finereel.errors import FinereelError, LibraryBusyError
from finereel.io.storage.places import Place

NICE = 10
STOP_SECONDS = 60.0

Publish = Callable[[str, dict[str, Any]], None]


class Indexing:
    """What a server indexes, one run at a time.

    publish: told `progress` (done, total, path, clips, seconds_left), `problem` and at the end
    `indexed` with the report.
    """

    def __init__(self, library: Place, publish: Publish) -> None:
        self._library = library
        self._publish = publish
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._process is not None and self._process.poll() is None

    def start(self, folders: Sequence[Path], note: Callable[[], object]) -> None:
        """Begin a run, once `note` has written down that. Raises LibraryBusyError where one is under
        way.
        """
        with self._lock:
            if self.running:
                raise LibraryBusyError("this server is indexing already; wait until that is done")
            note()
            # A session of its own: Ctrl-C in the terminal reaches it once, through this server.
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self._library), *map(str, folders)],
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()

    def stop(self) -> bool:
        """Ask the run to finish its commit and end; whether there was one."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        process.send_signal(signal.SIGINT)
        return True

    def close(self) -> None:
        """Stop, and wait until the last commit is done."""
        if self.stop() and self._process is not None:
            try:
                self._process.wait(STOP_SECONDS)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                self._process.kill()
                self._process.wait()

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        progress = _RunProgress()
        ended = False
        with process.stdout:
            for line in process.stdout:
                told = json.loads(line)
                kind = told.pop("event")
                ended = kind in ("report", "error")
                if kind == "report":
                    self._publish("indexed", told)
                elif kind == "error" or kind == "FileFailed":
                    self._publish("problem", told)
                if not ended and progress.after(kind, told):
                    self._publish("progress", progress.as_json())
        if process.wait() and not ended:
            message = f"indexing ended early (status {process.returncode}); start it again"
            self._publish("problem", {"type": "LibraryError", "message": message})


class _RunProgress:
    """How far a run is, and how long the rest will take at the speed so far."""

    def __init__(self) -> None:
        self.total = self.done = self.clips = 0
        self.path, self.share = "", 0.0
        self._began = time.monotonic()

    def after(self, kind: str, told: dict[str, Any]) -> bool:
        """Take an event in; whether it changed anything."""
        if kind == "Planned":
            self.total = told["to_encode"]
        elif kind == "FileStarted":
            self.path, self.share = told["path"], 0.0
        elif kind == "FileAdvanced":
            self.share = min(1.0, told["seconds"] / told["duration"]) if told["duration"] else 0.0
        elif kind in ("FileIndexed", "FileFailed"):
            self.done, self.share = self.done + 1, 0.0
            self.clips += told.get("clips", 0)
        else:
            return False
        return True

    def as_json(self) -> dict[str, Any]:
        """For the page; seconds_left: None where it is too early to say."""
        spent, made = time.monotonic() - self._began, self.done + self.share
        left = spent * max(0.0, self.total - made) / made if made > 0 and spent > 1 else None
        return {
            "done": self.done,
            "total": self.total,
            "clips": self.clips,
            "path": self.path,
            "seconds_left": None if left is None else round(left, 1),
        }


def _tell(kind: str, values: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # the server is gone: the run is finished nevertheless
        print(json.dumps({"event": kind, **values}), flush=True)


def main(arguments: Sequence[str]) -> int:
    """Index, and tell every event; the exit status is 1 where it ended with an error."""
    from finereel.library import Library

    with suppress(OSError):
        os.nice(NICE)
    library = Library.open(arguments[0])
    try:
        report = library.add(
            arguments[1:], on_event=lambda event: _tell(type(event).__name__, asdict(event))
        )
    except FinereelError as error:
        _tell("error", {"type": type(error).__name__, "message": str(error)})
        return 1
    finally:
        library.close()
    _tell("report", asdict(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
