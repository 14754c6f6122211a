"""Treat Ctrl-C and SIGTERM as requests: the current step is finished and saved; a second signal
ends the process at once.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_REQUESTS = (signal.SIGINT, signal.SIGTERM)
_SAME_REQUEST = 1.0
"""Seconds: a terminal signals the whole process group and torchrun passes the signal on, which is
one request.
"""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """Training stopped on request, everything is saved.

    Args: step: steps done; signum: the signal that asked. A command exits with 128 + signum, as
    shells expect.
    """

    def __init__(self, step: int, signum: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(signum).name} after step {step}; the same command goes on "
            "from there"
        )
        self.step = step
        self.signum = signum

    def __reduce__(self) -> tuple[type["Stopped"], tuple[int, int]]:
        """Let the exception pass from one process to another."""
        return Stopped, (self.step, self.signum)


@dataclass
class StopRequest:
    """Which signal asked to stop (0: none did) and when, in seconds of the monotonic clock."""

    signum: int = 0
    since: float = 0.0

    def made(self) -> bool:
        """Whether anybody asked."""
        return self.signum != 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within the block SIGINT and SIGTERM are noted; another one more than a second later ends the
    process.

    In a thread that is not the main one signals cannot be caught, and nothing is ever noted.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(signum: int, frame: FrameType | None) -> None:
        if not request.made():
            request.signum, request.since = signum, time.monotonic()
        elif time.monotonic() - request.since > _SAME_REQUEST:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)

    previous = {number: signal.signal(number, note) for number in _REQUESTS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


# Ctrl-C as a request: the current step ends cleanly instead of being torn in the middle.
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
