"""Tell files that stand still from those that somebody still writes."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from finereel.video.files import FileState, file_state
from finereel.video.find import Found
from finereel.video.plan import Limits
from finereel.video.reader import DiskSource


@dataclass
class _LastLook:
    """The state of a file, and since when it is that one, in seconds of the clock."""

    state: FileState
    since: float


class Settling:
    """Remembers since when the size and the modification time of each file are what they are.

    A file stands still once they were the same for `seconds`. Of a file that is there when watching
    begins its age by its own modification time is believed; later a copy that brings its old time
    along has to be seen twice.

    >>> clock = [100.0]
    >>> settling = Settling(5.0, clock=lambda: clock[0], wall=lambda: 1000.0)
    >>> settling.begun = True
    >>> settling.is_still("a.mp4", FileState(10, 0)), clock.append(106.0), clock.pop(0)
    (False, None, 100.0)
    >>> settling.is_still("a.mp4", FileState(10, 0)), settling.is_still("a.mp4", FileState(11, 0))
    (True, False)
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.seconds = seconds
        self.begun = False
        self._clock, self._wall = clock, wall
        self._seen: dict[str, _LastLook] = {}
        self._moving: set[str] = set()

    @property
    def moving(self) -> list[str]:
        """The files that did not stand still when last looked at, sorted."""
        return sorted(self._moving)

    def is_still(self, path: str, state: FileState) -> bool:
        """Whether a file that is in this state now stands still."""
        now, seen = self._clock(), self._seen.get(path)
        if seen is None or seen.state != state:
            age = 0.0
            if not self.begun and seen is None:
                age = max(0.0, self._wall() - state.mtime_ns / 1e9)
            seen = self._seen[path] = _LastLook(state, now - age)
        still = now - seen.since >= self.seconds
        (self._moving.discard if still else self._moving.add)(path)
        return still

    def look(self, path: str) -> bool:
        """Look at a file; whether it stands still. One that is gone is forgotten, and no longer
        moves.
        """
        try:
            return self.is_still(path, file_state(path))
        except OSError:
            self._seen.pop(path, None)
            self._moving.discard(path)
            return True

    def settled_since(self) -> bool:
        """Look at the moving files again; whether one of them stands still, or is gone, by now."""
        looks = [self.look(path) for path in self.moving]
        return any(looks)


class SettledSource(DiskSource):
    """The videos of the file system that stand still."""

    def __init__(self, settling: Settling, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._settling = settling

    def find(self, paths: Iterable[Path]) -> Found:
        """The videos below some paths, but for those that somebody still writes."""
        found = super().find(paths)
        still = tuple(path for path in found.videos if self._settling.look(str(path)))
        self._settling.begun = True
        return replace(found, videos=still)
