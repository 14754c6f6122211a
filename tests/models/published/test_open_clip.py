"""open_clip checkpoints: features of the same weights in `transformers`, and configs that mean
another network.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from finereel.errors import CheckpointError
from finereel.models.encoders.clip import ClipEncoder
from finereel.models.published.open_clip import import_open_clip
from finereel.models.saving import load
from tiny_directories import open_clip_state, open_clip_towers, write_open_clip
from tiny_models import transformers_clip


@pytest.mark.parametrize("act", ["gelu", "quick_gelu"])
def test_features_are_those_of_the_same_weights_in_transformers(tmp_path: Path, act: str) -> None:
    theirs = transformers_clip(write_open_clip(tmp_path / "given", act))
    _, report = import_open_clip(tmp_path / "given", tmp_path / "out", tmp_path / "given")
    model = load(tmp_path / "out")
    assert isinstance(model.encoder, ClipEncoder)
    pixels = model.encoder.to_pixels(
        np.random.default_rng(0).integers(0, 256, (2, 50, 70, 3), np.uint8)
    )
    ids = torch.from_numpy(model.tokenizer.encode(["a red car", "fish"], 32).ids)
    with torch.no_grad():
        pictures, texts = theirs.get_image_features(pixels), theirs.get_text_features(ids)
    pictures, texts = (getattr(each, "pooler_output", each) for each in (pictures, texts))
    frames = model.encoder.encode_frames(pixels[None], torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(frames[0, :, 0], pictures, atol=1e-5, rtol=1e-5)
    sentences = model.encode_text(["a red car", "fish"]).sentence
    torch.testing.assert_close(sentences, texts, atol=1e-5, rtol=1e-5)
    assert not report.ignored
    assert not report.missing
    assert model.encoder.preprocessing.std == (0.25, 0.25, 0.25)


def test_names_of_a_text_tower_of_its_own_and_a_bias_are_read(tmp_path: Path) -> None:
    write_open_clip(tmp_path / "given")
    path = tmp_path / "given" / "open_clip_model.safetensors"
    state = open_clip_state(open_clip_towers("gelu"))
    state = {name if "visual" in name or name == "logit_scale" else f"text.{name}": tensor
             for name, tensor in state.items()}  # fmt: skip
    save_file({**state, "logit_bias": torch.tensor([-10.0])}, path)
    model, report = import_open_clip(path, tmp_path / "out", tmp_path / "given")
    plain, _ = import_open_clip(_given_again(tmp_path), tmp_path / "plain", tmp_path / "given")
    torch.testing.assert_close(
        model.encode_text(["fish"]).sentence, plain.encode_text(["fish"]).sentence
    )
    assert report.ignored == ("logit_bias",)


def _given_again(tmp_path: Path) -> Path:
    write_open_clip(tmp_path / "again")
    return tmp_path / "again"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model_cfg__vision_cfg__timm_model_name": "vit"}, "vision_cfg.timm_model_name is 'vit'"),
        ({"model_cfg__text_cfg__hf_model_name": "roberta"}, "text_cfg.hf_model_name"),
        ({"model_cfg__text_cfg__no_causal_mask": True}, "no_causal_mask is True"),
        ({"model_cfg__multimodal_cfg": {"width": 3}}, "model_cfg.multimodal_cfg"),
        ({"model_cfg__vision_cfg__layers": [3, 4, 6, 3]}, "layers must be a whole number"),
        ({"model_cfg__vision_cfg__mlp_ratio": "4"}, "mlp_ratio must be a number"),
        ({"model_cfg__embed_dim": None}, "embed_dim must be a whole number"),
        ({"model_cfg__text_cfg__layers": 2}, "unexpected"),
        ({"model_cfg__text_cfg__layers": 4}, "missing"),
        ({"model_cfg__vision_cfg__width": 48}, "has shape"),
        ({"preprocess_cfg__resize_mode": "longest"}, "resize_mode is 'longest'"),
        ({"preprocess_cfg__interpolation": "random"}, "interpolation is 'random'"),
        ({"preprocess_cfg__mean": "grey"}, "mean must be"),
        ({"model_cfg__text_cfg__vocab_size": 600}, "has 515 tokens, the text tower 600"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    write_open_clip(tmp_path / "given", **changed)
    with pytest.raises(CheckpointError, match=said):
        import_open_clip(tmp_path / "given", tmp_path / "out", tmp_path / "given")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_weights_and_pickles_are_refused(tmp_path: Path) -> None:
    write_open_clip(tmp_path / "given")
    (tmp_path / "given" / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"holds no open_clip_model\.safetensors"):
        import_open_clip(tmp_path / "given", tmp_path / "out")
    (tmp_path / "given" / "open_clip_pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"is not a \.safetensors file"):
        import_open_clip(tmp_path / "given" / "open_clip_pytorch_model.bin", tmp_path / "out")


def test_without_a_tokenizer_the_vocabulary_must_be_that_of_clip(tmp_path: Path) -> None:
    write_open_clip(tmp_path / "given")
    with pytest.raises(CheckpointError, match=r"49,408 tokens, the text tower 515: .*--tokenizer"):
        import_open_clip(tmp_path / "given", tmp_path / "out")
