"""Commands in processes of their own, and the server that forks processes.

The server imports everything once and forks a real process for every use. It runs nothing, opens no
table (so no operation of lancedb's threads can be in flight when it forks) and loads no model: the
processes share no state with the test or with one another, but for the seed of Python's hashes.
"""

import io
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(
    ["finereel.library", "finereel.cli", "finereel.models.saving", "index.doubles", "kill_points"]
)


def _command(folder: Path, arguments: tuple[str, ...], said: Path, errors: Path) -> None:
    os.chdir(folder)
    os.environ.pop("COLUMNS", None)  # tables as wide as in a pipe, whatever started the tests
    for number, path in ((1, said), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), encoding="utf-8")
    sys.argv = ["finereel", *arguments]
    from finereel.__main__ import main

    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def anew(folder: Path, *arguments: str) -> Any:
    """The JSON value that a command prints, run by a new interpreter in `folder`; it must succeed.

    Slower by all imports than `finereel`, and with its own seed of Python's hashes.
    """
    command = [sys.executable, "-m", "finereel", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


def finereel(folder: Path, *arguments: str) -> Any:
    """The JSON value that a command prints, run by a fork in `folder`; it must succeed."""
    return json.loads(printed(folder, *arguments, "--json"))


def printed(folder: Path, *arguments: str) -> str:
    """What a command prints, run by a fork in `folder`; it must succeed."""
    said, errors = folder / ".stdout", folder / ".stderr"
    child = FORK.Process(target=_command, args=(folder, arguments, said, errors))
    child.start()
    child.join(300)
    if child.is_alive():
        child.kill()
        child.join()
    assert child.exitcode == 0, f"{arguments}: {errors.read_text(encoding='utf-8')[-2000:]}"
    return said.read_text(encoding="utf-8")
