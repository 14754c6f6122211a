"""A server in a process of its own, as a person starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 60
HOSTILE, BYTES = "<img src=x onerror=alert(1)>&'.mp4", os.fsdecode(b"caf\xe9.mp4")
"""Names of videos: one with markup, one that is not UTF-8."""


@dataclass(frozen=True)
class ServerProcess:
    """`finereel serve` under way. url: as it printed it, with the token."""

    url: str
    process: "subprocess.Popen[str]"

    @property
    def base(self) -> str:
        """The address without the token."""
        return self.url.partition("/?")[0]

    @property
    def port(self) -> int:
        found = urlsplit(self.url).port
        assert found is not None
        return found

    @property
    def token(self) -> str:
        return self.url.partition("token=")[2]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def server_process(library: Path, *options: str) -> Iterator[ServerProcess]:
    """Start `finereel serve` for a library on a free port, and end it after the block."""
    command = [sys.executable, "-m", "finereel", "serve", "--library", str(library)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-open", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        assert process.stdout is not None
        yield ServerProcess(process.stdout.readline().strip(), process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
