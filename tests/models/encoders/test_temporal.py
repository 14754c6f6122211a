"""Temporal encoders: contract for each, seqTransf against numpy, pooling by hand."""

import numpy as np
import pytest
import torch
from numpy_transformer import block
from torch import nn
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.errors import ConfigError
from finereel.models.encoders.temporal import (
    TEMPORAL,
    SequentialTransformer,
    TokenTransformer,
    make_temporal,
    pool_frames,
)
from finereel.models.heads import HEADS, head_config
from tiny_models import jitter, tiny_towers

DIM, FRAMES = 128, 5
TOKENS = 3  # tokens of a frame, for the encoder that takes them all
every_encoder = pytest.mark.parametrize("name", TEMPORAL)


def encoder(name: str, **settings: object) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"max_frames": FRAMES, "patches_per_frame": TOKENS - 1, "temporal_layers": 2}
    module = make_temporal(ModelConfig(temporal=name, **sizes, **settings), DIM, text_positions=8)
    jitter(module, amount=0.05)
    return module.eval().requires_grad_(False)


def given_to(module: nn.Module, frames: torch.Tensor) -> torch.Tensor:
    """Frames, or where the encoder takes all tokens of a frame, some more beside each."""
    if not module.over_patches:
        return frames
    return torch.stack([frames, frames.roll(1, -1), -frames.roll(2, -1)], 2).flatten(1, 2)


def encoded(name: str, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    module = encoder(name)
    return module(given_to(module, frames), mask)


def frames_and_mask() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([5, 1, 3])
    return torch.randn(3, FRAMES, DIM, generator=generator), torch.arange(FRAMES)[None] < lengths[
        :, None
    ]


@every_encoder
def test_shape_and_determinism(name: str) -> None:
    frames, mask = frames_and_mask()
    first, second = (encoded(name, frames, mask) for _ in range(2))
    assert first.shape == frames.shape
    assert torch.equal(first, second)


@every_encoder
@pytest.mark.parametrize("poison", [1e4, -1e4])
def test_padded_frames_change_no_real_one(name: str, poison: float) -> None:
    frames, mask = frames_and_mask()
    poisoned = torch.where(mask[..., None], frames, poison)
    clean, dirty = (encoded(name, given, mask) for given in (frames, poisoned))
    assert torch.equal(clean[mask], dirty[mask])
    assert torch.equal(pool_frames(clean, mask), pool_frames(dirty, mask))


@every_encoder
def test_clips_do_not_mix(name: str) -> None:
    frames, mask = frames_and_mask()
    together = encoded(name, frames, mask)
    for clip in range(3):
        alone = encoded(name, frames[clip : clip + 1], mask[clip : clip + 1])
        torch.testing.assert_close(alone[0], together[clip], rtol=1e-5, atol=1e-5)


@every_encoder
def test_any_frames_may_be_the_real_ones(name: str) -> None:
    """Frames that were lost in the middle count as little as missing ones at the end."""
    frames, _ = frames_and_mask()
    mask = torch.tensor([[True, False, True, True, False]] * 3)
    poisoned = torch.where(mask[..., None], frames, 1e4)
    assert torch.equal(encoded(name, frames, mask)[mask], encoded(name, poisoned, mask)[mask])


@every_encoder
def test_no_frame_at_all_is_finite(name: str) -> None:
    frames, mask = frames_and_mask()
    assert torch.isfinite(encoded(name, frames, mask & False)).all()


def test_order_of_frames_matters_unless_they_are_averaged() -> None:
    frames, _ = frames_and_mask()
    mask = torch.ones(3, FRAMES, dtype=torch.bool)
    for name in TEMPORAL:
        straight, turned = (
            pool_frames(encoded(name, given, mask), mask) for given in (frames, frames.flip(1))
        )
        assert torch.allclose(straight, turned, atol=1e-5) == (name == "meanP")


def test_seq_transf_agrees_with_numpy() -> None:
    module = encoder("seqTransf").double()
    frames, mask = frames_and_mask()
    found = module(frames.double(), mask)
    for clip in range(3):
        x = frames[clip].double().numpy()
        hidden = x + module.positions.weight[:FRAMES].numpy()
        for layer in module.blocks:
            state = {name: tensor.numpy() for name, tensor in layer.state_dict().items()}
            keys = mask[clip].nonzero().flatten().tolist()
            hidden = block(hidden, state, heads=2, keys=keys, eps=1e-12)
        np.testing.assert_allclose(found[clip].numpy(), hidden + x, rtol=1e-9, atol=1e-9)


def test_tiny_features_keep_the_published_epsilon() -> None:
    """With eps 1e-5 frames this small would hardly be normalised."""
    module = encoder("seqTransf").double()
    assert {layer.layer_norm1.eps for layer in module.blocks} == {1e-12}


@every_encoder
def test_every_parameter_learns(name: str) -> None:
    module = encoder(name).train().requires_grad_(True)
    if not list(module.parameters()):
        return
    frames, mask = frames_and_mask()
    weight = torch.randn(3, DIM, generator=torch.Generator().manual_seed(2))
    (pool_frames(module(given_to(module, frames), mask), mask) * weight).sum().backward()
    for place, parameter in module.named_parameters():
        if not place.endswith(
            "k_proj.bias"
        ):  # adds the same to every logit of a row: softmax cannot see it
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 1e-7, place


def test_seq_lstm_agrees_with_numpy() -> None:
    module = encoder("seqLSTM").double()
    state = {name: tensor.numpy() for name, tensor in module.lstm.state_dict().items()}
    frames, mask = frames_and_mask()
    found = module(frames.double(), mask).numpy()
    for clip in range(3):
        hidden, cell = np.zeros(DIM), np.zeros(DIM)
        for index in range(FRAMES):
            x = frames[clip, index].double().numpy()
            if not mask[clip, index]:
                np.testing.assert_array_equal(found[clip, index], x)
                continue
            gates = state["weight_ih_l0"] @ x + state["bias_ih_l0"] + state["weight_hh_l0"] @ hidden
            enter, forget, candidate, leave = np.split(gates + state["bias_hh_l0"], 4)
            cell = cell / (1 + np.exp(-forget)) + np.tanh(candidate) / (1 + np.exp(-enter))
            hidden = np.tanh(cell) / (1 + np.exp(-leave))
            np.testing.assert_allclose(found[clip, index], hidden + x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mask_padding", [True, False])
def test_token_transformer_is_the_transformer_over_all_tokens(mask_padding: bool) -> None:
    """Every third output is a frame; published, the mask is tiled, so token j answers to frame j
    mod F.
    """
    module = encoder("tokenTransf", mask_padding=mask_padding)
    frames, mask = frames_and_mask()
    tokens = given_to(module, frames)
    plain = SequentialTransformer(DIM, 2, FRAMES * TOKENS).eval()
    plain.load_state_dict(module.state_dict())
    places = [j // TOKENS if mask_padding else j % FRAMES for j in range(FRAMES * TOKENS)]
    wanted = plain(tokens, mask[:, places])[:, [TOKENS * frame for frame in range(FRAMES)]]
    assert torch.equal(module(tokens, mask), wanted)


def test_more_tokens_than_positions_are_refused() -> None:
    module = TokenTransformer(DIM, 1, positions=16, tokens_per_frame=4)
    with pytest.raises(ConfigError, match="16 positions, got 20 tokens"):
        module(torch.zeros(1, 20, DIM), torch.ones(1, 5, dtype=torch.bool))


@pytest.mark.parametrize("head", HEADS)
def test_a_model_has_positions_for_all_it_takes(head: str) -> None:
    """However long the clip, and however few positions the text tower has."""
    config = head_config(head, max_frames=9, temporal_layers=1)
    module = make_temporal(config, DIM, text_positions=4)
    count = config.num_patches if module.over_patches else 9
    assert module(torch.zeros(1, count, DIM), torch.ones(1, 9, dtype=torch.bool)).shape == (
        1,
        9,
        DIM,
    )


def test_unknown_encoders_are_named() -> None:
    config = ModelConfig()
    object.__setattr__(config, "temporal", "gru")  # past the type checks of the tests
    with pytest.raises(ConfigError, match="expected one of meanP, seqLSTM, seqTransf, tokenTransf"):
        make_temporal(config, DIM, 8)


def test_starts_from_the_text_tower() -> None:
    towers = tiny_towers(dim=DIM, text_blocks=3)
    module = SequentialTransformer(DIM, 2, 40)
    untouched = module.positions.weight[32:].clone()
    module.copy_from_text_tower(towers.text_model)
    text = towers.text_model
    for layer, source in zip(module.blocks, text.encoder.layers, strict=False):
        assert all(
            torch.equal(layer.state_dict()[name], tensor)
            for name, tensor in source.state_dict().items()
        )
    assert torch.equal(module.positions.weight[:32], text.embeddings.position_embedding.weight)
    assert torch.equal(module.positions.weight[32:], untouched)
    assert {layer.layer_norm1.eps for layer in module.blocks} == {1e-12}


def test_another_width_keeps_the_random_start() -> None:
    module = SequentialTransformer(DIM, 1, 8)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.copy_from_text_tower(tiny_towers().text_model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_pooling_is_the_mean_of_unit_frames() -> None:
    frames, mask = frames_and_mask()
    pooled = pool_frames(frames, mask)
    for clip in range(3):
        rows = [
            frames[clip, index] / frames[clip, index].norm()
            for index in range(FRAMES)
            if mask[clip, index]
        ]
        torch.testing.assert_close(pooled[clip], normalize(sum(rows) / len(rows), dim=0))
    assert torch.equal(pool_frames(torch.where(mask[..., None], frames, torch.nan), mask), pooled)


def test_a_clip_without_frames_pools_to_zero() -> None:
    assert pool_frames(torch.ones(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool)).tolist() == [
        [0, 0, 0]
    ]
