"""VERDICTS: what one rater said, one JSON line per decision, on the disk before the next item is
shown.
"""

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from finereel.errors import ConfigError, DataError
from finereel.io.atomic import storage_errors, writes
from finereel.io.locks import locked

VerdictName = Literal["valid", "also_true", "ungrammatical", "unsure"]
VERDICTS: dict[VerdictName, str] = {
    "valid": "good English, and false of the video",
    "also_true": "good English, but it may be true of the video as well",
    "ungrammatical": "not a sentence anyone would write",
    "unsure": "cannot be told from this video",
}
"""In the order of the keys 1 to 4. The first that applies from the bottom up is the one to give."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line of a verdict file. `verdict` is None where an earlier one was taken back; `undo`
    marks those steps.

    item: key of the item. id, pos: of the negative. at: time of the rater's clock. event: name of
    the step, so that a step sent twice counts once.
    """

    item: str
    id: str
    pos: str
    rater: str
    verdict: VerdictName | None
    at: str = ""
    event: str = ""
    undo: bool = False


def rater_name(name: str) -> str:
    """The name as it stands in file names and verdicts.

    Raises ConfigError for one that could not be a file name everywhere.

    >>> rater_name(" anna ")
    'anna'
    """
    stripped = name.strip()
    if not re.fullmatch(r"[\w@+-][\w.@+-]{0,63}", stripped):
        raise ConfigError(f"a rater's name is 1 to 64 letters, digits and . _ - @ +, got {name!r}")
    return stripped


def verdict_path(negatives: Path, rater: str) -> Path:
    """Where the verdicts of a rater lie: beside the file that was read.

    >>> verdict_path(Path("out/uvo.jsonl"), "anna").as_posix()
    'out/uvo.verdicts-anna.jsonl'
    """
    return negatives.with_name(f"{negatives.stem}.verdicts-{rater_name(rater)}.jsonl")


def current(events: Iterable[Judgement]) -> dict[str, Judgement]:
    """The verdict that stands for every item, by item; those taken back are left out."""
    standing: dict[str, Judgement] = {}
    for event in events:
        standing.pop(event.item, None)
        if event.verdict is not None:
            standing[event.item] = event
    return standing


def read_events(path: Path) -> list[Judgement]:
    """Every step of a verdict file, in order.

    A last line that broke off (no line end) is left out: its writer was stopped before it was
    confirmed. Raises DataError naming file and line for any other line that is no verdict, and for
    a file of more than one rater.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such verdict file; a review writes it, or --import does"
        ) from None
    events = [
        _parsed(line, path, number) for number, line in enumerate(lines[:-1], 1) if line.strip()
    ]
    raters = sorted({event.rater for event in events})
    if len(raters) > 1:
        raise DataError(
            f"{path}: expected the verdicts of one rater, found {', '.join(raters)}; split the file"
        )
    return events


def read_verdicts(path: Path) -> dict[str, Judgement]:
    """The verdicts that stand in a file, by item; see `read_events` for errors."""
    return current(read_events(path))


class VerdictLog:
    """The verdict file of one rater, open for adding: a step is on the disk when `add` returns.

    Raises DataError when the file holds another rater's verdicts. Any number of threads may add.
    """

    def __init__(self, path: Path, rater: str) -> None:
        self.path = path
        self.rater = rater_name(rater)
        self.events: list[Judgement] = read_events(path) if path.exists() else []
        if self.events and self.events[0].rater != self.rater:
            raise DataError(
                f"{path}: expected the verdicts of {self.rater}, it holds those of "
                f"{self.events[0].rater}"
            )
        self._known = {event.event for event in self.events if event.event}
        self._lock = threading.Lock()

    def add(self, event: Judgement) -> bool:
        """Append one step; False when a step of its name is there already."""
        line = json.dumps(asdict(event)).encode() + b"\n"
        with self._lock:
            if event.event in self._known:
                return False
            self._append(line)
            self.events.append(event)
            if event.event:
                self._known.add(event.event)
        return True

    @writes("self.path")
    def _append(self, line: bytes) -> None:
        with self.path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":  # a line that broke off when an earlier run was killed
                    file.truncate(_last_line_end(self.path))
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def open_log(negatives: Path, rater: str) -> Iterator[VerdictLog]:
    """The verdicts of a rater on a file, to be added to by nobody else meanwhile: a lock lies
    beside them.

    Raises ConfigError where a process has them open or they cannot be written there.
    """
    path = verdict_path(negatives, rater)

    def taken(holder: str) -> ConfigError:
        return ConfigError(
            f"the verdicts of {rater.strip()} on {negatives.name} are open in process {holder}: go "
            "on there, stop it "
            "first, or take another name"
        )

    with ExitStack() as held:
        with storage_errors(path):
            held.enter_context(locked(path.with_name(f"{path.name}.lock"), taken))
        yield VerdictLog(path, rater)


def _last_line_end(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _parsed(line: bytes, path: Path, number: int) -> Judgement:
    try:
        return judgement(json.loads(line))
    except ValueError as error:
        raise DataError(f"{path}, line {number}: {error}") from None


def judgement(fields: Any) -> Judgement:
    """A step from the fields of a JSON object. Raises DataError that names the field and what came.

    >>> judgement({"item": "k", "id": "n", "pos": "noun", "rater": "anna", "verdict": "valid"}).verdict
    'valid'
    """
    if not isinstance(fields, Mapping):
        raise DataError(f"expected a verdict as a JSON object, got {type(fields).__name__}")
    values = {name: fields.get(name, "") for name in ("item", "id", "pos", "rater", "at", "event")}
    for name, value in values.items():
        if not isinstance(value, str) or (not value and name in ("item", "rater")):
            raise DataError(f"expected {name} as a text, got {value!r}")
    verdict = fields.get("verdict")
    if verdict is not None and verdict not in VERDICTS:
        raise DataError(f"unknown verdict {verdict!r}: expected one of {', '.join(VERDICTS)}")
    return Judgement(**values, verdict=verdict, undo=fields.get("undo") is True)
