"""`kill -9` at every write of a run in which everything happens: doctor is right afterwards, and no
clip doubles.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from finereel.index.store import ClipStore
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video
from kill_points import SMALL, add_and_kill

FINALLY = {
    "still-bad.toy",
    "became-bad.toy",
    "new-bad.toy",
    "cut.toy",
    "new-cut.toy",
    "nowhere.toy",
}


def _first(videos: Path) -> None:
    for name in ("good", "to-rename", "became-bad"):
        write_video(videos / f"{name}.toy", name, "dog")
    for name in ("still-bad", "repaired", "gone-bad"):
        (videos / f"{name}.toy").write_text(f"! {name}\n")
    (videos / "cut.toy").write_text("2 bird\n! cut off\n")
    (videos / "nowhere.toy").symlink_to(videos / "no-such-file")


def _second(videos: Path) -> None:
    (videos / "to-rename.toy").rename(videos / "renamed.toy")
    (videos / "became-bad.toy").write_text("! bad now\n")
    (videos / "gone-bad.toy").unlink()
    write_video(videos / "repaired.toy", "repaired", "cow", "yak")
    write_video(videos / "film.toy", *[f"scene{number}" for number in range(5)])
    shutil.copy(videos / "film.toy", videos / "z-copy.toy")
    (videos / "new-bad.toy").write_text("! never good\n")
    (videos / "new-cut.toy").write_text("2 owl\n2 gnu\n! ends here\n")


def _listed(library: Library) -> Counter[str]:
    return Counter(Path(problem.path).name for problem in library.doctor())


def _clip_ids(library: Library) -> list[str]:
    return ClipStore.open(next(library.path.glob("index-*"))).snapshot().clip_ids()


def _check_after_kill(library: Library) -> None:
    files = ClipStore.open(next(library.path.glob("index-*"))).files()
    listed = _listed(library)
    assert set(listed.values()) <= {1}, f"doubled in doctor: {listed}"
    assert listed["still-bad.toy"] == 1, "a bad file that nothing changed got lost"
    assert not set(listed) & {"good.toy", "renamed.toy", "z-copy.toy"}
    for path, record in files.items():
        state = os.stat(path) if Path(path).exists() else None  # noqa: PTH116
        current = state is not None and (state.st_size, state.st_mtime_ns) == (
            record.state.size,
            record.state.mtime_ns,
        )
        if current and record.warning is None:
            assert Path(path).name not in listed, "a good file is listed"
        if current and record.warning is not None:
            assert listed[Path(path).name] == 1, "why a file was read in part got lost"
        if not record.finished:
            assert listed[Path(path).name] == 1, (
                "an unfinished film is not told from a complete one"
            )


def _check_at_the_end(library: Library) -> None:
    assert _listed(library) == Counter(dict.fromkeys(FINALLY, 1))
    status = library.status()
    assert (status.videos, status.failed, status.unread, status.unfinished) == (7, 3, 1, 0)
    ids = _clip_ids(library)
    assert len(set(ids)) == len(ids) == 2 + 2 + 3 + 5 + 5 + 1 + 2


def _run(tmp_path: Path, point: int) -> bool:
    """Kill at one point and look; whether there is such a point."""
    videos, path = tmp_path / f"videos{point}", tmp_path / f"library{point}"
    videos.mkdir()
    _first(videos)
    Library.open(path, ToyModel(), ToySource()).add([videos], settings=SMALL)
    _second(videos)
    killed = add_and_kill(path, videos, point) is None
    library = Library.open(path, ToyModel(), ToySource())
    if killed:
        _check_after_kill(library)
        library.add([videos], settings=SMALL)
    _check_at_the_end(library)
    shutil.rmtree(path)
    return killed


@pytest.mark.parametrize("point", [0, 5, 9, 14, 19, 24, 29, 35, 1000])
def test_kill_at_some_write_points_of_a_mixed_run(tmp_path: Path, point: int) -> None:
    assert _run(tmp_path, point) == (point < 1000)


@pytest.mark.slow
def test_kill_at_every_write_point_of_a_mixed_run(tmp_path: Path) -> None:
    point = 0
    while _run(tmp_path, point):
        point += 1
    assert point > 40
