"""Chinese-CLIP: the features, pixels and ids of `transformers`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from finereel.errors import CheckpointError
from finereel.index.search import reading_of
from finereel.models.saving import load
from tiny_directories import SIZES, chinese_clip

TEXTS = ["\u7ea2\u8272 \u6c7d\u8f66", "a red car", "fish \u732b"]


def test_features_are_those_of_transformers(tmp_path: Path) -> None:
    theirs, model = chinese_clip(tmp_path), load(tmp_path)
    pixels = model.encoder.to_pixels(
        np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), np.uint8)
    )
    tokens = model.tokenizer.encode(TEXTS, 16)
    ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
    with torch.no_grad():
        pictures = theirs.get_image_features(pixel_values=pixels)
        texts = theirs.get_text_features(input_ids=ids, attention_mask=mask.long())
        hidden = theirs.text_model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    pictures, texts = (getattr(each, "pooler_output", each) for each in (pictures, texts))
    frames = model.encoder.encode_frames(pixels[None], torch.ones(1, 2, dtype=torch.bool))
    found = model.encode_text(TEXTS)
    torch.testing.assert_close(frames[0, :, 0], pictures, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.sentence, texts, atol=1e-5, rtol=1e-5)
    words = theirs.text_projection(hidden)[mask]
    torch.testing.assert_close(found.words[:, :16][mask], words, atol=1e-5, rtol=1e-5)
    assert model.config.max_words == 52


def test_pixels_and_ids_are_those_of_its_processor(tmp_path: Path) -> None:
    from transformers import BertTokenizerFast
    from transformers.models.chinese_clip.image_processing_pil_chinese_clip import (
        ChineseCLIPImageProcessorPil,
    )

    chinese_clip(tmp_path)
    model = load(tmp_path)
    small = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
    picture = Image.fromarray(small).resize((130, 90), Image.Resampling.BICUBIC)
    processor = ChineseCLIPImageProcessorPil.from_pretrained(tmp_path)
    made = processor(images=picture, return_tensors="pt")["pixel_values"]
    found = model.encoder.to_pixels(np.asarray(picture)[None])
    assert float((found - made).abs().max()) < 2e-2
    theirs = BertTokenizerFast.from_pretrained(tmp_path)
    expected = theirs(TEXTS, padding="max_length", max_length=12, truncation=True)["input_ids"]
    assert model.tokenizer.encode(TEXTS, 12).ids.tolist() == expected


def test_a_chinese_query_is_no_foreign_one(tmp_path: Path) -> None:
    chinese_clip(tmp_path)
    model = load(tmp_path)
    assert reading_of(model, TEXTS[0]).language == ""
    model.card["languages"] = ["English"]
    assert reading_of(model, TEXTS[0]).language


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text_config": 3}, "text_config must be an object"),
        ({"text_config": {**SIZES, "vocab_size": 10**9}}, "vocab_size must be from"),
        ({"vision_config": {**SIZES, "image_size": 0}}, "image_size must be a whole number"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    chinese_clip(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**described, **change}))
    with pytest.raises(CheckpointError, match=said):
        load(tmp_path)
