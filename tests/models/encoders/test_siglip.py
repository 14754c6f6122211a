"""SigLIP and SigLIP 2: the features and pixels of `transformers`, and directories that lie."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from finereel.errors import CheckpointError
from finereel.models.encoders.siglip import SiglipEncoder
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from tiny_directories import SIZES, siglip, siglip2

TEXTS = ["A red car jumps over the house", "fish", "a man is cooking \u732b"]
MAKERS = [siglip, siglip2]


@pytest.mark.parametrize("make", MAKERS)
def test_features_are_those_of_transformers(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    theirs, model = make(tmp_path), load(tmp_path)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    pixels = model.encoder.to_pixels(pictures)
    given = {"pixel_values": pixels}
    if make is siglip2:
        squares = pixels.unflatten(3, (4, 8)).unflatten(2, (4, 8)).permute(0, 2, 4, 3, 5, 1)
        given = {
            "pixel_values": squares.reshape(2, 16, -1),
            "pixel_attention_mask": torch.ones(2, 16, dtype=torch.int64),
            "spatial_shapes": torch.full((2, 2), 4),
        }
    ids = torch.from_numpy(model.tokenizer.encode(TEXTS, 16).ids)
    with torch.no_grad():
        expected = theirs.get_image_features(**given), theirs.get_text_features(input_ids=ids)
        hidden = theirs.text_model(input_ids=ids).last_hidden_state
    expected = [getattr(each, "pooler_output", each) for each in expected]
    frames = model.encoder.encode_frames(pixels[None], torch.ones(1, 2, dtype=torch.bool))
    text = model.encode_text(TEXTS)
    torch.testing.assert_close(frames[0, :, 0], expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(text.sentence, expected[1], atol=1e-5, rtol=1e-5)
    words = theirs.text_model.head(hidden)[text.word_mask]
    torch.testing.assert_close(text.words[text.word_mask], words, atol=1e-5, rtol=1e-5)
    assert float(model.encoder.scale.detach()) == pytest.approx(
        float(theirs.logit_scale.detach().exp()), rel=1e-6
    )


def test_a_patch_is_what_the_pooling_head_makes_of_it_alone(tmp_path: Path) -> None:
    theirs, model = siglip(tmp_path), load(tmp_path)
    pixels = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        patches = theirs.vision_model(pixel_values=pixels).last_hidden_state
        expected = theirs.vision_model.head(patches[0, :, None])
    found = model.encoder.encode_frames(pixels[None], torch.ones(1, 1, dtype=torch.bool))
    torch.testing.assert_close(found[0, 0, 1:], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("make", "shape"), [(siglip, (90, 130)), (siglip2, (90, 90))])
def test_pixels_are_those_of_the_image_processor(
    tmp_path: Path, make: Callable[[Path], Any], shape: tuple[int, int]
) -> None:
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    make(tmp_path)
    kind = SiglipImageProcessorPil if make is siglip else Siglip2ImageProcessorPil
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (9, 13, 3), np.uint8))
    picture = small.resize(shape[::-1], Image.Resampling.BICUBIC)
    found = load(tmp_path).encoder.to_pixels(np.asarray(picture)[None])
    made = kind.from_pretrained(tmp_path)(images=picture, return_tensors="pt")["pixel_values"]
    if make is siglip2:
        made = made.reshape(1, 4, 4, 8, 8, 3).permute(0, 5, 1, 3, 2, 4).reshape(1, 3, 32, 32)
    assert float((found - made).abs().max()) < 2e-2


def test_ids_are_those_of_transformers(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    siglip(tmp_path)
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    expected = theirs(TEXTS, padding="max_length", max_length=16, truncation=True)["input_ids"]
    assert load(tmp_path).tokenizer.encode(TEXTS, 16).ids.tolist() == expected
    theirs.save_pretrained(tmp_path)
    assert load(tmp_path).tokenizer.encode(TEXTS, 16).ids.tolist() == expected


def test_the_card_says_which_granularities_count(tmp_path: Path) -> None:
    siglip(tmp_path)
    model = load(tmp_path)
    assert isinstance(model.encoder, SiglipEncoder)
    assert model.card["trained"] is False
    assert "video_sentence" in model.card["note"]
    assert set(model.config.weights) == {"video_sentence", "frame_sentence"}
    assert model.config.max_words == 16


@pytest.mark.parametrize("make", MAKERS)
def test_a_plain_directory_becomes_one_of_finereel(
    tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    make(tmp_path / "plain")
    model: RetrievalModel = load(tmp_path / "plain")
    model.save(tmp_path / "own")
    again = load(tmp_path / "own")
    assert again.fingerprint == model.fingerprint
    torch.testing.assert_close(
        again.encode_text(TEXTS).sentence, model.encode_text(TEXTS).sentence, rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "flava"}, "model_type clip, siglip"),
        (
            {"vision_config": {**SIZES, "hidden_size": 36, "image_size": 32}},
            "texts end in 32 numbers, pictures in 36",
        ),
        ({"vision_config": {**SIZES, "vision_use_head": False}}, "vision_use_head is false"),
        ({"text_config": {**SIZES, "hidden_size": "32"}}, "hidden_size in config.json must be"),
        ({"text_config": {**SIZES, "num_hidden_layers": 10**6}}, "num_hidden_layers must be from"),
        ({"vision_config": {**SIZES, "image_size": 4096, "patch_size": 1}}, "at most 16,384"),
        ({"vision_config": {**SIZES, "image_size": 40, "patch_size": 8}}, "makes pictures of 32"),
        (
            {"model_type": "siglip2", "vision_config": {**SIZES, "num_patches": 15}},
            "must be a square number",
        ),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    siglip(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**described, **change}))
    with pytest.raises(CheckpointError, match=said):
        load(tmp_path)
