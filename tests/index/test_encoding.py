"""Clips encoded as a preset says: bit for bit in exact, with frames reused and int8 in fast."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finereel.index import encoding
from finereel.index.encoding import PresetEncoder, same_as, thumbnails
from finereel.index.presets import PRESETS
from finereel.models import quantized
from finereel.models.features import VideoFeatures, tensors_of
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.types import Frames
from test_plain_clip import make_clip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RetrievalModel:
    return load(make_clip(tmp_path_factory.mktemp("plain") / "clip"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def clip(seed: int, count: int = 12) -> Frames:
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)
    return Frames(small.repeat(8, 1).repeat(8, 2), np.arange(float(count)))


def still(frames: Frames) -> Frames:
    return Frames(frames.pixels[[0] * len(frames)], frames.seconds)


def assert_equal(found: VideoFeatures, wanted: VideoFeatures) -> None:
    for name, tensor in tensors_of(wanted).items():
        assert torch.equal(tensors_of(found)[name], tensor), name


def assert_close(found: VideoFeatures, wanted: VideoFeatures) -> None:
    mask = wanted.frame_mask
    assert torch.equal(found.frame_mask, mask)
    torch.testing.assert_close(found.video, wanted.video, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.frames[mask], wanted.frames[mask], rtol=1e-4, atol=1e-5)


def small_towers(monkeypatch: pytest.MonkeyPatch, least_cosine: float = 0.9) -> None:
    """Let int8 be tried on a tiny tower, whose few channels it serves less well."""
    monkeypatch.setattr(quantized, "LEAST_PARAMETERS", 0)
    monkeypatch.setattr(quantized, "LEAST_COSINE", least_cosine)


def encoded(encoder: PresetEncoder, clips: Sequence[Frames]) -> tuple[VideoFeatures, list[str]]:
    features = encoder.encode(clips)
    return features, encoder.take_notes()


def test_exact_is_bit_equal_and_reuses_equal_clips_only(model: RetrievalModel) -> None:
    near = clip(1)
    near.pixels[0, 0, 0, 0] ^= 1
    clips = [clip(1), clip(1), near, clip(2, 5), still(clip(3))]
    encoder = PresetEncoder(model, PRESETS["exact"])
    assert_equal(encoder.encode(clips), model.encode_video(clips))
    assert (encoder.reused, encoder.quantized) == (12, 0)


def test_fast_reuses_what_is_alike_across_clips(model: RetrievalModel) -> None:
    bright = clip(2)
    bright.pixels[:] = np.minimum(bright.pixels, 254)
    nearly = Frames(bright.pixels + np.uint8(1), bright.seconds)
    clips = [still(bright), still(nearly), clip(4, 5)]
    encoder = PresetEncoder(model, PRESETS["fast"])
    found = encoder.encode(clips)
    assert encoder.reused == 23
    assert_close(found, model.encode_video([still(bright), still(bright), clip(4, 5)]))
    assert encoder.encode([still(bright)]).video.shape == (1, 24)  # nothing is kept from before
    assert encoder.reused == 23 + 11


def test_something_small_that_moves_is_not_alike() -> None:
    frames = np.full((2, 64, 64, 3), 100, np.uint8)
    frames[1, 10:14, 10:14] = 250
    assert np.abs(np.diff(thumbnails(frames), axis=0)).mean() < PRESETS["fast"].alike
    assert same_as(thumbnails(frames), PRESETS["fast"].alike).tolist() == [0, 1]


def test_slow_changes_are_compared_with_the_last_frame_encoded() -> None:
    grey = np.arange(6, dtype=np.int16)[:, None, None] * np.ones((32, 32), np.int16)
    assert same_as(grey, 2.0).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("values", [{"shifted_blocks": (1,)}, {"mask_padding": False}])
def test_models_whose_frames_do_not_stand_alone_encode_as_ever(
    model: RetrievalModel, values: dict[str, Any]
) -> None:
    other = RetrievalModel(model.encoder, replace(model.config, **values), model.tokenizer)
    if "shifted_blocks" in values:
        other.encoder = copy.deepcopy(model.encoder)
        other.encoder.shifted_blocks = frozenset((1,))  # type: ignore[assignment]
    clips = [still(clip(1))]
    encoder = PresetEncoder(other, PRESETS["fast"])
    assert_equal(encoder.encode(clips), other.encode_video(clips))
    assert encoder.reused == 0


def test_a_gpu_takes_the_frames_of_many_clips_together(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = PresetEncoder(model, PRESETS["fast"])
    assert encoder.batch == 1
    assert encoder._quick is not None
    encoder._quick.many = True
    assert encoder.batch == 21
    taken, encode = [], encoder._quick._encode

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        taken.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(encoding, "GPU_IMAGES", 30)
    monkeypatch.setattr(encoder._quick, "_encode", counted)
    clips = [clip(seed, 7 + seed) for seed in range(6)]
    assert_close(encoder.encode(clips), model.encode_video(clips))
    assert taken == [30, 27]


def test_int8_begins_after_its_check_and_at_once_the_next_time(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_towers(monkeypatch)
    encoder = PresetEncoder(model, PRESETS["fast"])
    first, notes = encoded(encoder, [clip(seed) for seed in range(5)])
    assert_close(first, model.encode_video([clip(seed) for seed in range(5)]))
    assert (encoder.quantized, notes) == (0, [])
    later, _ = encoded(encoder, [clip(7)])
    wanted = model.encode_video([clip(7)])
    assert encoder.quantized == 12
    assert not torch.equal(later.frames, wanted.frames)
    assert float((later.video * wanted.video).sum()) > 0.99
    again = PresetEncoder(model, PRESETS["fast"])
    both = again.encode([clip(8), clip(7)])
    assert again.quantized == 24
    assert torch.equal(both.frames[1], later.frames[0])  # no frame depends on another
    assert len(list((tmp_path / "cache" / "finereel" / "int8").iterdir())) == 2


def test_a_failed_check_is_told_kept_and_leaves_float32(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_towers(monkeypatch, 1.1)
    clips = [clip(seed) for seed in range(6)]
    for wanted in (clips, clips[:1]):
        encoder = PresetEncoder(model, PRESETS["fast"])
        found, notes = encoded(encoder, wanted)
        assert_close(found, model.encode_video(wanted))
        assert encoder.quantized == 0
        assert [note.startswith("encoded in float32: in int8") for note in notes] == [True]
    kept = [path.suffix for path in (tmp_path / "cache" / "finereel" / "int8").iterdir()]
    assert kept == [".json"]


@pytest.mark.parametrize("damage", ["bit", "check"])
def test_a_damaged_cache_is_made_again(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
) -> None:
    small_towers(monkeypatch)
    clips = [clip(seed) for seed in range(6)]
    PresetEncoder(model, PRESETS["fast"]).encode(clips)
    folder = tmp_path / "cache" / "finereel" / "int8"
    (tower,), (check,) = folder.glob("*.onnx"), folder.glob("*.json")
    data = bytearray(tower.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 1
        tower.write_bytes(data)
    else:
        check.write_text("{")
    encoder = PresetEncoder(model, PRESETS["fast"])
    encoder.encode(clips[:1])
    assert encoder.quantized == 0
    encoder.encode(clips)
    assert encoder.quantized > 0
    assert PresetEncoder(model, PRESETS["fast"])._quick._ready  # type: ignore[union-attr]


def test_a_cache_that_cannot_be_written_does_not_matter(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_towers(monkeypatch)
    (tmp_path / "cache").write_text("a file")
    encoder = PresetEncoder(model, PRESETS["fast"])
    encoder.encode([clip(seed) for seed in range(6)])
    assert encoder.quantized == 12


def test_without_onnxruntime_one_line_says_how_to_get_it(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_towers(monkeypatch)
    monkeypatch.setattr(quantized, "NAMES", ("onnxruntime_that_is_not_here",))
    encoder = PresetEncoder(model, PRESETS["fast"])
    clips = [clip(seed) for seed in range(6)]
    found, notes = encoded(encoder, clips)
    assert_close(found, model.encode_video(clips))
    assert ["finereel[fast]" in note for note in notes] == [True]
    assert encoded(encoder, clips)[1] == []


def test_an_exporter_that_fails_leaves_float32(
    model: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such operator")

    small_towers(monkeypatch)
    monkeypatch.setattr(quantized, "_quantize", broken)
    encoder = PresetEncoder(model, PRESETS["fast"])
    clips = [clip(seed) for seed in range(6)]
    found, notes = encoded(encoder, clips)
    assert_close(found, model.encode_video(clips))
    assert len(notes) == 1
    assert "no such operator" in notes[0]


def test_tiny_towers_stay_in_float32(model: RetrievalModel) -> None:
    encoder = PresetEncoder(model, PRESETS["fast"])
    encoder.encode([clip(seed) for seed in range(6)])
    assert (encoder.quantized, encoder.take_notes()) == (0, [])
