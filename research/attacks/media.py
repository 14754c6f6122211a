"""The attack `media`: bad media files are read, each by the decoding child, and what must not
happen is counted.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from finereel.errors import VideoError
from finereel.video import ClipPlan, VideoReader
from research.attacks.base import Result
from research.attacks.media_files import (
    CANARY,
    flipped,
    hostile,
    make,
    odd_names,
    truncated,
    valid_files,
)

SECONDS, MIB = 30.0, 1024
NEVER = f"death, leaked child, untyped error, canary, over {SECONDS:.0f} s or {MIB} MiB"
CHANGES: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "shrunk": lambda path: os.truncate(path, path.stat().st_size // 2),
    "deleted": lambda path: path.unlink(),
    "replaced": lambda path: (path.unlink(), path.write_bytes(b"Dear reader,\n" * 9999)),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size)),
    "grown": lambda path: path.open("ab").write(bytes(10**6)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}
"""What happens to a file between its first clip and its second one."""


def attack(scratch: Path, count: int, seed: int) -> list[Result]:
    """About `count` bad files: half of them cut, a third with flipped bits, the rest hostile, odd
    or changing.
    """
    valid = valid_files(scratch / "valid")
    bad = scratch / "bad"
    bad.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        harm = list(hostile(bad, server.getsockname()[1]))
        few = slice(None) if count >= 500 else slice(None, None, max(1, len(harm) * 3 // count))
        results = [
            _tried("media files cut short", list(truncated(bad, valid, count // 2))),
            _tried("media files with flipped bits", list(flipped(bad, valid, count // 3, seed))),
            _tried("files that are no video, claim too much or name others", harm[few]),
            _tried("odd file names", list(odd_names(bad, valid))[few]),
            _tried(
                "files that change while they are read",
                changing_files(bad, max(8, count // 30)),
                "--change",
            ),
        ]
        try:
            server.accept()
        except BlockingIOError:
            return results
        return [*results, Result("connections asked for by a file", len(harm), 1, "a connection")]


def changing_files(folder: Path, count: int) -> list[Path]:
    """Videos of 24 s, in several containers; their names say what will happen to them."""
    sources = {
        suffix: make(folder / f"change.{suffix}", codec, frames=600, size=(160, 120)).read_bytes()
        for suffix, codec in (
            ("mkv", "libx264"),
            ("mp4", "libx264"),
            ("avi", "mpeg4"),
            ("ts", "mpeg2video"),
        )
    }
    paths = []
    for number in range(count):
        suffix = list(sources)[number % len(sources)]
        change = list(CHANGES)[number // len(sources) % len(CHANGES)]
        paths.append(folder / f"{number:03d}-{change}.{suffix}")
        paths[-1].write_bytes(sources[suffix])
    return paths


def judge(paths: Iterable[Path], change: bool = False) -> list[str]:
    """Read every file; the names of those where something happened that must not, each with
    what.
    """
    failures, pids = [], set()
    with VideoReader() as reader:
        for path in paths:
            began = time.monotonic()
            wrong = _read(reader, path, change)
            pid = reader.pid
            pids.add(pid)
            if time.monotonic() - began > SECONDS:
                wrong = wrong or f"took {time.monotonic() - began:.0f} s"
            if pid is not None and _peak_mib(pid) > MIB:
                wrong = wrong or f"took {_peak_mib(pid)} MiB"
                reader.close()
            if wrong:
                failures.append(f"{path.name!r}: {wrong}")
    failures += [
        f"child {pid} is left" for pid in pids if pid is not None and Path(f"/proc/{pid}").exists()
    ]
    return failures


def _read(reader: VideoReader, path: Path, change: bool) -> str:
    """What went wrong with one file, "" when clips or a typed error came."""
    try:
        stream = reader.read(path, ClipPlan(length=2.0) if change else None)
        for number, clip in enumerate(stream):
            if change and number == 0:
                CHANGES[path.stem.split("-", 1)[1]](path)
            if (np.abs(clip.frames.pixels.astype(int) - CANARY).max(axis=-1) < 40).mean() > 0.3:
                return "shows the canary"
    except VideoError as error:
        if "decoding failed (" in str(error) or not str(error).isprintable():
            return f"untyped in the child: {str(error)[-200:]!r}"
    except Exception as error:
        return f"untyped: {error!r}"
    return ""


def _peak_mib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def _tried(name: str, paths: list[Path], *options: str) -> Result:
    """Judge files in a process of their own, whose death fails them all."""
    names = json.dumps([str(path) for path in paths])
    command = [sys.executable, "-m", "research.attacks.media", *options]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[2])]),
    }
    done = subprocess.run(
        command, input=names, capture_output=True, text=True, check=False, env=environment
    )
    try:
        failures = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        failures = None
    if failures is None:
        last = (done.stderr.splitlines() or ["nothing on stderr"])[-1]
        return Result(
            name,
            len(paths),
            len(paths),
            NEVER,
            (f"the reading process ended with {done.returncode}: {last}",),
        )
    return Result(name, len(paths), len(failures), NEVER, tuple(failures[:10]))


if __name__ == "__main__":
    print(
        json.dumps(
            judge([Path(name) for name in json.loads(sys.stdin.read())], "--change" in sys.argv)
        )
    )
