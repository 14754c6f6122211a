"""When a file stands still."""

import os
import shutil
from pathlib import Path

from finereel.video.files import FileState
from finereel.watching.settling import SettledSource, Settling

NS = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def settling(seconds: float = 5.0) -> tuple[Settling, Clock]:
    clock = Clock()
    return Settling(seconds, clock=clock, wall=clock), clock


def test_a_file_that_grows_never_stands_still_until_it_ends() -> None:
    files, clock = settling()
    files.begun = True
    for size in range(10):
        assert not files.is_still("a", FileState(size, int(clock.now * NS)))
        clock.now += 3.0
    assert not files.is_still("a", FileState(9, int(1027 * NS)))
    clock.now += 5.0
    assert files.moving == ["a"]
    assert files.is_still("a", FileState(9, int(1027 * NS)))
    assert files.moving == []


def test_at_the_start_an_old_file_is_believed_and_a_fresh_one_is_not() -> None:
    files, clock = settling()
    assert files.is_still("old", FileState(9, int((clock.now - 60) * NS)))
    assert not files.is_still("fresh", FileState(9, int((clock.now - 1) * NS)))
    assert not files.is_still("from the future", FileState(9, int((clock.now + 60) * NS)))
    clock.now += 4.0
    assert files.is_still("fresh", FileState(9, int(999 * NS)))


def test_later_a_copy_with_its_old_time_is_seen_twice() -> None:
    files, clock = settling()
    files.begun = True
    assert not files.is_still("copied with cp -p", FileState(9, 0))
    clock.now += 5.0
    assert files.is_still("copied with cp -p", FileState(9, 0))


def test_a_file_written_again_moves_again() -> None:
    files, clock = settling()
    assert files.is_still("a", FileState(9, 0))
    assert not files.is_still("a", FileState(9, 1))
    clock.now += 5.0
    assert files.is_still("a", FileState(9, 1))


def test_a_file_that_went_away_is_no_longer_waited_for(tmp_path: Path) -> None:
    files, _ = settling()
    files.begun = True
    path = tmp_path / "a.mp4"
    path.write_text("x")
    assert not files.look(str(path))
    assert not files.settled_since()
    path.unlink()
    assert files.settled_since()
    assert files.moving == []


def test_the_source_finds_what_stands_still(tmp_path: Path) -> None:
    files, clock = settling()
    old, fresh = tmp_path / "old.mp4", tmp_path / "fresh.mp4"
    for path in (old, fresh):
        path.write_text("x")
    os.utime(old, (900, 900))
    os.utime(fresh, (999, 999))
    source = SettledSource(files)
    assert source.find([tmp_path]).videos == (old,)
    assert files.moving == [str(fresh)]
    shutil.copy2(old, tmp_path / "late.mp4")
    clock.now += 4.5
    assert source.find([tmp_path]).videos == (fresh, old)
    clock.now += 5.0
    assert len(source.find([tmp_path]).videos) == 3
    source.close()
