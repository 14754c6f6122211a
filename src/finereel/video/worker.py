"""Manage a decoding child process: start it, talk to it with a deadline, kill it."""

import fcntl
import json
import math
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8

from finereel.errors import (
    BrokenVideoError,
    FinereelError,
    StalledVideoError,
    VideoError,
    VideoLimitError,
)
from finereel.video import messages
from finereel.video.plan import Limits

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from finereel.video.child import main; main(int(sys.argv[2]))"
)
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")
_PIPE_BYTES = 2**20

STALLED = 0.3
"""Share of the deadline below which a decoder that is late had no chance to be in time."""


def _log_file() -> IO[bytes]:
    """An unnamed file to append to: it can be emptied between two files while the child holds it
    open.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the child is killed)
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


class Worker:
    """A running child and the pipes to it. One request at a time; one thread at a time.

    `receive` and `receive_bytes` raise VideoLimitError past the deadline and BrokenVideoError when
    the child is gone or talks nonsense; it is dead afterwards in either case, and `alive` says so.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.served = 0
        self._log: IO[bytes] = _log_file()
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }  # numpy's pools eat memory
        held, self._lifeline = os.pipe()  # the child ends when our end closes, however we go
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, json.dumps(sys.path), str(held)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            bufsize=0,
            pass_fds=(held,),
        )
        os.close(held)
        self._widen_pipe()
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._waited = self._used = 0.0
        self._greet()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def request(self, header: messages.Header) -> None:
        """Hand the child a file. Its earlier words on stderr are dropped."""
        self.served += 1
        self._log.truncate(0)
        self.restart_clock()
        self._send(header)

    def restart_clock(self) -> None:
        """Give the child a full deadline for its next answer."""
        self._waited = 0.0
        self._used = self._processor_seconds()

    def receive(self) -> messages.Header:
        """The next header from the child."""
        try:
            length = messages.decode_length(self.receive_bytes(messages.LENGTH.size).tobytes())
            return messages.decode(self.receive_bytes(length).tobytes())
        except BrokenVideoError:
            raise
        except (ValueError, RecursionError) as error:
            if isinstance(error, VideoLimitError):
                raise
            self.kill()
            raise BrokenVideoError(f"the decoder answered nonsense ({error})") from error

    def receive_bytes(self, count: int) -> UInt8[np.ndarray, " count"]:
        """Exactly `count` bytes; only the time spent waiting for the child counts against the
        deadline.
        """
        buffer = np.empty(count, dtype=np.uint8)
        view = buffer.data
        while view:
            self._wait()
            received = os.readv(self._stdout, [view])
            if received == 0:
                raise self._gone()
            view = view[received:]
        return buffer

    def kill(self) -> None:
        """End the child now and release everything; safe to call again."""
        lifeline, self._lifeline = self._lifeline, -1  # closed once, whichever thread comes first
        if lifeline < 0:
            return
        os.close(lifeline)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                stream.close()

    def words(self) -> list[str]:
        """The last lines the decoder wrote to stderr about this file, without memory addresses."""
        if self._log.closed:
            return []
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4096))
        text = self._log.read().decode(errors="replace")
        return [_ADDRESS.sub("", line) for line in text.splitlines() if line.strip()]

    @property
    def _stdout(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def _greet(self) -> None:
        """Wait until the child can serve. What goes wrong before that is this installation's fault,
        never a file's.
        """
        try:
            self._send(asdict(self._limits))
            if self.receive()["kind"] == "ready":
                return
            reason = "it did not say that it is ready"
        except VideoError as error:
            reason = str(error)
        self.kill()
        raise FinereelError(
            f"the decoding process does not start: {reason}; try `python -c 'import av'`"
        )

    def _send(self, header: messages.Header) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(messages.encode(header))
        except BrokenPipeError as error:
            raise self._gone() from error

    def _wait(self) -> None:
        left = self._limits.deadline_s - self._waited
        before = time.monotonic()
        ready = self._poll.poll(max(0.0, left) * 1000)
        self._waited += time.monotonic() - before
        if not ready:
            used = self._processor_seconds() - self._used
            self.kill()
            if used < STALLED * self._limits.deadline_s:
                raise StalledVideoError(
                    f"no clip within {self._limits.deadline_s:g} s, of which the decoder could "
                    f"work for {used:.1f} s: "
                    "the machine is busy, or the disk does not answer"
                )
            raise VideoLimitError(
                f"no clip within {self._limits.deadline_s:g} s; raise deadline_s, or read "
                "keyframes only "
                "(`--mode keyframes`)"
            )

    def _processor_seconds(self) -> float:
        """What the child has used so far; infinite where the system does not say, so that it never
        counts as little.
        """
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, IndexError):
            return math.inf

    def _gone(self) -> BrokenVideoError:
        words = self.words()
        code = self._process.wait()
        self.kill()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return BrokenVideoError(
            f"the decoder {how} on this file" + (f" ({words[-1]})" if words else "")
        )

    def _widen_pipe(self) -> None:
        """A wider pipe lets the child run ahead; where the system has no such call the default
        does.
        """
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(self._stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
