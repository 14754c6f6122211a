"""Hits at the moments of their videos: what is found within and across clips, each moment once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.index.moments import MomentSettings, find_moments
from finereel.index.query import Filters, Query
from finereel.index.timeline import near, whole_files
from finereel.library import Library
from finereel.types import Frames, Window
from finereel.video.plan import Clip, ClipPlan
from index.doubles import ToyModel, ToySource, ToyStream, word_pixels, write_video

SECONDS = 4


class SecondStream(ToyStream):
    """A line `N word` is a clip of N seconds, one frame a second; `word/other` changes halfway."""

    def _read(self) -> object:  # type: ignore[override]
        start = 0.0
        for line in self._path.read_text(encoding="utf-8").splitlines():
            words = line.split(" ", 1)[1].split("/")
            each = SECONDS // len(words)
            pixels = np.stack([word_pixels(word) for word in words for _ in range(each)])
            seconds = start + 0.5 + np.arange(SECONDS, dtype=np.float64)
            yield Clip(Window(start, start + SECONDS), Frames(pixels, seconds))
            start += SECONDS


class SecondSource(ToySource):
    def clips(self, path: Path, plan: ClipPlan) -> ToyStream:
        del plan
        return SecondStream(path)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """One event within a clip, one across two clips, one twice, and videos of something else."""
    write_video(tmp_path / "videos" / "within.toy", "x1/dog", "x2", "x3", "x4")
    write_video(tmp_path / "videos" / "across.toy", "y1", "y2/dog", "dog/y3", "y4")
    write_video(tmp_path / "videos" / "twice.toy", "dog", "z1", "z2", "z3", "dog/z4", "z5")
    for number in range(5):
        write_video(
            tmp_path / "videos" / f"other{number}.toy", *(f"o{number}{i}" for i in range(4))
        )
    library = Library.open(tmp_path / "library", ToyModel(), SecondSource())
    library.add([tmp_path / "videos"])
    return library


def found(library: Library, **ways: object) -> dict[str, list[tuple[float, float]]]:
    places: dict[str, list[tuple[float, float]]] = {}
    for hit in library.search(Query("dog", moments=True, **ways)):  # type: ignore[arg-type]
        places.setdefault(Path(hit.video).stem, []).append((hit.start, hit.end))
    return places


def test_a_hit_is_the_moment_and_keeps_its_clip_and_score(library: Library) -> None:
    clips = {hit.video: hit for hit in library.search(Query("dog"))}
    hits = library.search(Query("dog", moments=True))
    assert [hit.video for hit in hits] == list(clips)
    for hit in hits:
        clip = clips[hit.video]
        assert hit.window == (clip.start, clip.end)
        assert (hit.start, hit.end) in hit.moments
        assert 1 <= len(hit.moments) <= 3
        plain = replace(hit, start=clip.start, end=clip.end, window=None, moments=())
        assert plain == clip
    places = {Path(hit.video).stem: (hit.start, hit.end) for hit in hits[:3]}
    assert places["within"] == (2.0, 4.0)
    assert places["across"] == (6.0, 10.0)
    assert places["twice"] == (0.0, 4.0)


def test_moments_are_those_of_the_frames_of_the_whole_video(library: Library) -> None:
    snapshot = library._existing().snapshot()
    (hit,) = [hit for hit in library.search(Query("dog", moments=True)) if "twice" in hit.video]
    (file,) = whole_files(snapshot, [hit.clip_id.rsplit("-", 1)[0]])
    assert file.seconds.tolist() == [second + 0.5 for second in range(24)]
    sentence = ToyModel().encode_text(["dog"]).sentence[0]
    scores = torch.nn.functional.cosine_similarity(sentence.double(), file.frames.double(), dim=1)
    expected = find_moments(scores.numpy(), file.seconds, (0.0, 24.0), MomentSettings(factor=0.4))
    assert hit.moments == tuple((moment.start, moment.end) for moment in expected)
    assert (16.0, 18.0) in hit.moments


def test_clips_of_one_moment_are_one_hit(library: Library) -> None:
    assert len(found(library)["across"]) == 1
    several = found(library, per_video=3)
    assert (6.0, 10.0) in several["across"]
    assert len(set(several["across"])) == len(several["across"])
    assert several["twice"][:2] == [(0.0, 4.0), (16.0, 18.0)]
    for per_video, most in ((2, 2), (None, 3)):
        every = found(library, per_video=per_video, top=50)
        assert max(map(len, every.values())) <= most
    assert len(library.search(Query("dog", top=4, per_video=3, moments=True))) == 4


def test_moments_under_filters_and_with_several_texts(library: Library) -> None:
    folder = str(Path(library.search("dog")[0].video).parent / "across.toy")
    (hit,) = library.search(Query("dog", Filters(folders=(folder,)), moments=True))
    assert (hit.start, hit.end) == (6.0, 10.0)
    hits = library.search(Query("y1", either=("dog",), none_of=("x2",), top=50, moments=True))
    assert all(hit.window is not None for hit in hits)
    (hit,) = library.search(Query("y3", then=("y4",), top=1, moments=True))
    assert (Path(hit.video).stem, hit.window) == ("across", (8.0, 16.0))
    assert 10 <= hit.start < 12 <= hit.end < 16


def test_what_is_near_are_the_clips_within_reach(library: Library) -> None:
    snapshot = library._existing().snapshot()
    rows = snapshot.rows(["file_id", "start", "path"])
    twice = rows.filter([path.endswith("twice.toy") for path in rows["path"].to_pylist()])
    starts = dict(zip(twice["_rowid"].to_pylist(), twice["start"].to_pylist(), strict=True))
    (first,) = [row for row, start in starts.items() if start == 8.0]
    file = twice["file_id"][0].as_py()
    for within, expected in (
        (0.0, [4, 8, 12]),
        (4.0, [0, 4, 8, 12, 16]),
        (30.0, list(starts.values())),
    ):
        ids = near(snapshot, np.array([first]), [file], within)
        assert sorted(starts[row] for row in ids.tolist()) == sorted(expected)


def test_an_answer_has_the_hits_of_the_search_and_no_confidence_for_several_texts(
    library: Library,
) -> None:
    for query in (
        Query("dog", none_of=("x2",), moments=True),
        Query("y3", then=("y4",)),
        Query("dog", moments=True),
    ):
        answer = library.answer(query)
        assert answer.hits == library.search(query)
        assert (answer.confidence is None) == query.composed
