"""Treat Ctrl-C as a request: the current step finishes before the run stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

StopFlag = threading.Event


@contextmanager
def stop_on_interrupt() -> Iterator[StopFlag]:
    """Within the block the first Ctrl-C sets the flag, the second raises KeyboardInterrupt as
    usual.

    In a thread that is not the main one signals cannot be caught; the flag then stays unset.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def request(number: int, frame: FrameType | None) -> None:
        del number, frame
        flag.set()
        signal.signal(signal.SIGINT, previous)

    previous = signal.getsignal(signal.SIGINT) or signal.SIG_DFL
    signal.signal(signal.SIGINT, request)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, previous)
