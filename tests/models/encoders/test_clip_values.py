"""What a CLIP config.json may say of its towers."""

from typing import Any

import pytest

from finereel.errors import CheckpointError, ConfigError
from finereel.models.encoders.clip import clip_from_config
from finereel.models.encoders.clip_values import checked_clip_values
from finereel.models.encoders.tiny import tiny_clip_values

VALUES = {"dim": 32, "image_size": 21, "patch_size": 7, "vision_blocks": 1, "text_blocks": 1}


def changed(place: str, value: Any) -> dict[str, Any]:
    values = tiny_clip_values(530, **VALUES)
    *tower, name = place.split(".")
    (values[tower[0]] if tower else values)[name] = value
    return values


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("projection_dim", 0), ("projection_dim", None), ("projection_dim", True), ("projection_dim", 1_000_000),
        ("text_config", []), ("vision_config", "x"), ("text_config.num_hidden_layers", 1_000_000),
        ("vision_config.num_hidden_layers", 1_000_000), ("vision_config.num_hidden_layers", -1),
        ("vision_config.hidden_size", 1_000_000), ("vision_config.intermediate_size", 1_000_000),
        ("text_config.num_attention_heads", 0), ("text_config.num_attention_heads", 3),
        ("text_config.hidden_size", 1.5), ("text_config.hidden_act", "evil"), ("text_config.hidden_act", []),
        ("text_config.layer_norm_eps", float("nan")), ("text_config.layer_norm_eps", 0),
        ("text_config.vocab_size", 10**30), ("text_config.max_position_embeddings", 1_000_000),
        ("text_config.eos_token_id", "x"), ("text_config.eos_token_id", [[1]]), ("text_config.bos_token_id", 2**40),
        ("vision_config.image_size", 1_000_000), ("vision_config.image_size", [21, 21]),
        ("vision_config.patch_size", 0), ("vision_config.num_channels", 4), ("text_config.attention_dropout", -1),
    ],
)  # fmt: skip
def test_settings_outside_their_bounds(place: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=place.split(".")[-1]):
        checked_clip_values(changed(place, value))


@pytest.mark.parametrize(("image", "patch"), [(7, 21), (4096, 1)])
def test_pictures_without_patches_and_with_too_many(image: int, patch: int) -> None:
    values = changed("vision_config.image_size", image)
    values["vision_config"]["patch_size"] = patch
    with pytest.raises((ConfigError, CheckpointError), match="patch"):
        clip_from_config(values)


def test_housekeeping_stays_out() -> None:
    """A precision to compute in, a kernel to fetch and code to run are no geometry."""
    extra = {
        "torch_dtype": "float16",
        "attn_implementation": "kernels-community/evil",
        "auto_map": {"AutoModel": "x.Y"},
    }
    values = tiny_clip_values(530, **VALUES)
    values["text_config"] |= {
        "torch_dtype": "float16",
        "_attn_implementation": "flash_attention_2",
        "id2label": 7,
    }
    clip = clip_from_config(values | extra)
    assert {str(parameter.dtype) for parameter in clip.parameters()} == {"torch.float32"}


def test_the_older_spelling_of_a_tower_counts() -> None:
    values = tiny_clip_values(530, **VALUES)
    values["text_config_dict"] = values["text_config"] | {"max_position_embeddings": 9}
    assert clip_from_config(values).config.text_config.max_position_embeddings == 9
    values["text_config_dict"]["num_hidden_layers"] = 1_000_000
    with pytest.raises(ConfigError, match=r"text_config_dict\.num_hidden_layers"):
        clip_from_config(values)
