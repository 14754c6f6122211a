"""Models with prompts: the coarse score never sees them, the fine score does, in every head and
kind of encoder.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from finereel.config import FineConfig, ModelConfig, from_dict, to_dict
from finereel.errors import ConfigError, ModelError
from finereel.models.encoders.clip import ClipEncoder
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.encoders.patches import Perturbation
from finereel.models.encoders.prompts import pool_by_query, read_block
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import HEADS, head_config
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from tiny_models import DIM, FRAMES, IMAGE, WORDS, jitter, tiny_tokenizer, tiny_towers

BOTH = FineConfig(visual_prompts=1, text_prompts=2)
IDS = torch.tensor([[7, 9, 529, 0, 0, 0], [8, 12, 40, 41, 42, 529]])
TEXT_MASK = torch.tensor([[1, 1, 1, 0, 0, 0], [1] * 6], dtype=torch.bool)
FRAME_MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]], dtype=torch.bool)


def pixels(seed: int = 5) -> Tensor:
    return torch.randn(2, FRAMES, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(seed))


def alike(*shape: int) -> Tensor:
    """Clips whose frames hardly differ, so that no softmax over frames is saturated."""
    return torch.randn(shape[0], 1, *shape[2:]) + 0.02 * torch.randn(shape)


def clip_model(fine: FineConfig, head: str = "ucofia", **settings: object) -> RetrievalModel:
    """The same weights whatever `fine` says, but for what only prompts have."""
    published = head_config(head, **settings)
    config = replace(
        published,
        shifted_blocks=(1,) if published.shifted_blocks else (),
        max_words=WORDS,
        max_frames=FRAMES,
        temporal_layers=1,
        fine=fine,
    )
    encoder = ClipEncoder(tiny_towers(), config.shifted_blocks, config.mask_padding)
    torch.manual_seed(1)
    plain = RetrievalModel(encoder, replace(config, fine=FineConfig()), tiny_tokenizer())
    torch.manual_seed(2)
    model = RetrievalModel(encoder, config, tiny_tokenizer(), name="tiny")
    model.load_state_dict({**model.state_dict(), **plain.state_dict()})
    jitter(model.head)
    if model.fine_head is not None:
        jitter(model.fine_head, seed=3)
    return model.eval()


def token_model(fine: FineConfig, head: str = "ucofia") -> RetrievalModel:
    torch.manual_seed(0)
    geometry = FeatureGeometry(
        dim=DIM, token_dim=8, tokens_per_frame=6, vocab_size=530, text_width=64
    )
    sizes = {"shifted_blocks": (), "max_words": WORDS, "max_frames": FRAMES, "temporal_layers": 1}
    config = head_config(head, **sizes, fine=fine)
    return RetrievalModel(FeatureEncoder(geometry), config, tiny_tokenizer()).eval()


def features(
    model: RetrievalModel, frames: Tensor | None = None
) -> tuple[TextFeatures, VideoFeatures]:
    given = frames if frames is not None else pixels()
    return model.text_features(IDS, TEXT_MASK), model.video_features(given, FRAME_MASK)


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_the_coarse_score_is_bit_for_bit_that_without_prompts(head: str) -> None:
    plain, prompted = clip_model(FineConfig(), head), clip_model(BOTH, head)
    text, video = features(prompted)
    assert text.fine is not None
    assert video.fine is not None
    found, wanted = prompted.score(text, video), plain.score(*features(plain))
    assert all(torch.equal(found.parts[name], wanted.parts[name]) for name in wanted.parts)
    assert not torch.allclose(prompted.score_fine(text, video).fused, found.fused, atol=1e-3)


@torch.no_grad()
def test_joint_attention_changes_the_coarse_score_and_the_legacy_index_reads_the_first_patch() -> (
    None
):
    plain = clip_model(FineConfig())
    joint = clip_model(FineConfig(visual_prompts=1, attention="joint"))
    legacy = clip_model(FineConfig(visual_prompts=1, attention="joint", legacy_index=True))
    wanted = plain.score(*features(plain)).fused
    assert not torch.allclose(joint.score(*features(joint)).fused, wanted, atol=1e-4)
    assert joint.prompts is not None
    tokens, own = joint.encoder.encode_prompted(pixels(), FRAME_MASK, joint.prompts)
    assert legacy.prompts is not None
    same_tokens, first_patch = legacy.encoder.encode_prompted(pixels(), FRAME_MASK, legacy.prompts)
    assert torch.equal(tokens, same_tokens)
    assert torch.equal(first_patch, tokens[:, :, 1])
    assert not torch.allclose(own, first_patch, atol=1e-3)


@torch.no_grad()
def test_a_prompt_passes_a_block_as_one_more_token_would() -> None:
    """What the prompt becomes is what the block makes of it among all tokens, while those know
    nothing of it.
    """
    block = tiny_towers().vision_model.encoder.layers[0]
    tokens, prompts = torch.randn(3, 10, DIM), torch.randn(3, 2, DIM)
    together = block(torch.cat([tokens, prompts], 1), attention_mask=None)
    assert torch.allclose(
        read_block(block, block.layer_norm1(tokens), prompts), together[:, 10:], atol=1e-5
    )


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@torch.no_grad()
def test_any_number_of_prompts_gives_one_vector_a_frame(count: int) -> None:
    for model, given in (
        (clip_model(FineConfig(visual_prompts=count)), pixels()),
        (token_model(FineConfig(visual_prompts=count)), torch.randn(2, FRAMES, 6, 8)),
    ):
        video = features(model, given)[1].fine
        assert video.frames.shape == (2, FRAMES, DIM)
        assert torch.isfinite(video.video).all()


@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_every_parameter_of_the_fine_score(head: str) -> None:
    torch.manual_seed(4)
    clips, tokens = alike(2, FRAMES, 3, IMAGE, IMAGE), alike(2, FRAMES, 6, 8)
    for model, given in ((clip_model(BOTH, head), clips), (token_model(BOTH, head), tokens)):
        model.train()
        model.set_perturbation(Perturbation(samples=4, sigma=0.5))
        text, video = features(model, given)
        (
            model.score_fine(text, video).fused * torch.tensor([[1.0, -2.0], [3.0, 5.0]])
        ).sum().backward()
        assert model.prompts is not None
        assert model.fine_head is not None
        for name, parameter in [
            *model.prompts.named_parameters(),
            *model.fine_head.named_parameters(),
        ]:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name
        assert all(parameter.grad is None for parameter in model.head.parameters())


@pytest.mark.parametrize("head", ["ucofia", "xclip", "clip4clip", "ts2net"])
@torch.no_grad()
def test_padding_is_worth_nothing(head: str) -> None:
    model = clip_model(BOTH, head)
    frames, poisoned = pixels(), pixels()
    poisoned[~FRAME_MASK] = 1e4
    text, video = features(model, frames)
    wanted = model.score_fine(text, video).fused
    assert torch.allclose(
        model.score_fine(text, features(model, poisoned)[1]).fused, wanted, atol=1e-5
    )
    ids = torch.where(TEXT_MASK, IDS, 3)
    other = model.text_features(ids, TEXT_MASK)
    assert torch.allclose(model.score_fine(other, video).fused, wanted, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
@torch.no_grad()
def test_scores_of_groups_are_those_of_the_whole_matrix(head: str) -> None:
    model = clip_model(BOTH, head)
    text, video = features(model)
    texts = text.rows(torch.tensor([0, 1, 0, 1, 1, 0]))
    whole, groups = model.score_fine(texts, video), model.score_groups(texts, video)
    for name, part in groups.parts.items():
        wanted = torch.stack([whole.parts[name][:3, 0], whole.parts[name][3:, 1]])
        assert torch.allclose(part, wanted, atol=1e-4), name
    with pytest.raises(ValueError, match="do not divide"):
        model.score_groups(texts.rows(slice(0, 5)), video)


@torch.no_grad()
def test_without_prompts_the_fine_score_is_the_score() -> None:
    model = clip_model(FineConfig())
    text, video = features(model)
    assert torch.equal(model.score_fine(text, video).fused, model.score(text, video).fused)


def test_text_prompts_go_before_the_words_and_leave_their_places() -> None:
    model = clip_model(FineConfig(text_prompts=3))
    text = model.text_features(IDS, TEXT_MASK)
    assert text.fine.words.shape == text.words.shape
    assert torch.allclose(
        text.fine.words[:, 0], text.words[:, 0], atol=1e-6
    )  # the start token looks at itself only
    assert not torch.allclose(text.fine.sentence, text.sentence, atol=1e-3)
    shorter = model.encode_text(["a red car"])
    assert torch.allclose(
        shorter.fine.sentence,
        model.text_features(*map(torch.from_numpy, _tokens(model, "a red car"))).fine.sentence,
        atol=1e-5,
    )


def _tokens(model: RetrievalModel, text: str) -> tuple[object, object]:
    assert model.tokenizer is not None
    tokens = model.tokenizer.encode([text], WORDS)
    return tokens.ids, tokens.mask


@pytest.mark.parametrize("attention", ["one_way", "joint"])
@torch.no_grad()
def test_deep_prompts_of_one_block_are_those_of_a_shallow_model(attention: str) -> None:
    """What stands before the first block is the same; only later blocks differ."""
    deep = clip_model(FineConfig(1, 2, attention, deep=True))  # type: ignore[arg-type]
    plain = clip_model(FineConfig(1, 2, attention))  # type: ignore[arg-type]
    assert deep.prompts is not None
    assert plain.prompts is not None
    plain.prompts.visual.copy_(deep.prompts.visual[0])
    plain.prompts.text.copy_(deep.prompts.text[0])
    differs = [not torch.equal(one, other) for one, other in _of_prompts(deep, plain)]
    assert differs == [True, True]
    for model in (deep, plain):
        del model.encoder.clip.text_model.encoder.layers[1:]
        del model.encoder.clip.vision_model.encoder.layers[1:]
    for one, other in _of_prompts(deep, plain):
        assert torch.equal(one, other)


def _of_prompts(*models: RetrievalModel) -> list[tuple[Tensor, ...]]:
    """Fine sentences and frames, model by model."""
    every = [features(model) for model in models]
    return [
        tuple(text.fine.sentence for text, _ in every),  # type: ignore[union-attr]
        tuple(video.fine.frames for _, video in every),  # type: ignore[union-attr]
    ]


def test_the_setting_of_deep_prompts_is_written_where_it_is_set() -> None:
    """Models that were saved before it keep their fingerprints."""
    assert "deep" not in to_dict(ModelConfig(fine=BOTH))["fine"]
    deep = ModelConfig(fine=replace(BOTH, deep=True))
    assert from_dict(ModelConfig, to_dict(deep)) == deep
    with pytest.raises(ConfigError, match="deep prompts are prompts"):
        FineConfig(deep=True)


@torch.no_grad()
def test_a_saved_model_scores_the_same_and_an_old_one_has_no_prompts(tmp_path: Path) -> None:
    model = clip_model(BOTH)
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.config.fine == BOTH
    assert torch.equal(
        again.score_fine(*features(again)).fused, model.score_fine(*features(model)).fused
    )
    old = to_dict(ModelConfig())
    assert "fine" not in old
    assert from_dict(ModelConfig, old).fine == FineConfig()


def test_prompts_change_the_fingerprint_and_no_prompts_do_not() -> None:
    assert clip_model(BOTH).fingerprint != clip_model(FineConfig()).fingerprint


def test_features_without_prompts_are_refused_where_the_model_has_some() -> None:
    model = clip_model(BOTH)
    text, video = features(model)
    with pytest.raises(ModelError, match="encode them with it again"):
        model.score_fine(text, replace(video, fine=None))
    with pytest.raises(ModelError, match="encode them with it again"):
        model.score_fine(replace(text, fine=None), video)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="attention=joint"):
        FineConfig(visual_prompts=1, legacy_index=True)
    with pytest.raises(ConfigError, match="visual_prompts must be 0 or more"):
        FineConfig(visual_prompts=-1)
    model = token_model(FineConfig(visual_prompts=1, attention="joint"))
    with pytest.raises(ConfigError, match="one_way"):
        features(model, torch.randn(2, FRAMES, 6, 8))
    with pytest.raises(ModelError, match="give pixels"):
        clip_model(BOTH).video_features(torch.randn(2, FRAMES, 10, DIM), FRAME_MASK)


def test_a_query_that_likes_a_token_reads_that_token() -> None:
    tokens = torch.eye(4)[None, None] * 3.0
    assert torch.allclose(
        pool_by_query(tokens, 40.0 * torch.eye(4)[:1]), tokens[:, :, 0], atol=1e-4
    )
