"""Makes the Nth call that changes files below a folder fail, as the operating system would.
Python's own calls only.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

CALLS = (
    "mkdir",
    "unlink",
    "rmdir",
    "replace",
    "rename",
    "link",
    "fsync",
    "ftruncate",
    "write",
    "pwrite",
)
NEVER = 10**9


class Counter:
    """calls: how many changing calls there were."""

    def __init__(self, root: Path, nth: int, number: int) -> None:
        self.root, self.nth, self.number = str(root), nth, number
        self.calls = 0

    def meet(self, path: Any) -> None:
        name = (
            str(Path(f"/proc/self/fd/{path}").readlink())
            if isinstance(path, int)
            else os.fsdecode(path)
        )
        if name.startswith(self.root):
            self.calls += 1
            if self.calls == self.nth:
                raise OSError(self.number, os.strerror(self.number), name)


@contextmanager
def failing_disk(root: Path, nth: int = NEVER, number: int = errno.ENOSPC) -> Iterator[Counter]:
    """Within the block call `nth` fails with `number`; the counter says how many there were."""
    counter = Counter(root, nth, number)
    with (
        patch.multiple(os, **{name: _met(getattr(os, name), counter) for name in CALLS}),
        patch.object(os, "open", _opened(os.open, counter)),
        patch.object(io, "open", _file(io.open, counter)),
        patch.object(builtins, "open", _file(builtins.open, counter)),
    ):
        yield counter


def _met(call: Callable[..., Any], counter: Counter) -> Callable[..., Any]:
    def run(path: Any, *rest: Any, **more: Any) -> Any:
        if not (isinstance(path, str | bytes | os.PathLike) and more.get("dir_fd") is not None):
            counter.meet(path)
        return call(path, *rest, **more)

    return run


def _opened(call: Callable[..., Any], counter: Counter) -> Callable[..., Any]:
    def run(path: Any, flags: int, *rest: Any, **more: Any) -> Any:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and more.get("dir_fd") is None:
            counter.meet(path)
        return call(path, flags, *rest, **more)

    return run


def _file(call: Callable[..., Any], counter: Counter) -> Callable[..., Any]:
    def run(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if not isinstance(path, int) and set(mode) & set("wax+"):
            counter.meet(path)
        return call(path, mode, *rest, **more)

    return run
