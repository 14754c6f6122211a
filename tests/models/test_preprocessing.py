"""Pictures become what the directory's own processor makes of them; what cannot be is a typed
error.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from finereel.errors import CheckpointError
from finereel.models.encoders.pixels import normalize_pixels
from finereel.models.preprocessing import Preprocessing, read_preprocessing

SIDE = 32
OPENAI: dict[str, Any] = {"size": SIDE, "crop_size": SIDE}
STATED: dict[str, dict[str, Any]] = {
    "numbers": OPENAI,
    "named": {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}},
    "larger before the crop": {"size": {"shortest_edge": 37}, "crop_size": SIDE},
    "smaller than the crop": {"size": {"shortest_edge": 25}, "crop_size": SIDE},
    "squashed": {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False},
    "squashed and cropped": {"size": {"height": 40, "width": 36}, "crop_size": SIDE},
    "own statistics": {**OPENAI, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]},
    "one number": {**OPENAI, "image_mean": 0.5, "image_std": 0.25},
    "not normalised": {**OPENAI, "do_normalize": False},
    "not rescaled": {
        **OPENAI,
        "do_rescale": False,
        "image_mean": [120, 110, 100],
        "image_std": [60, 60, 60],
    },
    "other scale": {**OPENAI, "rescale_factor": 1 / 127.5, "image_mean": 1.0, "image_std": 1.0},
    "not converted": {**OPENAI, "do_convert_rgb": False},
    **{f"resample {number}": {**OPENAI, "resample": number} for number in range(6)},
}


def pictures(height: int, width: int) -> np.ndarray:
    """Soft colours with sharp edges and writing-like stripes."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 17 + y / 23), np.cos(x / 31), np.sin(y / 11)], -1) * 110 + 128
    waves[(x // 7 + y // 5) % 6 == 0] = 255
    waves[(x > width // 2) & (y % 9 < 2)] = 0
    return np.stack([waves, waves[::-1], 255 - waves]).round().clip(0, 255).astype(np.uint8)


def found(folder: Path, frames: np.ndarray) -> torch.Tensor:
    settings = read_preprocessing(folder, SIDE)
    return normalize_pixels(torch.from_numpy(settings.squares(frames)), settings)


@pytest.mark.parametrize("shape", [(48, 85), (85, 47), (20, 20), (90, 201)])
@pytest.mark.parametrize("stated", STATED.values(), ids=STATED)
def test_pixels_are_those_of_the_processor(
    tmp_path: Path, stated: dict[str, Any], shape: tuple[int, int]
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    frames = pictures(*shape)
    wanted = CLIPImageProcessorPil(**stated)(list(frames), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(found(tmp_path, frames), wanted, atol=1e-5, rtol=1e-5)


def test_a_processor_of_vit_squashes_pictures(tmp_path: Path) -> None:
    processor, frames = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}), pictures(48, 85)
    processor.save_pretrained(tmp_path)
    wanted = processor(list(frames), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(found(tmp_path, frames), wanted, atol=1e-5, rtol=1e-5)


def test_without_a_file_pictures_are_clips(tmp_path: Path) -> None:
    frames = pictures(48, 85)
    wanted = CLIPImageProcessorPil(**OPENAI)(list(frames), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(found(tmp_path, frames), wanted, atol=1e-5, rtol=1e-5)


def test_the_whole_processors_file_counts_before_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(OPENAI))
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"image_processor": {**OPENAI, "resample": 0}})
    )
    assert read_preprocessing(tmp_path, SIDE).resample == 0
    (tmp_path / "processor_config.json").write_text(
        json.dumps({"processor_class": "CLIPProcessor"})
    )
    assert read_preprocessing(tmp_path, SIDE).resample == 3


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"size": 224, "crop_size": 224}, "224 x 224"),
        ({"size": SIDE, "do_center_crop": False}, "any shape"),
        ({**OPENAI, "do_resize": False}, "do_resize"),
        ({**OPENAI, "size": {"shortest_edge": SIDE, "longest_edge": 64}}, "not supported"),
        ({**OPENAI, "size": {"max_height": SIDE, "max_width": 64}}, "not supported"),
        ({**OPENAI, "size": 0}, "size"),
        ({**OPENAI, "size": 10**9}, "size"),
        ({**OPENAI, "size": "large"}, "size"),
        ({**OPENAI, "resample": 9}, "resample"),
        ({**OPENAI, "resample": True}, "resample"),
        ({**OPENAI, "image_mean": [1, 2]}, "image_mean"),
        ({**OPENAI, "image_std": [0.2, 0.0, 0.2]}, "image_std"),
        ({**OPENAI, "image_std": "small"}, "image_std"),
        ({**OPENAI, "rescale_factor": None, "do_normalize": "no"}, "do_normalize"),
        ({**OPENAI, "do_pad": True}, "do_pad"),
        ({**OPENAI, "image_processor_type": "FlavaImageProcessor"}, "FlavaImageProcessor"),
        ([], "object"),
    ],
)
def test_what_is_not_supported_says_so(tmp_path: Path, stated: Any, said: str) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    with pytest.raises(CheckpointError, match=said):
        read_preprocessing(tmp_path, SIDE)


def test_a_file_that_is_no_json_says_so(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_bytes(b"\xff{")
    with pytest.raises(CheckpointError, match="JSON"):
        read_preprocessing(tmp_path, SIDE)


@pytest.mark.parametrize(
    ("settings", "side"),
    [
        (Preprocessing(), 256),
        (Preprocessing(336, 336), 384),
        (Preprocessing(224, 256), 293),
        (Preprocessing(32, 32), 256),
        (Preprocessing(336, (336, 400), 3), 458),
    ],
)
def test_pictures_are_decoded_larger_than_the_model_takes_them(
    settings: Preprocessing, side: int
) -> None:
    assert settings.decoded_side == side


def test_settings_come_back_from_json() -> None:
    settings = Preprocessing(32, (40, 36), 2, 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert Preprocessing.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(CheckpointError, match="preprocessing"):
        Preprocessing.from_dict({"size": 32})
