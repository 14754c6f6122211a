"""The dual encoder: what a frame's token and a sentence are, saved tokens, and its geometry."""

import json
from dataclasses import replace

import pytest
import torch

from finereel.errors import CheckpointError, ConfigError, ModelError
from finereel.models.encoders.dual import DualEncoder, DualGeometry
from finereel.models.encoders.efficientnet import EfficientNetGeometry
from finereel.models.preprocessing import IMAGENET_MEAN, Preprocessing
from tiny_encoders import tiny_dual, tiny_dual_geometry

MASK = torch.tensor([[True, True, False], [True] * 3])


def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("separate", [False, True])
def test_a_frame_is_the_mean_of_its_patches(separate: bool) -> None:
    encoder = tiny_dual(separate_patches=separate).eval()
    tokens = encoder.encode_frames(pixels(), MASK)
    patches = encoder.vision_model(pixels().flatten(0, 1)).unflatten(0, (2, 3))
    own, rest = encoder.visual_projection, encoder.patch_projection or encoder.visual_projection
    torch.testing.assert_close(tokens[MASK][:, 0], own(patches.mean(2))[MASK])
    torch.testing.assert_close(tokens[MASK][:, 1:], rest(patches)[MASK])
    assert not tokens[~MASK].any()


def test_the_patches_alone_are_enough_to_go_on_from() -> None:
    encoder = tiny_dual().eval()
    saved = encoder.frozen_tokens(pixels(), MASK)
    torch.testing.assert_close(
        encoder.encode_frames(saved[:, :, 1:], MASK), encoder.encode_frames(pixels(), MASK)
    )


def test_saved_tokens_train_the_projections_only() -> None:
    encoder = tiny_dual().train()
    encoder.encode_frames(encoder.frozen_tokens(pixels(), MASK).detach(), MASK).sum().backward()
    assert encoder.visual_projection.weight.grad is not None
    assert all(parameter.grad is None for parameter in encoder.vision_model.parameters())


@pytest.mark.parametrize("shape", [(2, 3, 5, 41), (2, 3, 6, 40), (2, 3, 3, 40)])
def test_tokens_of_another_backbone_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="5 tokens of 40 numbers that efficientnet_lite0 made"):
        tiny_dual().encode_frames(torch.zeros(shape), MASK)


def test_a_sentence_is_the_mean_of_its_tokens_or_the_first() -> None:
    ids = torch.tensor([[2, 5, 6, 3, 0, 0]])
    mask = ids > 0
    for pooling in ("mean", "first"):
        encoder = tiny_dual(text_pooling=pooling).eval()
        hidden = encoder.text_model(ids, mask)
        pooled = hidden[:, :4].mean(1) if pooling == "mean" else hidden[:, 0]
        sentence, words = encoder.encode_tokens(ids, mask)
        torch.testing.assert_close(sentence, encoder.text_projection(pooled))
        torch.testing.assert_close(words[:, :4], encoder.word_projection(hidden[:, :4]))


def test_ids_under_the_mask_may_be_anything() -> None:
    encoder, ids = tiny_dual().eval(), torch.tensor([[2, 5, 3, 10**6]])
    sentence, _ = encoder.encode_tokens(ids, torch.tensor([[True, True, True, False]]))
    torch.testing.assert_close(sentence, encoder.encode_tokens(ids[:, :3])[0])


def test_a_clip_without_frames_is_zeros() -> None:
    assert not tiny_dual().encode_frames(pixels(), torch.zeros_like(MASK)).any()


def test_a_geometry_comes_back_from_json() -> None:
    own = Preprocessing(64, 70, 2, mean=(0.5,) * 3)
    for geometry in (
        DualGeometry(),
        tiny_dual_geometry(separate_patches=True, text_pooling="first", preprocessing=own),
    ):
        again = DualGeometry.from_values(json.loads(json.dumps(geometry.describe())))
        assert again == geometry
    stated = DualGeometry().preprocessing
    assert stated is not None
    assert (stated.size, stated.resize, stated.mean) == (224, (224, 224), IMAGENET_MEAN)
    assert DualGeometry.from_values({}) == DualGeometry()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"vision": "resnet"}, "expected one of efficientnet_lite0"),
        ({"text": ["bert"]}, "expected one of bert"),
        ({"text_pooling": "last"}, "text_pooling"),
        ({"dim": 0}, "dim must be from 1"),
        ({"dim": "512"}, "dim must be int"),
        ({"depth": 3}, "no setting depth"),
        ({"vision_config": {"image_size": 100}}, "multiple of 32"),
        ({"text_config": {"hidden_size": 30, "num_attention_heads": 4}}, "not a multiple"),
        ({"vision_config": 3}, "must be an object"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DualGeometry.from_values(changed)


def test_preprocessing_of_another_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="makes pictures of 32 pixels"):
        replace(tiny_dual_geometry(), preprocessing=Preprocessing.imagenet(32))
    with pytest.raises(CheckpointError, match="must name size"):
        DualGeometry.from_values({"preprocessing": {}})


def test_geometry_of_the_network_decides_the_number_of_tokens() -> None:
    vision = EfficientNetGeometry(image_size=96, width=24)
    encoder = DualEncoder(tiny_dual_geometry(vision_config=vision))
    assert encoder.tokens_per_frame == 10
    assert encoder.encode_frames(torch.randn(1, 1, 3, 96, 96), MASK[:1, :1]).shape == (1, 1, 10, 24)
