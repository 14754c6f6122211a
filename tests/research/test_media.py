"""The attack with bad media reports what must not happen, and only that."""

from pathlib import Path

import pytest
from research.attacks import media
from research.attacks.media_files import CANARY, flipped, make, odd_names, truncated

from finereel.video import reader as reader_module


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make(tmp_path / "good.mp4")


def test_bad_files_come_to_a_typed_end(tmp_path: Path, video: Path) -> None:
    paths = [
        *truncated(tmp_path, [video], 4),
        *flipped(tmp_path, [video], 4, seed=0),
        *odd_names(tmp_path, [video]),
    ]
    assert media.judge(paths) == []


def test_files_may_change_while_they_are_read(tmp_path: Path) -> None:
    assert media.judge(media.changing_files(tmp_path, 2), change=True) == []


def test_a_process_of_its_own_judges(video: Path) -> None:
    result = media._tried("good files", [video])
    assert (result.tried, result.failed, result.failures) == (1, 0, ())


def test_the_canary_is_seen(tmp_path: Path) -> None:
    path = make(tmp_path / "canary.mp4", colour=CANARY)
    assert media.judge([path]) == ["'canary.mp4': shows the canary"]


def test_an_untyped_error_is_seen(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: Path) -> None:
        raise RuntimeError("unprotected")

    monkeypatch.setattr(reader_module, "open_regular", fail)
    assert media.judge([video]) == ["'good.mp4': untyped: RuntimeError('unprotected')"]


def test_time_memory_and_leaks_are_seen(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "SECONDS", 0.0)
    assert ": took " in media.judge([video])[0]
    monkeypatch.setattr(media, "SECONDS", 30.0)
    monkeypatch.setattr(media, "MIB", 1)
    assert media.judge([video])[0].endswith("MiB")
    monkeypatch.setattr(media, "MIB", 1024)
    readers: list[media.VideoReader] = []
    close = media.VideoReader.close
    monkeypatch.setattr(media.VideoReader, "close", lambda reader: readers.append(reader))
    assert media.judge([video])[0].endswith("is left")
    for reader in readers:
        close(reader)


def test_a_dead_reading_process_fails_all_its_files(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media.sys, "executable", "/bin/false")
    result = media._tried("good files", [video, video])
    assert (result.tried, result.failed) == (2, 2)
    assert "the reading process ended with" in result.failures[0]
