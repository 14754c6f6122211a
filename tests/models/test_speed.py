"""Measurements in the user's cache."""

from pathlib import Path

import pytest

from finereel.models import speed
from finereel.models.speed import EncodingSpeed, record_speed, recorded_speed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "finereel" / "machine.json"


def test_what_was_recorded_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorded_speed("a") is None
    record_speed("a", EncodingSpeed(2.5, 4, 1.5))
    record_speed("b", EncodingSpeed(3.5))
    assert recorded_speed("a") == EncodingSpeed(2.5, 4, 1.5)
    assert recorded_speed("b") == EncodingSpeed(3.5, 0, None)
    monkeypatch.setattr("platform.node", lambda: "another machine")
    assert recorded_speed("a") is None


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', '{"MACHINE": {"a": {"threads": "x"}}}'])
def test_a_damaged_file_is_measured_again(cache: Path, content: str) -> None:
    cache.parent.mkdir()
    cache.write_text(content.replace("MACHINE", speed._machine()), encoding="utf-8")
    assert recorded_speed("a") is None
    record_speed("a", EncodingSpeed(1.0))
    assert recorded_speed("a") == EncodingSpeed(1.0)


def test_a_cache_that_cannot_be_written_is_no_error(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be", encoding="utf-8")
    record_speed("a", EncodingSpeed(1.0))
    assert recorded_speed("a") is None


def test_decoding_and_encoding_overlap_on_several_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    both = EncodingSpeed(30.0, 2, 20.0)
    monkeypatch.setattr(speed, "cores", lambda: 1)
    assert both.seconds(1000) == pytest.approx(50.0)
    monkeypatch.setattr(speed, "cores", lambda: 4)
    assert both.seconds(1000) == pytest.approx(30.0)
    assert EncodingSpeed(30.0).seconds(10) == pytest.approx(0.3)
