"""Scoring a split: every pair once, coverage, the feature cache."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gallery_doubles import ToyModel, ToySource, make_split

from finereel.data.base import Caption, ClipArrays, Split
from finereel.errors import DataError
from finereel.evaluation.gallery import FeatureCache, covered, encode_split, score_split
from finereel.models.features import tensors_of
from tiny_models import FRAMES, IMAGE, tiny_model

SPLIT = make_split("test", 40, 3)


def test_every_caption_meets_every_clip() -> None:
    model, source = ToyModel(), ToySource()
    scored = score_split(model, SPLIT, source)
    texts = model.encode_text([caption.text for caption in SPLIT.captions])
    clips = source.read(SPLIT.videos)
    whole = model.score(texts, model.encode_clips(clips.frames, clips.frame_mask))
    assert scored.weights == whole.weights
    for name, part in whole.parts.items():
        assert scored.scores[name].shape == (120, 40)
        assert scored.scores[name].dtype == np.float32
        np.testing.assert_allclose(scored.scores[name], part.numpy(), atol=1e-5)
    assert scored.relation.tolist() == [number // 3 for number in range(120)]


def test_every_text_and_clip_is_encoded_once() -> None:
    model, source, split = ToyModel(), ToySource(), make_split("test", 300)
    score_split(model, split, source)
    assert model.texts == [caption.text for caption in split.captions]
    assert source.reads == list(split.videos)


def test_what_cannot_be_read_is_left_out_with_its_captions_and_counted() -> None:
    missing = {"test-3": "no file", "test-7": "broken"}
    scored = score_split(ToyModel(), SPLIT, ToySource(missing))
    assert (str(scored.coverage), scored.coverage.complete) == ("38/40", False)
    assert (scored.coverage.missing, scored.coverage.captions_missing) == (missing, 6)
    assert scored.coverage.split_hash == SPLIT.hash != scored.split.hash
    assert scored.scores["video_sentence"].shape == (114, 38)
    full = score_split(ToyModel(), SPLIT, ToySource())
    videos = [number for number in range(40) if number not in (3, 7)]
    rows = np.isin(full.relation, videos)
    np.testing.assert_allclose(
        scored.scores["video_sentence"], full.scores["video_sentence"][rows][:, videos], atol=1e-5
    )


def test_a_complete_split_stays_itself() -> None:
    readable, coverage = covered(SPLIT, ToySource())
    assert readable is SPLIT
    assert (str(coverage), coverage.complete, coverage.captions_missing) == ("40/40", True, 0)


def test_nothing_to_read_names_a_reason() -> None:
    with pytest.raises(DataError, match=r"0 of 2 videos can be read \(test-0: gone\)"):
        score_split(
            ToyModel(), make_split("test", 2), ToySource({"test-0": "gone", "test-1": "gone"})
        )


def test_clips_without_a_caption_stay_in_the_gallery() -> None:
    split = Split("test", ("a", "b", "c"), (Caption("1", "b", "b 0"),))
    assert score_split(ToyModel(), split, ToySource()).scores["video_sentence"].shape == (1, 3)


def test_progress_ends_with_all_of_each() -> None:
    seen: list[tuple[str, int, int]] = []
    score_split(ToyModel(), SPLIT, ToySource(), lambda *step: seen.append(step))
    assert {step[0]: step[1:] for step in seen} == {
        "captions": (120, 120),
        "clips": (40, 40),
        "scores": (120, 120),
    }


def test_cached_features_give_the_same_bytes_and_cost_no_encoding(tmp_path: Path) -> None:
    model, source = ToyModel(), ToySource()
    first = score_split(model, SPLIT, source, cache=tmp_path)
    model.texts, source.reads = [], []
    again = score_split(model, SPLIT, source, cache=tmp_path)
    assert (model.texts, source.reads) == ([], [])
    assert all(
        first.scores[name].tobytes() == again.scores[name].tobytes() for name in first.scores
    )


def test_another_model_split_or_coverage_is_another_entry(tmp_path: Path) -> None:
    score_split(ToyModel(), SPLIT, ToySource(), cache=tmp_path)
    for model, split, source in (
        (ToyModel("other"), SPLIT, ToySource()),
        (ToyModel(), make_split("val", 40, 3), ToySource()),
        (ToyModel(), SPLIT, ToySource({"test-3": "gone"})),
    ):
        score_split(model, split, source, cache=tmp_path)
        assert source.reads
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"\x00" * 64, "half"])
def test_a_damaged_cache_entry_is_made_again(tmp_path: Path, damage: bytes | str) -> None:
    score_split(ToyModel(), SPLIT, ToySource(), cache=tmp_path)
    [entry] = tmp_path.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage if isinstance(damage, bytes) else whole[: len(whole) // 2])
    source = ToySource()
    score_split(ToyModel(), SPLIT, source, cache=tmp_path)
    assert source.reads
    assert entry.read_bytes() == whole


class PixelSource(ToySource):
    """Noise as pixels, one frame missing in every second clip."""

    def read(self, videos: object) -> ClipArrays:
        assert isinstance(videos, tuple | list)
        rng = np.random.default_rng([sum(video.encode()) for video in videos])
        mask = np.ones((len(videos), FRAMES), dtype=bool)
        mask[::2, -1] = False
        return ClipArrays(
            rng.integers(0, 256, (len(videos), FRAMES, IMAGE, IMAGE, 3), dtype=np.uint8), mask
        )


def test_a_real_model_goes_through_the_cache_unchanged(tmp_path: Path) -> None:
    split = make_split("test", 5, 2)
    fresh = encode_split(tiny_model(), split, PixelSource(), cache=tmp_path)
    kept = encode_split(tiny_model(), split, ToySource(), cache=tmp_path)
    for side in ("text", "video"):
        tensors, again = (tensors_of(getattr(encoded, side)) for encoded in (fresh, kept))
        assert tensors.keys() == again.keys()
        for name in tensors:
            assert torch.equal(tensors[name], again[name])


def test_a_cache_entry_is_none_of_another_place(tmp_path: Path) -> None:
    entry = FeatureCache(tmp_path, "model", "split", {"decoder": "a"})
    paths = {entry.path, replace(entry, model="x").path, replace(entry, split="x").path}
    assert len(paths | {replace(entry, source={"decoder": "b"}).path}) == 4
    assert entry.read(torch.device("cpu")) is None
