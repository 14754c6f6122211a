"""The attacks by hostile models and checkpoints: that they report what they find, and find
nothing.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from research.attacks import models, pickles, server
from research.attacks.server import Outcome


class Here:
    """A server without a process: a failure of these inputs would be one of the test, too."""

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def try_out(self, do: str, path: Path, **settings: Any) -> Outcome:
        return Outcome(*server.judged({"do": do, "path": str(path), **settings}))


@pytest.fixture(autouse=True)
def without_a_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if not request.node.get_closest_marker("slow"):
        for attack in (models, pickles):
            monkeypatch.setattr(attack, "Server", Here)


def fails(kind: str) -> Callable[[Path, dict[str, Any]], str]:
    def task(path: Path, settings: dict[str, Any]) -> str:
        if kind == "untyped":
            raise ZeroDivisionError("a guard was taken away")
        return kind

    return task


def test_hostile_models_are_refused_or_work(tmp_path: Path) -> None:
    (result,) = models.attack(tmp_path, 6, 0)
    assert (result.tried, result.failed, result.failures) == (6, 0, ())


def test_models_that_are_not_refused_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("untyped", "not finite"):
        monkeypatch.setitem(server.TASKS, "model", fails(kind))
        (result,) = models.attack(tmp_path / kind, 2, 0)
        assert result.failed == 2 + len(models.BASES)
        assert kind in result.failures[0]


def test_hostile_checkpoints_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "_PAST", 1000)  # the guarded process takes seconds to start
    monkeypatch.setitem(server.TASKS, "unpickle", lambda path, settings: "loaded")
    (result,) = pickles.attack(tmp_path, 12, 0)
    assert (result.tried, result.failed, result.failures) == (12, 0, ())


def test_a_canary_that_runs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(path: Path, settings: dict[str, Any]) -> str:
        (path.parent / "canary").touch()
        return "loaded"

    monkeypatch.setitem(server.TASKS, "checkpoint", trusting)
    monkeypatch.setitem(server.TASKS, "unpickle", trusting)
    (result,) = pickles.attack(tmp_path, 3, 0)
    assert result.failed >= 3
    assert "the canary ran" in result.failures[0]


def test_there_are_enough_of_them(tmp_path: Path) -> None:
    Here().try_out("bases", tmp_path)
    bases = {name: tmp_path / name for name in models.BASES}
    chosen = models.cases(400, random.Random(0), bases)
    assert len({(name, base) for name, base, _ in chosen}) >= 390
    assert len(list(pickles.patterns())) >= 100


@pytest.mark.slow
def test_in_processes_of_their_own(tmp_path: Path) -> None:
    assert [
        result.failures
        for result in (*models.attack(tmp_path, 12, 1), *pickles.attack(tmp_path, 6, 1))
    ] == [
        (),
        (),
    ]


@pytest.mark.slow
def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is ended, and what takes memory does not get it."""
    with server.Server() as warm:
        assert warm.try_out("sleep", tmp_path, wall=2).kind == "hung"
        assert warm.try_out("grow", tmp_path).kind == "memory"
