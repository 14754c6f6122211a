"""Models on precomputed tokens: shapes, padding, and the whole way from tokens to scores and back
from disk.
"""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from finereel.errors import ConfigError, ModelError
from finereel.models.encoders import encoder_from_description
from finereel.models.encoders.features import (
    BagOfWords,
    FeatureEncoder,
    FeatureGeometry,
    drop_patches,
    token_weights,
)
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.types import Frames
from tiny_models import tiny_config, tiny_tokenizer

GEOMETRY = FeatureGeometry(
    dim=16,
    token_dim=8,
    tokens_per_frame=6,
    vocab_size=530,
    backbone="mobilenet",
    hidden=12,
    text_width=32,
    text_blocks=1,
)
MASK = torch.tensor([[True, True, False, False], [True] * 4])


def make_model(**settings: object) -> RetrievalModel:
    torch.manual_seed(0)
    return RetrievalModel(
        FeatureEncoder(GEOMETRY), tiny_config(shifted_blocks=(), **settings), tiny_tokenizer()
    ).eval()


def tokens(seed: int = 1) -> torch.Tensor:
    return torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(seed))


def test_every_token_of_every_frame_comes_into_the_shared_space() -> None:
    encoder = FeatureEncoder(GEOMETRY).eval()
    adapted = encoder.encode_frames(tokens(), MASK)
    assert adapted.shape == (2, 4, 6, 16)
    alone = encoder.encode_frames(tokens()[1:, 2:3], MASK[1:, 2:3])
    torch.testing.assert_close(adapted[1, 2], alone[0, 0])


def test_what_stands_in_padded_frames_does_not_matter() -> None:
    model, poisoned = make_model(), tokens()
    poisoned[0, 2:] = float("nan")
    clean, dirty = (model.video_features(frames, MASK) for frames in (tokens(), poisoned))
    torch.testing.assert_close(clean.video, dirty.video)
    text = model.encode_text(["a red car", "a fish"])
    torch.testing.assert_close(model.score(text, clean).fused, model.score(text, dirty).fused)


def test_dropped_patches_move_the_frame_token_in_training_only() -> None:
    encoder = FeatureEncoder(replace(GEOMETRY, patch_dropout=0.5))
    frames = tokens()
    frames[:, :, 0] = frames[:, :, 1:].mean(2)
    moved = drop_patches(frames, 0.5)
    assert not torch.equal(moved[:, :, 0], frames[:, :, 0])
    torch.testing.assert_close(moved[:, :, 1:], frames[:, :, 1:])
    own, subsets = (
        moved[0, 0, 0],
        [list(c) for k in range(1, 6) for c in combinations(range(1, 6), k)],
    )
    assert any(torch.allclose(own, frames[0, 0, subset].mean(0), atol=1e-6) for subset in subsets)
    assert torch.equal(
        encoder.eval().encode_frames(frames, MASK), encoder.encode_frames(frames, MASK)
    )
    assert not torch.equal(
        encoder.train().encode_frames(frames, MASK), encoder.encode_frames(frames, MASK)
    )


def test_every_parameter_learns() -> None:
    model = make_model().train()
    ids = torch.from_numpy(model.tokenizer.encode(["a red car jumps", "a blue fish"], 6).ids)
    text = model.text_features(ids, ids > 0)
    loss = (
        -torch.log_softmax(model.score(text, model.video_features(tokens(), MASK)).fused, 1)
        .diagonal()
        .mean()
    )
    loss.backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert not still


def test_a_saved_model_is_the_same_model(tmp_path: Path) -> None:
    model = make_model()
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.encoder.describe() == model.encoder.describe()
    assert again.fingerprint == model.fingerprint
    frames, mask = tokens().numpy(), MASK.numpy()
    torch.testing.assert_close(
        again.encode_clips(frames, mask).patches, model.encode_clips(frames, mask).patches
    )


def test_another_backbone_is_another_model() -> None:
    first = make_model()
    other = RetrievalModel(
        FeatureEncoder(replace(GEOMETRY, backbone="other")), first.config, first.tokenizer
    )
    other.load_state_dict(first.state_dict())
    assert first.fingerprint != other.fingerprint


def test_fewer_frames_are_padded_and_more_are_refused() -> None:
    model = make_model()
    frames = tokens().numpy()
    short = model.encode_clips(frames[:, :2], np.ones((2, 2), bool))
    assert short.frame_mask.tolist() == [[True, True, False, False]] * 2
    with pytest.raises(ModelError, match="takes 4 frames, got 8"):
        model.encode_clips(np.concatenate([frames, frames], 1), np.ones((2, 8), bool))


def test_pixels_are_refused_with_the_name_of_the_backbone() -> None:
    frames = Frames(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1))
    with pytest.raises(ModelError, match="mobilenet"):
        make_model().encode_video([frames])


def test_a_description_without_a_known_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of clip, features, dual"):
        encoder_from_description({"model": {}}, tiny_config())


# The bag of words: no order, no padding, no ends; what weighs nothing says nothing.
START, END, PAD = 8, 9, 0
WEIGHTS = torch.tensor([5.0, 1.0, 2.0, 3.0, 0.0, 1.0, 1.0, 1.0, 7.0, 7.0])


def bag() -> BagOfWords:
    torch.manual_seed(0)
    made = BagOfWords(10, 4)
    torch.nn.init.normal_(made.vectors.weight)
    torch.nn.init.normal_(made.bias)
    made.weights.copy_(WEIGHTS)
    return made


def row(*words: int, width: int = 7) -> torch.Tensor:
    ids = [START, *words, END]
    return torch.tensor([ids + [PAD] * (width - len(ids))])


def test_a_sentence_is_the_weighted_mean_of_its_words_and_a_bias() -> None:
    made = bag()
    wanted = (1.0 * made.vectors.weight[1] + 2.0 * made.vectors.weight[2]) / 5**0.5 + made.bias
    torch.testing.assert_close(made(row(1, 2))[0][0], wanted)


def test_order_padding_ends_and_weightless_words_change_nothing() -> None:
    made = bag()
    wanted = made(row(1, 2))[0]
    for same in (row(2, 1), row(1, 2, width=5), row(1, 4, 2)):
        torch.testing.assert_close(made(same)[0], wanted)
    poisoned = row(1, 2)
    poisoned[0, 4:] = 3
    torch.testing.assert_close(made(poisoned)[0], wanted)


def test_the_token_that_pads_counts_where_it_is_a_word() -> None:
    assert token_weights(row(PAD, 1), WEIGHTS)[0, 1] > 0


@pytest.mark.parametrize("ids", [row(), row(4), torch.zeros(0, 7, dtype=torch.int64)])
def test_texts_without_a_telling_word_are_the_bias(ids: torch.Tensor) -> None:
    made = bag()
    sentence, words = made(ids)
    assert words.shape == (*ids.shape, 4)
    torch.testing.assert_close(sentence, made.bias.expand(len(ids), 4))


def test_every_parameter_gets_a_gradient() -> None:
    made = bag()
    made(row(1, 2, 3))[0].square().sum().backward()
    assert made.bias.grad is not None
    assert made.bias.grad.abs().min() > 0
    assert made.vectors.weight.grad is not None
    assert made.vectors.weight.grad[1:4].abs().min() > 0
    assert not made.vectors.weight.grad[[PAD, START, END]].any()
