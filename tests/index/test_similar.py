"""Clips that look like a clip or picture: by brute force, blank frames, ties and what is left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import normalize

from finereel.errors import ConfigError, DataError, ModelMismatchError, NotAVideoError, QueryError
from finereel.index import similar
from finereel.index.similar import Looks, blank_frames, similarities
from finereel.library import Library
from finereel.models.features import VideoFeatures
from index.doubles import ToyModel, ToySource, word_pixels, write_video

MODEL = ToyModel()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    write_video(tmp_path / "videos" / "a.toy", "dog", "cat")
    write_video(tmp_path / "videos" / "b.toy", "cow", "cat", "dog")
    write_video(tmp_path / "videos" / "c.toy", "yak")
    opened = Library.open(tmp_path / "library", MODEL, ToySource())
    opened.add([tmp_path / "videos"])
    return opened


def by_hand(one: Looks, other: Looks) -> float:
    """Two clips, frame by frame."""
    ours = [frame for frame, shown in zip(one.frames[0], one.shown[0], strict=True) if shown]
    theirs = [frame for frame, shown in zip(other.frames[0], other.shown[0], strict=True) if shown]

    def towards(some: list[torch.Tensor], those: list[torch.Tensor]) -> float:
        return float(np.mean([max(float(a @ b) for b in those) for a in some]))

    if len(ours) == 1:
        return towards(ours, theirs)
    return (towards(ours, theirs) + towards(theirs, ours)) / 2


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4))
def test_similarity_is_that_of_a_slow_reference(seed: int, first: int, second: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def drawn(frames: int) -> Looks:
        shown = torch.rand(1, 4, generator=generator) < 0.5
        shown[0, :1] = True
        shown[0, frames:] = False
        vectors = normalize(torch.randn(1, 4, 5, generator=generator), dim=-1)
        vectors[0, frames:] = 100.0  # what padding holds must never count
        return Looks(vectors, shown)

    one, other = drawn(first), drawn(second)
    assert float(similarities(one, other)) == pytest.approx(by_hand(one, other), abs=1e-5)


def test_the_same_shot_comes_first_and_the_video_itself_never(library: Library) -> None:
    videos = library.path.parent / "videos"
    hits = library.similar(videos / "a.toy", at=0.0)
    assert [Path(hit.video).name for hit in hits] == ["b.toy", "c.toy"]
    assert hits[0].similarity == pytest.approx(1, abs=1e-3)
    assert hits[0].start == 4.0  # the dog
    whole = library.similar(videos / "a.toy", per_video=None)
    assert {(hit.start, round(hit.similarity, 2)) for hit in whole[:2]} == {(2.0, 1.0), (4.0, 1.0)}


def test_a_file_outside_the_library_and_a_picture(library: Library, tmp_path: Path) -> None:
    write_video(tmp_path / "elsewhere.toy", "yak")
    Image.fromarray(word_pixels("cow")).save(tmp_path / "cow.png")
    for file, name in (("elsewhere.toy", "c.toy"), ("cow.png", "b.toy")):
        best = library.similar(tmp_path / file, top=1)[0]
        assert Path(best.video).name == name
        assert best.similarity == pytest.approx(1, abs=1e-3)
    assert [hit.clip_id for hit in library.similar(tmp_path / "cow.png")] == [
        hit.clip_id for hit in library.similar(tmp_path / "cow.png")
    ]


def test_a_still_is_no_duplicate(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A toy clip shows one picture only, which says too little."""
    file = library.path.parent / "videos" / "a.toy"
    assert not library.similar(file, at=0.0)[0].duplicate
    monkeypatch.setattr(similar, "FEWEST_DISTINCT", 1)
    first, last = library.similar(file, at=0.0)
    assert first.duplicate
    assert not last.duplicate


def test_the_card_says_from_when_on_clips_are_duplicates() -> None:
    assert similar.threshold_of(MODEL) == similar.DUPLICATE
    measured = ToyModel()
    measured.card = {"near_duplicate": 0.5}  # type: ignore[attr-defined]
    assert similar.threshold_of(measured) == 0.5


def test_another_model_is_refused(library: Library) -> None:
    other = Library.open(library.path, ToyModel(seed=1), ToySource())
    with pytest.raises(ModelMismatchError):
        other.similar(library.path.parent / "videos" / "a.toy")


def _clip(*frames: torch.Tensor) -> VideoFeatures:
    stacked = torch.stack(frames)[None]
    mask = torch.ones(1, len(frames), dtype=torch.bool)
    return VideoFeatures(stacked[:, 0], stacked, stacked[:, :0], mask, mask[:, :0])


def test_black_frames_before_a_film_count_for_nothing() -> None:
    black, white = blank_frames(MODEL)
    one, two, three = torch.eye(3, MODEL.dim)
    film = Looks.of(_clip(one, two, three), torch.stack([black, white]))
    late = Looks.of(_clip(black, black, one, two), torch.stack([black, white]))
    other = Looks.of(_clip(black, black, white, -three), torch.stack([black, white]))
    assert float(similarities(film, late)) > 0.8
    assert float(similarities(late, other)) < 0.5
    assert film.distinct() == [3]
    assert late.distinct() == [2]
    only = Looks.of(_clip(black, black), torch.stack([black, white]))
    assert only.shown.all()
    assert only.distinct() == [1]


def test_a_bank_changes_nothing(library: Library) -> None:
    file = library.path.parent / "videos" / "a.toy"
    before = library.similar(file)
    library.fit_normalization(["dog", "cat cow", "yak"])
    assert library.similar(file) == before


def test_a_long_list_looks_at_every_clip(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    file = library.path.parent / "videos" / "c.toy"
    every = library.similar(file, per_video=None)
    monkeypatch.setattr(similar, "CANDIDATES", 1)
    monkeypatch.setattr(similar, "BLOCK", 2)
    again = library.similar(file, per_video=None)
    assert [hit.clip_id for hit in again] == [hit.clip_id for hit in every]
    assert len(every) == 5


def test_what_cannot_be_looked_at(library: Library, tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("hello")
    write_video(tmp_path / "broken.toy")
    with pytest.raises(DataError, match="cannot be read as a picture"):
        library.similar(tmp_path / "no.png")
    with pytest.raises(NotAVideoError, match="no picture could be decoded"):
        library.similar(tmp_path / "broken.toy")
    with pytest.raises(QueryError, match="no clip at 50 s: expected a time from 0 to 4 s"):
        library.similar(library.path.parent / "videos" / "a.toy", at=50.0)
    with pytest.raises(ConfigError, match="at least 1"):
        library.similar(library.path.parent / "videos" / "a.toy", top=0)
