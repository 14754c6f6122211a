"""Threads by measurement, and the estimate of a rebuild."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.index import tuning
from finereel.index.events import AddReport
from finereel.models.features import VideoFeatures
from finereel.models.speed import EncodingSpeed, record_speed, recorded_speed
from finereel.types import Frames
from index.doubles import SIDE, ToyModel


class TimedModel(ToyModel):
    """Encodes a clip in the time that its number of threads takes."""

    def __init__(self, seconds: dict[int, float]) -> None:
        super().__init__(frames=10)
        self.name = "toy"
        self.seconds = seconds
        self.calls = 0
        black = Frames(np.zeros((10, SIDE, SIDE, 3), np.uint8), np.arange(10.0))
        self.answer = super().encode_video([black])

    def encode_video(self, clips: Sequence[Frames]) -> VideoFeatures:
        assert [clip.pixels.shape for clip in clips] == [(10, 256, 455, 3)]
        self.calls += 1
        time.sleep(self.seconds.get(torch.get_num_threads(), 0.05))
        return self.answer


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four cores, nothing measured yet; torch's threads are restored."""
    threads = torch.get_num_threads()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(tuning, "cores", lambda: 4)
    yield
    torch.set_num_threads(threads)


def test_the_fastest_number_of_threads_is_found_once_and_used() -> None:
    model = TimedModel({4: 0.2, 2: 0.05, 1: 0.1})
    tuning.tune_threads(model)
    assert torch.get_num_threads() == 2
    kept = recorded_speed("toy")
    assert kept is not None
    assert (kept.threads, kept.milliseconds) == (2, pytest.approx(5.0, rel=0.5))
    calls = model.calls
    torch.set_num_threads(1)
    tuning.tune_threads(model)
    assert (torch.get_num_threads(), model.calls) == (2, calls)


def test_nothing_is_tuned_on_one_core_or_against_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = TimedModel({})
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    tuning.tune_threads(model)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(tuning, "cores", lambda: 1)
    tuning.tune_threads(model)
    assert model.calls == 0


def test_the_first_indexing_is_remembered() -> None:
    record_speed("toy", EncodingSpeed(9.0, 2))
    tuning.remember_speed("toy", AddReport())
    assert recorded_speed("toy") == EncodingSpeed(9.0, 2)
    tuning.remember_speed("toy", AddReport(frames=100, encode_seconds=2.0, decode_seconds=1.0))
    assert recorded_speed("toy") == EncodingSpeed(20.0, 2, 10.0)
    tuning.remember_speed("toy", AddReport(frames=100, encode_seconds=9.0, decode_seconds=9.0))
    assert recorded_speed("toy") == EncodingSpeed(20.0, 2, 10.0)


def test_a_rebuild_is_estimated_from_frames_and_measured_speed() -> None:
    model = TimedModel({})
    record_speed("toy", EncodingSpeed(20.0))
    estimate = tuning.estimate_rebuild(model, clips=300)
    assert (estimate.model, estimate.clips, estimate.frames) == ("toy", 300, 10)
    assert (estimate.seconds, model.calls) == (pytest.approx(60.0), 0)


def test_what_is_not_known_is_measured_for_the_estimate() -> None:
    model = TimedModel({})
    estimate = tuning.estimate_rebuild(model, clips=2)
    assert estimate.milliseconds == pytest.approx(5.0, rel=0.5)
    kept = recorded_speed("toy")
    assert kept is not None
    assert kept.milliseconds == estimate.milliseconds
