"""Temporal encoders: contract for each, seqTransf against numpy, pooling by hand."""

import numpy as np
import pytest
import torch
from numpy_transformer import block
from torch import nn
from torch.nn.functional import normalize

from finereel.encoders.temporal import MeanPooling, SequentialTransformer, pool_frames
from tiny_models import jitter, tiny_towers

DIM, FRAMES = 128, 5
ENCODERS = {"meanP": MeanPooling, "seqTransf": lambda: SequentialTransformer(DIM, 2, 8)}
every_encoder = pytest.mark.parametrize("name", ENCODERS)


def encoder(name: str) -> nn.Module:
    torch.manual_seed(0)
    module = ENCODERS[name]()
    jitter(module, amount=0.05)
    return module.eval().requires_grad_(False)


def frames_and_mask() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([5, 1, 3])
    return torch.randn(3, FRAMES, DIM, generator=generator), torch.arange(FRAMES)[None] < lengths[:, None]


@every_encoder
def test_shape_and_determinism(name: str) -> None:
    frames, mask = frames_and_mask()
    first, second = (encoder(name)(frames, mask) for _ in range(2))
    assert first.shape == frames.shape
    assert torch.equal(first, second)


@every_encoder
@pytest.mark.parametrize("poison", [1e4, -1e4])
def test_padded_frames_change_no_real_one(name: str, poison: float) -> None:
    frames, mask = frames_and_mask()
    poisoned = torch.where(mask[..., None], frames, poison)
    clean, dirty = (encoder(name)(given, mask) for given in (frames, poisoned))
    assert torch.equal(clean[mask], dirty[mask])
    assert torch.equal(pool_frames(clean, mask), pool_frames(dirty, mask))


@every_encoder
def test_clips_do_not_mix(name: str) -> None:
    frames, mask = frames_and_mask()
    together = encoder(name)(frames, mask)
    for clip in range(3):
        alone = encoder(name)(frames[clip : clip + 1], mask[clip : clip + 1])
        torch.testing.assert_close(alone[0], together[clip], rtol=1e-5, atol=1e-5)


def test_order_of_frames_matters_to_seq_transf_only() -> None:
    frames, _ = frames_and_mask()
    mask = torch.ones(3, FRAMES, dtype=torch.bool)
    for name, moves in (("meanP", False), ("seqTransf", True)):
        straight, turned = (pool_frames(encoder(name)(given, mask), mask) for given in (frames, frames.flip(1)))
        assert torch.allclose(straight, turned, atol=1e-5) != moves


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


def test_every_parameter_learns() -> None:
    module = encoder("seqTransf").train().requires_grad_(True)
    frames, mask = frames_and_mask()
    weight = torch.randn(3, DIM, generator=torch.Generator().manual_seed(2))
    (pool_frames(module(frames, mask), mask) * weight).sum().backward()
    for name, parameter in module.named_parameters():
        if not name.endswith("k_proj.bias"):  # adds the same to every logit of a row: softmax cannot see it
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 1e-7, name


def test_starts_from_the_text_tower() -> None:
    towers = tiny_towers(dim=DIM, text_blocks=3)
    module = SequentialTransformer(DIM, 2, 40)
    untouched = module.positions.weight[32:].clone()
    module.copy_from_text_tower(towers.text_model)
    text = towers.text_model
    for layer, source in zip(module.blocks, text.encoder.layers, strict=False):
        assert all(torch.equal(layer.state_dict()[name], tensor) for name, tensor in source.state_dict().items())
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
        rows = [frames[clip, index] / frames[clip, index].norm() for index in range(FRAMES) if mask[clip, index]]
        torch.testing.assert_close(pooled[clip], normalize(sum(rows) / len(rows), dim=0))
    assert torch.equal(pool_frames(torch.where(mask[..., None], frames, torch.nan), mask), pooled)


def test_a_clip_without_frames_pools_to_zero() -> None:
    assert pool_frames(torch.ones(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool)).tolist() == [[0, 0, 0]]
