"""The towers: equal to transformers' own, and the shifted block equal to numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy_transformer import attention, block, layer_norm, mlp, norm

from finereel.errors import CheckpointError, ConfigError
from finereel.models.encoders.clip import (
    ClipEncoder,
    checked_clip_values,
    clip_from_config,
    shift_tokens,
)
from finereel.models.encoders.tiny import tiny_clip_values
from tiny_models import DIM, IMAGE, tiny_towers, transformers_clip

END = 529


def token_rows() -> torch.Tensor:
    ids = torch.randint(1, 500, (3, 8), generator=torch.Generator().manual_seed(0))
    for row, length in enumerate((8, 3, 5)):
        ids[row, length - 1] = END
        ids[row, length:] = 0
    return ids


def frames(num_videos: int = 2, num_frames: int = 4) -> torch.Tensor:
    return torch.randn(
        num_videos, num_frames, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(1)
    )


def all_real(num_videos: int = 2, num_frames: int = 4) -> torch.Tensor:
    return torch.ones(num_videos, num_frames, dtype=torch.bool)


@torch.no_grad()
def test_features_are_those_of_transformers() -> None:
    encoder = ClipEncoder(tiny_towers().eval())
    towers = transformers_clip(encoder.clip)
    sentence, words = encoder.encode_tokens(token_rows())
    theirs = towers.get_text_features(input_ids=token_rows())
    torch.testing.assert_close(
        sentence, getattr(theirs, "pooler_output", theirs), rtol=1e-5, atol=1e-5
    )
    assert words.shape == (3, 8, DIM)
    tokens = encoder.encode_frames(frames(), all_real())
    theirs = towers.get_image_features(pixel_values=frames().flatten(0, 1))
    wanted = getattr(theirs, "pooler_output", theirs).reshape(2, 4, DIM)
    torch.testing.assert_close(tokens[:, :, 0], wanted, rtol=1e-5, atol=1e-5)
    assert tokens.shape == (2, 4, 10, DIM)


@torch.no_grad()
def test_padding_after_the_end_changes_no_real_token() -> None:
    encoder, ids = ClipEncoder(tiny_towers().eval()), token_rows()
    other = torch.where(torch.arange(8) > ids.argmax(1, keepdim=True), 7, ids)
    assert not torch.equal(other, ids)
    for found, wanted in zip(encoder.encode_tokens(other), encoder.encode_tokens(ids), strict=True):
        if found.ndim == 2:
            assert torch.equal(found, wanted)
        else:
            real = torch.arange(8) <= ids.argmax(1, keepdim=True)
            assert torch.equal(found[real], wanted[real])


@torch.no_grad()
def test_the_sentence_stands_at_the_first_end() -> None:
    encoder, ids = ClipEncoder(tiny_towers().eval()), token_rows()
    ids[0, 2] = END
    sentence, words = encoder.encode_tokens(ids)
    assert torch.equal(sentence[0], words[0, 2])
    assert torch.equal(sentence[1], words[1, 2])


def numbers(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


@torch.no_grad()
def test_text_tower_agrees_with_numpy() -> None:
    """Causal: row n of the result depends on tokens 0..n, so each prefix is computed on its own."""
    towers = tiny_towers().double().eval()
    _, words = ClipEncoder(towers).encode_tokens(token_rows())
    text = towers.text_model
    for row in range(3):
        for length in (1, 4, 8):
            hidden = text.embeddings(input_ids=token_rows()[row : row + 1, :length])[0].numpy()
            for layer in text.encoder.layers:
                hidden = np.stack(
                    [
                        block(hidden[: n + 1], numbers(layer), 1, list(range(n + 1)), 1e-5)[n]
                        for n in range(length)
                    ]
                )
            final = numbers(text.final_layer_norm)
            wanted = (
                layer_norm(hidden, final["weight"], final["bias"], 1e-5)
                @ numbers(towers.text_projection)["weight"].T
            )
            np.testing.assert_allclose(words[row, :length].numpy(), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("mask_padding", [True, False])
@torch.no_grad()
def test_shifted_tower_agrees_with_numpy(mask_padding: bool) -> None:
    """Attention alone sees shifted tokens; the residual and the other blocks do not."""
    towers = tiny_towers().double().eval()
    pixels, mask = frames().double(), torch.tensor([[True] * 4, [True, True, False, False]])
    pixels = torch.where(mask[..., None, None, None], pixels, 0.0)
    found = ClipEncoder(towers, (1,), mask_padding).encode_frames(pixels, mask)
    vision = towers.vision_model
    hidden = vision.pre_layrnorm(vision.embeddings(pixels.flatten(0, 1))).numpy()
    first, second = (numbers(layer) for layer in vision.encoder.layers)
    every = list(range(10))
    hidden = np.stack([block(frame, first, 1, every, 1e-5) for frame in hidden])
    normed = torch.from_numpy(norm(1, hidden, second, 1e-5)).reshape(2, 4, 10, -1)
    shifted = shift_tokens(normed, mask if mask_padding else None).flatten(0, 1).numpy()
    hidden = hidden + np.stack([attention(frame, second, 1, every) for frame in shifted])
    hidden = hidden + mlp(norm(2, hidden, second, 1e-5), second)
    final = numbers(vision.post_layernorm)
    wanted = (
        layer_norm(hidden, final["weight"], final["bias"], 1e-5)
        @ numbers(towers.visual_projection)["weight"].T
    )
    np.testing.assert_allclose(found.flatten(0, 1).numpy(), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e9])
@torch.no_grad()
def test_padded_frames_never_count(poison: float) -> None:
    encoder = ClipEncoder(tiny_towers().eval(), (0, 1))
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    poisoned = torch.where(mask[..., None, None, None], frames(), poison)
    assert torch.equal(
        encoder.encode_frames(poisoned, mask)[mask], encoder.encode_frames(frames(), mask)[mask]
    )
    assert torch.isfinite(encoder.encode_frames(poisoned, mask)).all()


@torch.no_grad()
def test_published_padding_leaks_into_the_last_real_frame() -> None:
    encoder = ClipEncoder(tiny_towers().eval(), (1,), mask_padding=False)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    dark = torch.where(mask[..., None, None, None], frames(), 0.0)
    straight, leaked = encoder.encode_frames(frames(), mask), encoder.encode_frames(dark, mask)
    torch.testing.assert_close(straight[1, 0], leaked[1, 0])
    assert not torch.allclose(straight[1, 1], leaked[1, 1])


def test_blocks_that_do_not_exist_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"\[10, 11\] do not exist: the vision tower has 2 blocks"
    ):
        ClipEncoder(tiny_towers(), (1, 10, 11))


def test_scale_is_the_exponential() -> None:
    towers = tiny_towers()
    towers.logit_scale.data.fill_(3.0)
    assert ClipEncoder(towers).scale.item() == pytest.approx(20.0855, rel=1e-4)


# What a CLIP config.json may say of its towers.
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
