"""Handle Ctrl-C at any moment, even during imports: exit status 130 and at most one word."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

STATUS = 128 + signal.SIGINT


@dataclass
class Interrupts:
    """Whether Ctrl-C came: an import can turn its KeyboardInterrupt into another error."""

    came: bool = False


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Within the block Ctrl-C is noted, then handled as before; outside of the main thread nothing
    changes.
    """
    noted = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        # callable: not ignored, as for a command that a shell started in the background
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.came = True
        before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def discard_output() -> None:
    """Point stdout at nothing: its reader is gone, and flushing at exit would fail again."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
