"""The command line as a whole: help, version, wrong usage, errors, the rule that stdout is for
results.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import finereel
from finereel.cli import COMMANDS

Run = Callable[..., Any]
JSON_COMMANDS = [
    ["search", "a cat"],
    ["status"],
    ["doctor"],
    ["remove", "a.mp4"],
    ["index", "videos"],
]


def test_help_names_every_command_and_needs_no_torch() -> None:
    code = (
        "import sys\nfrom finereel.cli import main\nsys.argv = ['finereel', '--help']\n"
        "try: main()\nexcept SystemExit: print({'torch', 'numpy', 'lancedb', 'PIL'} & "
        "set(sys.modules))"
    )
    began = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert time.perf_counter() - began < 5, (
        "help must be instant; this bound is only for crowded machines"
    )
    assert result.stdout.splitlines()[-1] == "set()"
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout) > 200


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"finereel {finereel.__version__}\n"


def test_wrong_usage_exits_2(run: Run) -> None:
    assert run("search").exit_code == 2
    assert run("nonsense").exit_code == 2
    assert run("search", "a cat", "--top", "0").exit_code == 2


@pytest.mark.parametrize("arguments", JSON_COMMANDS, ids=lambda arguments: arguments[0])
def test_json_is_all_there_is_on_stdout(run: Run, library: Any, arguments: list[str]) -> None:
    result = run(*arguments, "--library", "x", "--json")
    assert result.exit_code == 0
    json.loads(result.stdout)


@pytest.mark.parametrize("arguments", JSON_COMMANDS[:-1], ids=lambda arguments: arguments[0])
def test_an_error_is_one_message_and_status_1(run: Run, library: Any, arguments: list[str]) -> None:
    library.exists = False
    result = run(*arguments, "--library", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no library at nowhere")
    assert "Traceback" not in result.stderr


def test_an_error_with_json_is_one_object_on_stderr(run: Run, library: Any) -> None:
    library.exists = False
    result = run("search", "a cat", "--library", "nowhere", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    error = json.loads(result.stderr)["error"]
    assert error["type"] == "LibraryNotFoundError"
    assert "nowhere" in error["message"]


def test_an_operating_system_error_is_a_message_too(
    run: Run, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/v")

    monkeypatch.setattr(library, "status", refuse)
    result = run("status")
    assert result.exit_code == 1
    assert "Permission denied" in result.stderr


def test_our_own_mistakes_keep_their_traceback(
    run: Run, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise AssertionError("ours")

    monkeypatch.setattr(library, "status", stumble)
    assert isinstance(run("status").exception, AssertionError)


def test_ctrl_c_exits_130(run: Run, library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "status", interrupt)
    assert run("status").exit_code == 130


def test_library_from_the_environment_and_by_default(run: Run, library: Any) -> None:
    run("status", env={"FINEREEL_LIBRARY": "from-env"})
    run("status", env={"FINEREEL_LIBRARY": ""})
    run("status", "--library", "given", env={"FINEREEL_LIBRARY": "from-env"})
    assert [path for _, (path, _) in library.calls] == [
        Path("from-env"),
        Path("~/.finereel").expanduser(),
        Path("given"),
    ]
