"""The verdicts of one rater: one JSON line per decision, saved before the next item is shown."""

import heapq
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from finereel.errors import ConfigError, DataError
from finereel.finegrain.types import Change, Negative
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


# WHICH NEGATIVES ARE READ: a sample per part of speech, in an order that leads nobody.
@dataclass(frozen=True)
class Sampling:
    """How many negatives of every part of speech are read (0: all of them), drawn and shuffled by
    `seed`.
    """

    sample: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sample < 0:
            raise ConfigError(f"sample must be 0 (all) or more, got {self.sample}")


@dataclass(frozen=True, slots=True)
class Item:
    """A negative to be read, under a key that says nothing about it and does not depend on its
    place in a file.
    """

    key: str
    row: Negative


def review_items(rows: Iterable[Negative], choice: Sampling | None = None) -> tuple[Item, ...]:
    """Draw the items to read, the same for the same (rows, choice) in whatever order the rows come.

    A larger sample holds the smaller one of the same seed, so that a review can be extended. Rows
    that share an id are different items where they differ in anything, and where they do not, too.
    """
    wanted = choice or Sampling()
    drawn = _drawn(_with_keys(rows), wanted) if wanted.sample else list(_with_keys(rows))
    return tuple(sorted(drawn, key=lambda item: _place(item.key, f"show {wanted.seed}")))


def _drawn(items: Iterable[Item], choice: Sampling) -> list[Item]:
    """The `choice.sample` items of every part of speech with the smallest drawn numbers, holding no
    more at a time.
    """
    kept: dict[Change, list[tuple[int, str, Item]]] = {}
    for item in items:
        heap = kept.setdefault(item.row.pos, [])
        entry = (-_place(item.key, f"draw {choice.seed}"), item.key, item)
        if len(heap) < choice.sample:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    return [item for heap in kept.values() for _, _, item in heap]


def set_name(items: Iterable[Item]) -> str:
    """A name for exactly these items, under which a browser keeps its verdicts; their order does
    not matter.
    """
    return _digest("\n".join(sorted(item.key for item in items)))


def _with_keys(rows: Iterable[Negative]) -> Iterator[Item]:
    seen: Counter[str] = Counter()
    for row in rows:
        told = (
            row.id,
            row.video_id,
            row.caption_id,
            row.caption,
            row.negative,
            row.pos,
            row.start,
            row.end,
        )
        key = _digest(json.dumps(told))
        seen[key] += 1
        yield Item(key if seen[key] == 1 else f"{key}-{seen[key]}", row)


def _place(key: str, purpose: str) -> int:
    return int(_digest(f"{purpose} {key}"), 16)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
