"""The log is valid JSON line by line, goes on where its checkpoint was, and TensorBoard shows the
same numbers.
"""

import json
import sys
from pathlib import Path

import pytest

from finereel.errors import TrainingError
from finereel.training.log import open_log


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_it_goes_on_where_the_checkpoint_was_written(tmp_path: Path) -> None:
    with open_log(tmp_path, 0, 0) as log:
        log.write("step", 1, {"loss": 2.0})
        length = log.synced()
        log.write("step", 2, {"loss": 1.0})
    with open_log(tmp_path, length, 1) as log:
        assert log.synced() == length
        log.write("step", 2, {"loss": 0.5})
    assert lines(tmp_path) == [
        {"kind": "step", "step": 1, "loss": 2.0},
        {"kind": "step", "step": 2, "loss": 0.5},
    ]


def test_a_log_that_lost_its_end_is_not_filled_up(tmp_path: Path) -> None:
    with open_log(tmp_path, 0, 0) as log:
        log.write("step", 1, {})
    with open_log(tmp_path, 10_000, 5) as log:
        log.write("step", 6, {})
    assert [line["step"] for line in lines(tmp_path)] == [1, 6]


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    with open_log(tmp_path, 0, 0) as log:
        log.write("step", 1, {"loss": float("nan"), "metrics": {"R@1": float("inf"), "R@5": 2.0}})
    assert lines(tmp_path) == [
        {"kind": "step", "step": 1, "loss": None, "metrics": {"R@1": None, "R@5": 2.0}}
    ]


def test_a_process_that_does_not_log_leaves_nothing(tmp_path: Path) -> None:
    with open_log(tmp_path / "none", 0, 0, enabled=False) as log:
        log.write("step", 1, {"loss": 2.0})
        assert log.synced() == 0
    assert not (tmp_path / "none").exists()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(28, "No space left on device")

    with open_log(tmp_path, 0, 0) as log:
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(TrainingError, match="make room"):
            log.write("step", 1, {})
        monkeypatch.undo()


def test_tensorboard_gets_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str, purge_step: int) -> None:
            assert purge_step == 4

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def flush(self) -> None:
            written.append(("flushed", 0.0, 0))

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    monkeypatch.setitem(sys.modules, "tensorboardX", type("Module", (), {"SummaryWriter": Writer}))
    with open_log(tmp_path, 0, 3) as log:
        log.write(
            "validation", 4, {"score": 2, "metrics": {"R@1": 3.0}, "split": "val", "chance": None}
        )
        log.synced()
    assert written == [
        ("validation/score", 2.0, 4),
        ("validation/metrics/R@1", 3.0, 4),
        ("flushed", 0.0, 0),
        ("closed", 0.0, 0),
    ]


def test_real_tensorboard_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    with open_log(tmp_path, 0, 0) as log:
        log.write("step", 1, {"loss": 2.0})
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"step/loss" in events.read_bytes()


def test_without_tensorboard_the_log_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with open_log(tmp_path, 0, 0) as log:
        assert log.writer is None
        log.write("step", 1, {"loss": 2.0})
    assert len(lines(tmp_path)) == 1
