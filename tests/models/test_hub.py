"""The hub's cache and downloads from it, against a hub on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finereel.models.hub import WEIGHTS, cached_models, file_hash, find_cached
from support.fake_hub import FakeHub, git_hash, serving

NAME = "owner/clip-tiny"
SETTINGS = json.dumps({"model_type": "clip"}).encode()
WHOLE = {"config.json": SETTINGS, WEIGHTS: b"weights" * 1000, "tokenizer.json": b"{}"}
MORE = {"README.md": b"read me", "pytorch_model.bin": b"pickled"}

Get = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def get(tmp_path: Path) -> Get:
    """`finereel models get NAME` in a process of its own, from a hub at `address`."""

    def run(address: str, name: str = NAME, *more: str, **env: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "finereel", "models", "get", name, *more],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ
            | {"HF_ENDPOINT": address, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
            | env,
        )

    return run


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same cache, seen from this process."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_get_downloads_what_a_model_needs_and_verifies_it(get: Get, cache: Path) -> None:
    with serving(FakeHub(NAME, {"main": WHOLE | MORE})) as address:
        done = get(address, NAME, "--json")
    assert done.returncode == 0, done.stderr
    assert "downloading owner/clip-tiny" in done.stderr
    (entry,) = json.loads(done.stdout)
    assert (entry["name"], entry["here"], entry["kind"]) == (NAME, True, "clip")
    assert entry["bytes"] == sum(map(len, WHOLE.values()))
    folder = find_cached(NAME)
    assert folder is not None
    assert {file.name for file in folder.iterdir()} == set(WHOLE)


def test_weights_in_the_pull_request_of_the_converter_are_taken(get: Get, cache: Path) -> None:
    pickled = {"config.json": SETTINGS, "pytorch_model.bin": b"pickled"}
    hub = FakeHub(NAME, {"main": pickled, "refs/pr/1": WHOLE})
    with serving(hub) as address:
        done = get(address)
    assert done.returncode == 0, done.stderr
    assert find_cached(NAME) == cache / "models--owner--clip-tiny/snapshots" / hub.commit(
        "refs/pr/1"
    )


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_damaged_file_is_removed_and_downloaded_again(get: Get, cache: Path, file: str) -> None:
    hub = FakeHub(NAME, {"main": WHOLE})
    hub.damaged = {file}
    with serving(hub) as address:
        done = get(address)
        assert done.returncode == 1
        assert f"{file} of {NAME} is damaged: expected the hash" in done.stderr
        assert find_cached(NAME) is None
        hub.damaged = set()
        assert get(address).returncode == 0
    assert find_cached(NAME) is not None


@pytest.mark.parametrize(
    ("address", "env", "why"),
    [
        ("http://127.0.0.1:9", {}, "did not answer"),
        ("http://127.0.0.1:9", {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ],
)
def test_without_a_network(get: Get, address: str, env: dict[str, str], why: str) -> None:
    done = get(address, "clip", **env)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"the hub {address} did not answer" in done.stderr
    assert why in done.stderr
    assert "hf download openai/clip-vit-base-patch32 --local-dir MODEL" in done.stderr


def test_an_unknown_name(get: Get) -> None:
    with serving(FakeHub(NAME, {"main": WHOLE})) as address:
        done = get(address, "owner/clpi-tiny")
        assert done.returncode == 1
        assert "has no model 'owner/clpi-tiny'" in done.stderr
        assert "is no hub id" in get(address, "not a name!").stderr


def snapshot(cache: Path, name: str, commit: str, files: dict[str, bytes], main: bool) -> Path:
    repository = cache / f"models--{name.replace('/', '--')}"
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    if main:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(commit)
    return folder


def test_the_cache_lists_complete_models_by_id(cache: Path) -> None:
    named = snapshot(cache, "a/b--c", "1" * 40, WHOLE, main=True)
    os.utime(snapshot(cache, "a/b--c", "2" * 40, WHOLE, main=False))
    other = snapshot(cache, "plain", "3" * 40, WHOLE, main=False)
    snapshot(cache, "a/pickled", "4" * 40, {"config.json": SETTINGS}, main=True)
    (cache / "models--empty--one").mkdir()
    assert cached_models() == {"a/b--c": named, "plain": other}


def test_there_may_be_no_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "nowhere"))
    assert cached_models() == {}


def test_hashes_are_those_of_the_hub(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    # `printf abc | git hash-object --stdin`, `printf abc | sha256sum`
    assert (
        file_hash(file, "0" * 40) == "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f" == git_hash(b"abc")
    )
    assert file_hash(file, "0" * 64).startswith("ba7816bf8f01cfea414140de5dae2223")
    assert file_hash(tmp_path / "none", "0" * 64) == ""
