"""Several workers give what one process gives, whoever dies."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from finereel.errors import ConfigError
from finereel.index.events import AddSettings, FileIndexed
from finereel.library import Library
from finereel.video.plan import ClipPlan
from index.doubles import ToyModel, ToySource, ToyStream, write_video
from support.processes import FORK

TWO = AddSettings(workers="2", commit_clips=4)


class DeadlySource(ToySource):
    """Kills its process at a film that has a file `NAME.deadly-N` beside it, and removes that."""

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        for deadly in sorted(path.parent.glob(f"{path.name}.deadly-*")):
            deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().clips(path, plan)


class SlowSource(ToySource):
    """Takes its time, so that a driver can be killed meanwhile."""

    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        time.sleep(0.05)
        return super().clips(path, plan)


def films(folder: Path, count: int = 8) -> Path:
    for number in range(count):
        write_video(folder / f"{number}.toy", f"word{number}", "cat", "dog")
    (folder / "torn.toy").write_text("! torn\n", encoding="utf-8")
    return folder


def opened(path: Path, source: type[ToySource] = ToySource) -> Library:
    return Library.open(path, model=ToyModel(), source=source())


def check_equal(library: Path, videos: Path, tmp_path: Path, count: int = 8) -> None:
    """The same clips, answers and problems as of one process that nobody disturbed."""
    alone = opened(tmp_path / "alone")
    alone.add([videos])
    other = opened(library)
    assert other.status().clips == alone.status().clips == 3 * count
    for number in range(count):
        assert other.search(f"word{number}") == alone.search(f"word{number}")
    assert other.doctor(verify=True) == alone.doctor(verify=True)


@pytest.mark.parametrize("deaths", [0, 2])
def test_workers_give_what_one_process_gives(deaths: int, tmp_path: Path) -> None:
    videos, told = films(tmp_path / "videos"), list[str]()
    for number in range(deaths):
        (videos / f"3.toy.deadly-{number}").touch()
    report = opened(tmp_path / "library", DeadlySource).add(
        [videos],
        settings=TWO,
        on_event=lambda event: told.append(event.path) if isinstance(event, FileIndexed) else None,
    )
    assert (report.indexed, report.failed, report.unread, report.clips) == (8, 1, 0, 24)
    assert sorted(told) == sorted(str(videos / f"{number}.toy") for number in range(8))
    check_equal(tmp_path / "library", videos, tmp_path)


def test_a_file_that_kills_every_worker_is_left_to_the_next_run(tmp_path: Path) -> None:
    videos = films(tmp_path / "videos", 2)
    for number in range(3):
        (videos / f"1.toy.deadly-{number}").touch()
    library = opened(tmp_path / "library", DeadlySource)
    report = library.add([videos], settings=TWO)
    assert (report.indexed, report.unread, report.clips) == (1, 1, 3)
    assert "3 workers died while they read it" in str(library.doctor())
    assert library.add([videos], settings=TWO).indexed == 1
    check_equal(tmp_path / "library", videos, tmp_path, 2)


def drive(library: Path, videos: Path) -> None:
    opened(library, SlowSource).add([videos], settings=AddSettings(workers="2", commit_clips=3))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_killed_driver_loses_nothing_committed(share: float, tmp_path: Path) -> None:
    videos, library = films(tmp_path / "videos"), tmp_path / "library"
    driver = FORK.Process(target=drive, args=(library, videos))
    driver.start()
    deadline = time.monotonic() + 120
    while _clips(library) < 24 * share and driver.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    driver.kill()
    driver.join()
    before = _clips(library)
    assert before >= 24 * share
    report = opened(library, SlowSource).add([videos], settings=TWO)
    assert report.clips == 24 - before
    check_equal(library, videos, tmp_path)


def _clips(library: Path) -> int:
    return opened(library).status().clips if (library / "library.json").exists() else 0


def test_workers_fill_a_commit_together() -> None:
    together = [AddSettings(workers=workers).clips_together for workers in ("", "2", "50", "ray")]
    assert together == [64, 128, 2048, 2048]


@pytest.mark.parametrize("workers", ["0", "-1", "many", "rays"])
def test_what_is_no_pool_is_refused(workers: str) -> None:
    with pytest.raises(ConfigError, match="workers are a number, ray or ray://HOST:PORT"):
        AddSettings(workers=workers)


@pytest.mark.slow
def test_actors_of_ray_give_what_one_process_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    videos = films(tmp_path / "videos")
    (videos / "3.toy.deadly-0").touch()
    settings = AddSettings(workers="ray", commit_clips=4)
    report = opened(tmp_path / "library", DeadlySource).add([videos], settings=settings)
    assert (report.indexed, report.failed, report.unread, report.clips) == (8, 1, 0, 24)
    check_equal(tmp_path / "library", videos, tmp_path)
