"""The model as a directory: saved, loaded, by name; what is refused."""

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from finereel.errors import CheckpointError, ModelNotFoundError
from finereel.models import saving as models
from finereel.models.heads import HEADS
from finereel.models.retrieval import RetrievalModel
from finereel.types import Frames
from tiny_models import (
    tiny_model,
    tiny_peer,
    tiny_tokenizer,
    tiny_towers,
    transformers_clip,
)

TEXTS = [
    "a red car jumps",
    "a fish",
    "a man is cooking over the house slowly and again and again",
    "",
]


def clip(num_frames: int, seed: int = 0, size: tuple[int, int] = (24, 33)) -> Frames:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)
    return Frames(pixels, np.arange(num_frames, dtype=np.float64))


every_head = pytest.mark.parametrize("head", HEADS)


# A model directory.


def saved(
    tmp_path: Path, model: RetrievalModel | None = None, dtype: torch.dtype = torch.float32
) -> Path:
    models.save(model or tiny_model(), tmp_path / "model", dtype)
    return tmp_path / "model"


def rewrite(path: Path, change: Any) -> None:
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))


@pytest.mark.parametrize(
    "settings", [{}, {"temporal": "meanP", "patch_scorer": "frame_video", "aggregation": "max"}]
)
def test_save_and_load_is_the_same_model(tmp_path: Path, settings: dict[str, Any]) -> None:
    model = tiny_model(**settings)
    model.card = {"trained": True, "on": "nothing"}
    loaded = models.load(saved(tmp_path, model))
    assert (loaded.config, loaded.card, loaded.fingerprint) == (
        model.config,
        model.card,
        model.fingerprint,
    )
    assert not loaded.training
    video, text = loaded.encode_video([clip(3)]), loaded.encode_text(TEXTS)
    assert torch.equal(
        loaded.score(text, video).fused,
        model.score(model.encode_text(TEXTS), model.encode_video([clip(3)])).fused,
    )
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }


def test_half_precision_on_disk(tmp_path: Path) -> None:
    model = tiny_model()
    folder = saved(tmp_path, model, torch.float16)
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {
        torch.float16
    }
    loaded = models.load(folder)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    found, wanted = (each.encode_video([clip(2)]).video for each in (loaded, model))
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)


def test_int8_on_disk(tmp_path: Path) -> None:
    model = tiny_model()
    half = saved(tmp_path / "half", model, torch.float16) / "model.safetensors"
    folder = saved(tmp_path / "int8", model, torch.int8)
    assert (folder / "model.safetensors").stat().st_size < 0.8 * half.stat().st_size
    loaded, again = models.load(folder), models.load(folder)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded.fingerprint == again.fingerprint
    found, wanted = (each.encode_video([clip(2)]).video for each in (loaded, model))
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-2)


def test_loading_is_strict(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    weights = load_file(folder / "model.safetensors")
    broken = {
        "missing head.word_projection": {
            name: t for name, t in weights.items() if name != "head.word_projection"
        },
        "unexpected head.extra": weights | {"head.extra": torch.zeros(1)},
        r"head.word_projection has shape \(3, 3\), expected \(32, 32\)": weights
        | {"head.word_projection": torch.zeros(3, 3)},
    }
    for message, changed in broken.items():
        save_file(changed, folder / "model.safetensors")
        with pytest.raises(CheckpointError, match=message):
            models.load(folder)


def test_settings_must_be_known(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder / "config.json", lambda described: described["model"].update(colour="red"))
    with pytest.raises(CheckpointError, match="no setting colour"):
        models.load(folder)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder / "config.json", lambda described: described.update(version=99))
    with pytest.raises(CheckpointError, match="format version 99, this program reads 1"):
        models.load(folder)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_broken_descriptions_are_refused(tmp_path: Path, content: str) -> None:
    folder = saved(tmp_path)
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        models.load(folder)


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="copy the model again"):
        models.load(folder)


@every_head
def test_every_model_saves_and_loads(tmp_path: Path, head: str) -> None:
    model = tiny_peer(head)
    loaded = models.load(saved(tmp_path, model))
    assert (loaded.config, loaded.fingerprint) == (model.config, model.fingerprint)
    text, video = model.encode_text(TEXTS), model.encode_video([clip(3)])
    found = loaded.score(loaded.encode_text(TEXTS), loaded.encode_video([clip(3)])).fused
    assert torch.equal(found, model.score(text, video).fused)


def test_the_interaction_is_part_of_the_model(tmp_path: Path) -> None:
    model = tiny_peer("drl", interaction="ti", scaled_evaluation=False)
    loaded = models.load(saved(tmp_path, model))
    assert (loaded.config.interaction, loaded.config.scaled_evaluation) == ("ti", False)
    assert loaded.config == model.config


def test_settings_that_came_later_left_fingerprints_alone() -> None:
    assert models.load("reelworld-tiny").fingerprint == "5b44eab649310817"


# A plain CLIP directory, and names.


def plain_clip(tmp_path: Path) -> tuple[Any, Path]:
    towers = transformers_clip(tiny_towers(vocab_size=tiny_tokenizer().vocab_size))
    towers.save_pretrained(tmp_path / "clip")
    tiny_tokenizer().save(tmp_path / "clip")
    return towers, tmp_path / "clip"


@torch.no_grad()
def test_a_plain_clip_directory_loads(tmp_path: Path) -> None:
    towers, folder = plain_clip(tmp_path)
    model = models.load(folder)
    assert model.card["trained"] is False
    assert sorted(model.config.weights) == ["frame_sentence", "video_sentence"]
    text = model.encode_text(TEXTS)
    ids = torch.from_numpy(tiny_tokenizer().encode(TEXTS, model.config.max_words).ids)
    theirs = towers.get_text_features(input_ids=ids)
    torch.testing.assert_close(
        text.sentence, getattr(theirs, "pooler_output", theirs), rtol=1e-5, atol=1e-5
    )
    video = model.encode_video([clip(2)])
    pixels, _ = model.clip_input(clip(2))
    theirs = towers.get_image_features(pixel_values=pixels[0, :2])
    torch.testing.assert_close(
        video.frames[0, :2], getattr(theirs, "pooler_output", theirs), rtol=1e-5, atol=1e-5
    )
    unit = torch.nn.functional.normalize
    cosines = unit(text.sentence, dim=-1) @ unit(video.frames[0, :2], dim=-1).T
    scale = towers.logit_scale.exp()
    torch.testing.assert_close(
        model.score(text, video).parts["frame_sentence"][:, 0], scale * cosines.amax(1)
    )


def test_a_plain_clip_becomes_a_model_directory(tmp_path: Path) -> None:
    _, folder = plain_clip(tmp_path)
    model = models.load(folder)
    assert models.load(saved(tmp_path, model)).fingerprint == model.fingerprint


def test_pickled_weights_and_other_architectures_are_refused(tmp_path: Path) -> None:
    _, folder = plain_clip(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        models.load(folder)
    rewrite(folder / "config.json", lambda described: described.update(model_type="blip"))
    with pytest.raises(CheckpointError, match="'blip'"):
        models.load(folder)


def test_a_directory_without_tokenizer_is_refused(tmp_path: Path) -> None:
    _, folder = plain_clip(tmp_path)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json"):
        models.load(folder)


@pytest.mark.parametrize("name", ["no/such-model", "not a name!", "./nowhere"])
def test_a_model_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ModelNotFoundError) as caught:
        models.load(name)
    lines = str(caught.value).splitlines()
    assert len(lines) <= 3
    assert name in lines[0]
    assert "reelworld-tiny" in lines[0]
    assert "hf download" in str(caught.value)
    wanted = name if "/such" in name else "openai/clip-vit-base-patch32"
    assert f"finereel models get {wanted}" in lines[1]


def test_an_open_clip_directory_says_how_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"finereel import open_clip .* OUT"):
        models.load(tmp_path)
