"""Temporal modules of patches: contract for each, and each against a slow reference in numpy."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy_transformer import attention, layer_norm
from torch import nn

from finereel.config import ModelConfig
from finereel.errors import ConfigError
from finereel.models.encoders.clip import shift_tokens
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.encoders.patch_temporal import PATCH_TEMPORAL, make_patch_temporal
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, require_fit, save
from tiny_models import jitter, tiny_model, tiny_tokenizer

DIM, FRAMES, TOKENS = 12, 4, 9
every_module = pytest.mark.parametrize("name", PATCH_TEMPORAL)


def module(name: str, amount: float = 0.3, **settings: object) -> nn.Module:
    torch.manual_seed(0)
    made = make_patch_temporal(ModelConfig(patch_temporal=name, **settings), DIM)
    jitter(made, amount=amount)
    return made.eval().requires_grad_(False)


def tokens_and_mask() -> tuple[torch.Tensor, torch.Tensor]:
    """The second clip lacks a frame in the middle, the third its last two."""
    tokens = torch.randn(3, FRAMES, TOKENS, DIM, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True] * 4, [True, False, True, True], [True, True, False, False]])
    return tokens, mask


@every_module
def test_it_starts_as_the_identity_and_never_moves_a_frames_own_token(name: str) -> None:
    tokens, mask = tokens_and_mask()
    assert torch.equal(module(name, amount=0.0)(tokens, mask), tokens)
    moved = module(name)(tokens, mask)
    assert torch.equal(moved[:, :, 0], tokens[:, :, 0])
    assert (moved[:, :, 1:] != tokens[:, :, 1:]).any(-1).all()


@every_module
def test_padded_frames_are_never_read(name: str) -> None:
    tokens, mask = tokens_and_mask()
    poisoned = torch.where(mask[..., None, None], tokens, 1e4)
    assert torch.equal(module(name)(tokens, mask)[mask], module(name)(poisoned, mask)[mask])
    published = module(name, mask_padding=False)
    assert not torch.equal(published(tokens, mask)[mask], published(poisoned, mask)[mask])


@every_module
def test_how_many_padded_frames_there_are_never_counts(name: str) -> None:
    tokens, mask = tokens_and_mask()
    short = module(name)(tokens[2:, :2], mask[2:, :2])
    torch.testing.assert_close(short[0], module(name)(tokens, mask)[2, :2])


@every_module
def test_other_frames_count_and_other_clips_do_not(name: str) -> None:
    tokens, mask = tokens_and_mask()
    other = tokens.clone()
    other[0, 1] += 1.0
    before, after = module(name)(tokens, mask), module(name)(other, mask)
    assert not torch.equal(before[0, 0, 1:], after[0, 0, 1:])
    assert torch.equal(before[1:], after[1:])
    alone = module(name)(tokens[1:2], mask[1:2])
    torch.testing.assert_close(alone[0], before[1])


@every_module
def test_no_frame_at_all_is_finite(name: str) -> None:
    tokens, mask = tokens_and_mask()
    assert torch.isfinite(module(name)(tokens, mask & False)).all()


@every_module
def test_every_parameter_learns(name: str) -> None:
    made = module(name).train().requires_grad_(True)
    tokens, mask = tokens_and_mask()
    weight = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(2))
    (made(tokens, mask) * weight)[mask].sum().backward()
    for place, parameter in made.named_parameters():
        if not place.endswith("k_proj.bias"):  # the same on every logit of a softmax
            assert parameter.grad.abs().max() > 1e-6, place


def numbers(made: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in made.state_dict().items()}


def test_shift_agrees_with_numpy() -> None:
    made = module("shift").double()
    tokens, mask = tokens_and_mask()
    found, state = made(tokens.double(), mask).numpy(), numbers(made)
    named = {name.replace("attention.", "self_attn."): value for name, value in state.items()}
    for clip in range(3):
        normed = layer_norm(
            tokens[clip].double().numpy(), state["norm.weight"], state["norm.bias"], 1e-5
        )
        shifted = shift_tokens(torch.from_numpy(normed)[None], mask[clip : clip + 1])[0].numpy()
        for frame in mask[clip].nonzero().flatten().tolist():
            seen = attention(shifted[frame], named, heads=1, keys=list(range(TOKENS)))
            wanted = tokens[clip, frame, 1:].double().numpy() + seen[1:]
            np.testing.assert_allclose(found[clip, frame, 1:], wanted, rtol=1e-9, atol=1e-9)


def test_adapter_agrees_with_loops() -> None:
    made = module("adapter").double()
    tokens, mask = tokens_and_mask()
    found, state = made(tokens.double(), mask).numpy(), numbers(made)
    kernel, bias = state["over_frames.weight"][:, 0], state["over_frames.bias"]
    for clip in range(3):
        x = tokens[clip].double().numpy()
        normed = layer_norm(x, state["norm.weight"], state["norm.bias"], 1e-5)
        narrow = normed @ state["down.weight"].T + state["down.bias"]
        for frame in mask[clip].nonzero().flatten().tolist():
            for place in range(1, TOKENS):
                seen = bias.copy()
                for step in (-1, 0, 1):
                    beside = frame + step
                    if 0 <= beside < FRAMES and mask[clip, beside]:
                        seen += kernel[:, step + 1] * narrow[beside, place]
                bent = [0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in seen]
                wanted = x[frame, place] + state["up.weight"] @ bent + state["up.bias"]
                np.testing.assert_allclose(found[clip, frame, place], wanted, rtol=1e-9, atol=1e-9)


@every_module
def test_a_model_has_it_where_it_reads_patches_and_comes_back_from_its_files(
    name: str, tmp_path: Path
) -> None:
    plain, model = tiny_model(), tiny_model(patch_temporal=name)
    assert model.fingerprint != plain.fingerprint
    assert set(model.state_dict()) - set(plain.state_dict())
    pixels = torch.randn(2, 4, 3, 21, 21, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    with torch.no_grad():
        start = model.video_features(pixels, mask)
        assert torch.equal(start.patches, plain.video_features(pixels, mask).patches)
        jitter(model.patch_temporal)
        moved = model.video_features(pixels, mask)
    assert torch.equal(moved.video, start.video)
    assert torch.equal(moved.frames, start.frames)
    assert not torch.equal(moved.patches, start.patches)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.fingerprint == model.fingerprint
    with torch.no_grad():
        assert torch.equal(again.video_features(pixels, mask).patches, moved.patches)
    assert tiny_model(patch_temporal=name, weights={"video_sentence": 1.0}).patch_temporal is None


def test_none_is_no_module_and_too_few_tokens_are_refused() -> None:
    assert make_patch_temporal(ModelConfig(), DIM) is None
    config = ModelConfig(
        max_words=6, max_frames=2, shifted_blocks=(), temporal="meanP", patch_temporal="shift"
    )
    geometry = FeatureGeometry(dim=8, token_dim=5, tokens_per_frame=6, vocab_size=530)
    small = RetrievalModel(FeatureEncoder(geometry), config, tiny_tokenizer())
    with pytest.raises(ConfigError, match="shifted tokens need at least 7 a frame"):
        require_fit(small)
    wide = FeatureEncoder(replace(geometry, tokens_per_frame=7))
    require_fit(RetrievalModel(wide, config, tiny_tokenizer()))
