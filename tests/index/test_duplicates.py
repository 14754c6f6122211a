"""Videos of a library that show the same shots, against every pair."""

from itertools import combinations
from pathlib import Path
from shutil import copyfile

import pytest

from finereel.index import duplicates
from finereel.library import Library
from index.doubles import ToyModel, ToySource, write_video

VIDEOS = {
    "a": ("dog", "cat"),
    "b": ("cow", "cat"),
    "c": ("cow", "yak"),
    "alone": ("owl", "bee", "owl"),
    "d": ("fox",),
    "e": ("fox", "hen"),
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A toy clip shows one picture only, which says too little otherwise."""
    monkeypatch.setattr(duplicates, "FEWEST_DISTINCT", 1)
    for name, words in VIDEOS.items():
        write_video(tmp_path / "videos" / f"{name}.toy", *words)
    opened = Library.open(tmp_path / "library", ToyModel(), ToySource())
    opened.add([tmp_path / "videos"])
    return opened


def grouped(library: Library) -> set[frozenset[str]]:
    return {
        frozenset(Path(path).stem for video in group for path in (video.video, *video.copies))
        for group in library.duplicates()
    }


def test_videos_that_share_a_shot_belong_together_also_by_way_of_others(library: Library) -> None:
    assert grouped(library) == {frozenset("abc"), frozenset("de")}
    shared = {
        frozenset(pair)
        for pair in combinations(VIDEOS, 2)
        if set(VIDEOS[pair[0]]) & set(VIDEOS[pair[1]])
    }
    assert shared == {frozenset(pair) for pair in ("ab", "bc", "de")}


def test_the_clip_that_is_shared_is_told(library: Library) -> None:
    found = {Path(video.video).stem: video for group in library.duplicates() for video in group}
    assert (found["a"].start, found["a"].end) == (2.0, 4.0)
    assert (found["c"].start, found["c"].end) == (0.0, 2.0)
    assert found["e"].similarity == pytest.approx(1, abs=1e-3)


def test_small_blocks_give_the_same(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = library.duplicates()
    monkeypatch.setattr(duplicates, "AT_ONCE", 2)
    assert library.duplicates() == whole


def test_files_with_the_same_content_are_a_group(library: Library, tmp_path: Path) -> None:
    copyfile(tmp_path / "videos" / "alone.toy", tmp_path / "videos" / "again.toy")
    library.add([tmp_path / "videos"])
    group = next(group for group in library.duplicates() if len(group) == 1)
    names = [Path(path).stem for path in (group[0].video, *group[0].copies)]
    assert names == ["again", "alone"]
    assert (group[0].similarity, group[0].end) == (1.0, 0.0)


def test_what_is_gone_is_no_duplicate(library: Library, tmp_path: Path) -> None:
    (tmp_path / "videos" / "e.toy").unlink()
    library.add([tmp_path / "videos"])
    assert grouped(library) == {frozenset("abc")}


def test_a_still_is_no_duplicate(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "FEWEST_DISTINCT", 3)
    assert library.duplicates() == []


def test_a_single_video_has_no_duplicates(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "a.toy", "dog", "dog")
    library = Library.open(tmp_path / "library", ToyModel(), ToySource())
    library.add([tmp_path / "videos"])
    told: list[tuple[str, int, int]] = []
    assert library.duplicates(on_progress=lambda *step: told.append(step)) == []
    assert told[-1] == (duplicates.COMPARING, 2, 2)
