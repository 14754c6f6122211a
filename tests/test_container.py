"""The container, without a container engine: what its file says, and that its commands do it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from finereel.library import Library
from places import ROOT
from support.media import RED, Recipe, make_video

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def command(name: str) -> list[str]:
    """The arguments of the last instruction of this name, which stand as JSON."""
    (*_, found) = re.findall(rf"^{name}\b.*?(\[.*\])$", TEXT, re.M)
    arguments: list[str] = json.loads(found)
    return arguments


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def as_here(arguments: list[str], library: Path, port: str) -> list[str]:
    """The same with this machine's Python, folder and port."""
    ours = {"finereel": [sys.executable, "-m", "finereel"], "python": [sys.executable]}
    first, *others = arguments
    named = [one.replace("/library", str(library)) for one in others]
    return [*ours[first], *(one.replace("8080", port) for one in named)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("container")
    make_video(folder / "red.mp4", Recipe(frames=10, colour=RED))
    made = Library.open(folder / "library", model="reelworld-tiny")
    made.add([folder / "red.mp4"])
    made.close()
    return made.path


def test_its_commands_serve_and_look_after_a_library(library: Path) -> None:
    port = free_port()
    serving = as_here([*command("ENTRYPOINT"), *command("CMD")], library, port)
    health = as_here(command("HEALTHCHECK"), library, port)
    process = subprocess.Popen(
        serving, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert process.stdout is not None
        assert f":{port}/?token=" in process.stdout.readline()
        assert subprocess.run(health, check=False, timeout=60).returncode == 0
        process.send_signal(getattr(signal, re.findall(r"STOPSIGNAL (\w+)", TEXT)[0]))
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    unhealthy = subprocess.run(health, check=False, timeout=60, stderr=subprocess.DEVNULL)
    assert unhealthy.returncode != 0


def test_it_does_not_run_as_root() -> None:
    (user,) = re.findall(r"^USER (\w+)$", TEXT, re.M)
    assert int(user) > 0


def test_it_copies_only_what_it_is_given() -> None:
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.M)
        for name in line.split()
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in IGNORED


def test_the_linter_has_nothing_to_say() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.is_file() and not os.environ.get("CI"):
        pytest.skip("hadolint is missing: pip install '.[dev]'")
    done = subprocess.run(
        [linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
