"""Power cuts: everything that was not forced to disk is lost, torn or old, and what was announced
is still there.

Which writes a power cut keeps is known from the program's own calls of fsync: a file is as it was
when it was last forced to disk, and its name is there if its folder was forced to disk after.
Everything else may be anything: gone, of no bytes, cut short, zeroed, old, or as it was written.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from finereel.errors import LibraryNotFoundError
from finereel.index.events import FileIndexed
from finereel.index.opening import open_store
from finereel.index.store import writer_lock
from research.attacks.base import Result
from research.attacks.toy_library import (
    CAPTIONS,
    Answer,
    answers,
    opened,
    same_answers,
    settings,
    write_videos,
)

QUERIES = ("dog1", "cat2 dog5", "cow4")
LOSSES = ("everything", "content", "tail", "blocks", "anything")
"""What happens to the writes that were not forced to disk: all undone; names kept and contents
lost; files cut short; zeroed; or each file something else.
"""


@dataclass(frozen=True)
class Cut:
    """The library's folder at one moment.

    Args:
        stage: Which command runs.
        announced: The videos of which it was said that they are indexed.
        now: Inode and content of every file as the running system has it.
        files: What of every inode is on the disk.
        names: Which entries of every folder are on the disk: inodes, None for folders.
    """

    stage: int
    announced: frozenset[str]
    now: dict[str, tuple[int, bytes]]
    files: dict[int, bytes]
    names: dict[str, dict[str, int | None]]


class Recorder:
    """Follows a folder through `os.fsync`; `cuts` holds the state at every call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cuts: list[Cut] = []
        self.announced: set[str] = set()
        self.stage = 0
        self._files: dict[int, bytes] = {}
        self._names: dict[str, dict[str, int | None]] = {}
        self._fsync = os.fsync

    @contextmanager
    def recording(self) -> Iterator[None]:
        with mock.patch("os.fsync", self._sync):
            yield

    def cut(self) -> None:
        """Remember this moment."""
        names = {folder: dict(entries) for folder, entries in self._names.items()}
        now = {
            str(path.relative_to(self.folder)): _content(path) for path in _files_below(self.folder)
        }
        self.cuts.append(Cut(self.stage, frozenset(self.announced), now, dict(self._files), names))

    def _sync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path != self.folder and self.folder not in path.parents:
            return
        self.cut()
        if path.is_dir():
            entries = {
                entry.name: None if entry.is_dir() else entry.stat().st_ino
                for entry in path.iterdir()
            }
            self._names[str(path.relative_to(self.folder))] = entries
        else:
            self._files[path.stat().st_ino] = path.read_bytes()


def power_cuts(scratch: Path, count: int, seed: int) -> list[Result]:
    """Cut the power at about `count` moments of `index`, `normalize`, `remove`, compaction and
    `index` again.
    """
    rng = random.Random(seed)
    library, videos = scratch / "library", scratch / "videos"
    recorder = Recorder(library)
    act = _record(recorder, library, videos)
    final = answers(library, QUERIES)
    moments = [(cut, loss) for cut in recorder.cuts for loss in LOSSES]
    chosen = rng.sample(moments, min(count, len(moments)))
    wrong = []
    for cut, loss in chosen:
        shutil.rmtree(library)
        restore(cut, loss, library, rng)
        problem = verdict(library, cut, act, final)
        if problem:
            wrong.append(
                f"stage {cut.stage}, {len(cut.announced)} videos announced, {loss}: {problem}"
            )
    never = "an announced video lost, or a library that does not open"
    return [
        Result(
            "power cut with unsynced writes lost", len(chosen), len(wrong), never, tuple(wrong[:5])
        )
    ]


def verdict(library: Path, cut: Cut, act: Callable[[], None], final: list[Answer]) -> str:
    """What is wrong with a library after a power cut, and after the interrupted commands
    ran again.
    """
    try:
        videos = _indexed(library)
        if lost := cut.announced - videos:
            return f"lost {sorted(lost)}"
        if videos:
            opened(library).doctor()
        act()
        return "" if same_answers(answers(library, QUERIES), final) else "another answer in the end"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]


def restore(cut: Cut, loss: str, library: Path, rng: random.Random) -> None:
    """The folder as the disk may have it after the cut."""
    library.mkdir(parents=True)
    old = dict(_durable(cut, ""))
    for name in sorted(set(old) | set(cut.now)):
        content = _after(cut, loss, name, old.get(name), rng)
        if content is not None:
            path = library / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _after(cut: Cut, loss: str, name: str, old: int | None, rng: random.Random) -> bytes | None:
    """The content that a name has after the cut, None where the name is not there."""
    written = cut.now.get(name)
    if written is not None and old == written[0] and cut.files.get(old) == written[1]:
        return written[1]
    if loss == "anything":
        loss = rng.choice([*LOSSES[:-1], "nothing"])
    if loss == "everything" or written is None:
        # A removal that was not forced to disk may be undone as well.
        return (
            None
            if old is None or (written is None and loss != "everything")
            else cut.files.get(old, b"")
        )
    inode, content = written
    if loss == "nothing" or cut.files.get(inode) == content:
        return content
    if loss == "content":
        return cut.files.get(inode, b"")
    return content[: len(content) // 2] if loss == "tail" else bytes(len(content))


def _durable(cut: Cut, folder: str) -> Iterator[tuple[str, int]]:
    for name, inode in cut.names.get(folder or ".", {}).items():
        path = f"{folder}/{name}" if folder else name
        if inode is None:
            yield from _durable(cut, path)
        else:
            yield path, inode


def _record(recorder: Recorder, library: Path, videos: Path) -> Callable[[], None]:
    """Fill the library under the recorder; returns what a person types again after a cut."""
    first, second, gone = (videos / name for name in ("first", "second", "gone"))

    def told(event: object) -> None:
        if isinstance(event, FileIndexed) and gone not in Path(event.path).parents:
            recorder.announced.add(event.path)
            recorder.cut()

    def act() -> None:
        opened(library).add([first, second], settings=settings())
        opened(library).remove([gone])
        opened(library).fit_normalization(CAPTIONS)
        with writer_lock(library):
            store = open_store(library)
            assert store is not None
            store.tidy(force=True)

    write_videos(first)
    write_videos(gone, 2)
    with recorder.recording():
        opened(library).add([first, gone], on_event=told, settings=settings())
        opened(library).fit_normalization(CAPTIONS)
        recorder.stage = 1
        write_videos(second, 3)
        os.utime(first / "v1.toy", (1, 1))
        opened(library).add([first, second], on_event=told, settings=settings())
        recorder.stage = 2
        act()
    return act


def _indexed(library: Path) -> set[str]:
    try:
        opened(library).status()
    except LibraryNotFoundError:
        return set()
    return {hit[0] for hits in answers(library, QUERIES) for hit in hits}


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _content(path: Path) -> tuple[int, bytes]:
    return path.stat().st_ino, path.read_bytes()
