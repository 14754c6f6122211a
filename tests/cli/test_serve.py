"""`finereel serve`: what it is told, and what it says where it cannot start."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from finereel.serve import starting
from finereel.serve.settings import ServeSettings
from finereel.web.running import Address, listen

Run = Callable[..., Any]
TOKEN = "0123456789abcdef"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """What looks like a library from outside."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "library.json").write_text("{}")
    return folder


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ServeSettings, Address]]:
    """Servers that were asked for, none of which runs."""
    found: list[tuple[ServeSettings, Address]] = []

    def serve(settings: ServeSettings, address: Address, on_start: Callable[..., None]) -> None:
        found.append((settings, address))
        on_start(starting.Started(f"http://{address.in_url}/?token={settings.token}", address))

    monkeypatch.setattr(starting, "serve", serve)
    monkeypatch.delenv("FINEREEL_TOKEN", raising=False)
    return found


def test_it_says_where_it_is(
    run: Run, library: Path, told: list[tuple[ServeSettings, Address]]
) -> None:
    arguments = ("--port", 81, "--no-open", "--read-only", "--root", "videos", "--metrics")
    result = run("serve", "--library", library, *arguments, "--allow-host", "Studio.local")
    [(settings, address)] = told
    assert result.stdout == f"http://127.0.0.1:81/?token={settings.token}\n"
    assert result.stderr == ""
    assert address == Address("127.0.0.1", 81)
    assert (settings.library, settings.read_only, settings.metrics) == (library, True, True)
    assert settings.roots == (Path.cwd() / "videos",)
    guard = settings.guard(81)
    assert guard.hosts == ("127.0.0.1", "studio.local")
    assert (guard.cookie, guard.free, guard.token) == ("finereel_81", ("/healthz",), settings.token)
    assert len(settings.token) == 32
    assert settings.token not in repr(settings)


def test_a_token_of_ones_own(
    run: Run,
    library: Path,
    told: list[tuple[ServeSettings, Address]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FINEREEL_TOKEN", TOKEN)
    run("serve", "--library", library, "--no-open")
    assert told[0][0].token == TOKEN
    for bad in ("short", "0123456789abcde;", "0123456789abcdef\u00e9", "0123456789 abcdef"):
        monkeypatch.setenv("FINEREEL_TOKEN", bad)
        result = run("serve", "--library", library, "--no-open")
        assert result.exit_code == 1
        assert "a token is at least 16 letters" in result.stderr
        assert bad not in result.stderr


def test_a_network_is_warned_of(
    run: Run, library: Path, told: list[tuple[ServeSettings, Address]]
) -> None:
    result = run("serve", "--library", library, "--no-open", "--host", "0.0.0.0", "--port", 81)
    assert result.stdout.startswith("http://127.0.0.1:81/?token=")
    assert "not encrypted" in result.stderr
    assert told[0][1].host == "0.0.0.0"


def test_what_keeps_it_from_starting(run: Run, library: Path, tmp_path: Path) -> None:
    result = run("serve", "--library", tmp_path / "nowhere", "--no-open")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no library" in result.stderr
    with closing(listen(Address())) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--library", library, "--no-open", "--port", port)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"port {port} of 127.0.0.1 is not available" in result.stderr


def test_the_missing_extra_is_named(
    run: Run, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "finereel.serve.starting", None)
    result = run("serve", "--library", library, "--no-open")
    assert result.exit_code == 1
    assert "pip install 'finereel[serve]'" in result.stderr


def test_other_commands_load_nothing_of_it() -> None:
    code = (
        "import sys, finereel.cli, finereel.cli.serve; "
        "sys.exit(len({'fastapi', 'uvicorn', 'starlette', 'httpx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
